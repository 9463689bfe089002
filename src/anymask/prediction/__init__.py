"""Promptable prediction: an image is encoded once, then answers points, boxes and text in milliseconds."""
