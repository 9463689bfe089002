"""Sizes and labels of the networks' inputs, for callers too: a graph from the cache runs without what builds graphs."""

from __future__ import annotations

IMAGE_SIZE = 1024
"""Side of the square that SAM looks at, in pixels."""
GRID = IMAGE_SIZE // 16
"""Image tokens along each side of it."""
BLOCK = 4
"""Tokens along each side of what `search_decoder` merges of the padding."""

NOT_A_POINT, EXCLUDE, INCLUDE, TOP_LEFT, BOTTOM_RIGHT, ABSENT = -1, 0, 1, 2, 3, -2
"""Labels of the sparse prompt. `ABSENT` fills up a shorter prompt in a batch and takes no part in attention."""


def stem_side(content: int) -> int:
    """How many of the 1,024 rows `tinyvit_stem` needs for an image of so many, or columns alike.

    Followed are the rows that see the image: through two convolutions of stride 2, two blocks and one more of stride
    2, all of kernel 3. After them comes a row of mere padding, which is repeated, and the last, which sees the border.
    Rounded up to steps of 32, because an engine remembers 2 MB for each shape that it has met.
    """
    quarter = (content // 2 + 1) // 2 + 1
    seen = (quarter + 2) // 2 + 1
    return min(-(-8 * (seen + 2) // 32) * 32, IMAGE_SIZE)


def tokens_apart(logits: int) -> int:
    """How many rows of image tokens `search_decoder` keeps apart where so many rows of logits see the image, or columns
    alike.

    A token makes four logits. One logit more than is seen is needed: the last visible pixels are interpolated towards
    it.
    """
    return min(-(-(logits // 4 + 1) // BLOCK) * BLOCK, GRID)


CODE_VERSION = 6
"""Raise this whenever a graph changes: compiled graphs and stored embeddings are keyed by it."""
