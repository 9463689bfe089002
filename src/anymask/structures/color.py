"""Colours of pixels."""

from __future__ import annotations

Color = tuple[int, int, int]
"""(red, green, blue), each 0 to 255."""
