"""Pictures that explain: results side by side, candidates in a row, levels of parts, contact sheets, animations.

All return Pillow images. The overlay itself is `anymask.draw`.
"""

from anymask.pictures.animation import click_frames, save_animation
from anymask.pictures.layout import contact_sheet, row
from anymask.pictures.panels import binary, candidates_row, levels, side_by_side

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
