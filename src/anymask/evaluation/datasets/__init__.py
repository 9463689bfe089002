"""Ground truth: readers of annotated datasets."""
