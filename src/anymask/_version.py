"""The version of anymask."""

__version__ = "0.1.0"
