"""The networks of each model family, and the interface that a Segmenter uses."""
