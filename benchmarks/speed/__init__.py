"""Speed beside the official PyTorch code, in one process."""
