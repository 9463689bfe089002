"""The networks of each model family, and what a Segmenter needs of them."""
