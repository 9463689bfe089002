"""File formats of annotations: one module per format, found through `anymask.formats.registry`."""
