"""Side-by-side speed of anymask and the official PyTorch code: `make bench`, or `python -m benchmarks`."""
