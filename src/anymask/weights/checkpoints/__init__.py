"""Readers of checkpoint files: ONNX, PyTorch, safetensors."""
