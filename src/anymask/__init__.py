"""anymask: exact object masks from clicks, boxes or words, on an ordinary CPU."""

__version__ = "0.1.0"
