"""Drawings of results: side by side, candidates in a row, levels of parts, contact sheets, animations.

All are Pillow images. The overlay itself is `anymask.visualization.overlay`.
"""

from anymask.visualization.animation import click_frames, save_animation
from anymask.visualization.contact_sheet import contact_sheet, row
from anymask.visualization.panels import binary, candidates_row, levels, side_by_side

__all__ = [
    "binary",
    "candidates_row",
    "click_frames",
    "contact_sheet",
    "levels",
    "row",
    "save_animation",
    "side_by_side",
]
