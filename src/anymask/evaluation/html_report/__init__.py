"""The HTML report of `anymask evaluate`."""
