"""Segment Anything: image encoders, prompt encoder and mask decoder as ONNX graphs."""
