"""The networks, each written once as a function from official parameters to an ONNX model."""

CODE_VERSION = 6
"""Raise this whenever a graph changes: compiled graphs and stored embeddings are keyed by it."""
