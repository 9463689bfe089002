"""Sizes and labels of the networks' inputs, separate from the code that builds graphs: cached graphs run without it."""

from __future__ import annotations

import numpy as np

IMAGE_SIZE = 1024
"""Side of the encoder's square input, in pixels."""
HALF_IMAGE = "half_image"
"""The name of the image among an encoder's inputs, instead of "image", where its side is half of that."""
GRID = IMAGE_SIZE // 16
"""Image tokens along each side of the square."""
LEVELS = 3
"""Sizes of blocks of image tokens that `search_decoder` merges: 1×1, 2×2, 4×4."""
LEVEL_SIZES = np.concatenate([np.full((GRID >> level) ** 2, 4.0**level) for level in range(LEVELS)] + [np.zeros(1)])
"""Number of image tokens that each block stands for: those of 1×1 row by row, then those of 2×2, of 4×4, and one of
none, which fills up. Float64 [5377]."""

NOT_A_POINT, EXCLUDE, INCLUDE, TOP_LEFT, BOTTOM_RIGHT, ABSENT = -1, 0, 1, 2, 3, -2
"""Labels of the sparse prompt. `ABSENT` pads a shorter prompt in a batch and is masked in attention."""


PIXEL_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
PIXEL_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)

STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98
"""Of `_dynamic_multimask_via_stability` in sam2, which `build_sam2` switches on."""
LOGIT_LIMIT = 32.0
"""Largest magnitude of the logits that sam2 returns."""


def stem_side(content: int) -> int:
    """Number of the 1,024 rows that `tinyvit_stem` needs for an image of ``content`` rows, or likewise of columns.

    The receptive field is followed through two convolutions of stride 2, two blocks and one more convolution of stride
    2, all of kernel 3. After the rows that depend on the image comes one of padding alone, which is repeated, and the
    last, which depends on the border. Rounded up to steps of 32, because an engine keeps 2 MB for each shape.
    """
    quarter = (content // 2 + 1) // 2 + 1
    covered = (quarter + 2) // 2 + 1
    return min(-(-8 * (covered + 2) // 32) * 32, IMAGE_SIZE)


CODE_VERSION = 7
"""To be raised whenever a graph changes: it is in the keys of compiled graphs and stored embeddings."""
