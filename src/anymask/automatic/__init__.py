"""Automatic mask generation: every object of an image, without a prompt."""
