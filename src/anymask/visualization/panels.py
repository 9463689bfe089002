"""Several views of one result side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from anymask.errors import InputError, quantity
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.visualization.contact_sheet import row
from anymask.visualization.overlay import draw

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.candidates import CandidateMasks
    from anymask.structures.mask_hierarchy import Tree
    from anymask.structures.prompt import Prompt

PANEL_SIDE = 1024
"""Panels of larger images are drawn at this long side."""


def side_by_side(result: MaskSet, **style: Any) -> PIL.Image.Image:
    """The image, and beside it the result drawn over it.

    Args:
        result: with its image.
        style: fields of `anymask.visualization.overlay.Style`.

    Raises:
        InputError: the result has no image.
    """
    options = {"max_side": PANEL_SIDE, **style}
    plain = draw(result.image.pixels, (), (), max_side=options["max_side"])
    return row([plain, draw(result.image.pixels, result, _prompts(result), **options)], ["image", _count(len(result))])


def binary(mask: Mask, title: str | None = None, max_side: int = PANEL_SIDE) -> PIL.Image.Image:
    """One mask in white on black, with its score over it.

    Args:
        mask: the mask.
        title: another line over it.
        max_side: larger masks are drawn at this long side, in pixels.
    """
    panel = PIL.Image.fromarray(mask.array.view(np.uint8) * np.uint8(255))
    panel.thumbnail((max_side, max_side), PIL.Image.Resampling.BOX)
    return row([panel], [_score(mask.label, mask.confidence) if title is None else title])


def candidates_row(
    image: Image, candidates: CandidateMasks, prompt: Prompt | None = None, **style: Any
) -> PIL.Image.Image:
    """All candidate masks of one prompt, side by side, each with its score.

    ```python
    candidates_row(encoded.source, encoded.predict(points=[(350, 450)]))
    ```

    Args:
        image: the image.
        candidates: of `EncodedImage.predict`.
        prompt: drawn over each, too.
        style: fields of `anymask.visualization.overlay.Style`.
    """
    options = {"max_side": PANEL_SIDE, **style}
    prompts = () if prompt is None else (prompt,)
    panels, titles = [], []
    for index, (array, score) in enumerate(zip(candidates.masks, candidates.scores, strict=True)):
        panels.append(draw(image.pixels, [Mask.from_array(array)], prompts, **options))
        titles.append(f"candidate {index}, score {score:.3f}")
    return row(panels, titles)


def levels(result: MaskSet, max_panels: int = 4, **style: Any) -> PIL.Image.Image:
    """A panel for each level of the hierarchy: wholes, their parts, and so on; masks have their colour of the overlay.

    Args:
        result: of everything mode, or any other with parts and wholes.
        max_panels: deeper levels share the last panel.
        style: fields of `anymask.visualization.overlay.Style`.

    Raises:
        InputError: no masks, or no image.
    """
    if not len(result):
        raise InputError("there are no masks, so there are no levels of parts")
    options = {"max_side": PANEL_SIDE, "labels": False, **style}
    depth = np.minimum(_tree(result).levels, max_panels - 1)
    panels, titles = [], []
    for level in range(int(depth.max()) + 1):
        indices = np.flatnonzero(depth == level).tolist()
        panels.append(draw(result.image.pixels, _Selection(result, indices), (), **options))
        name = "wholes" if level == 0 else "parts" if level == 1 else f"parts of level {level}"
        titles.append(f"{len(indices)} {name}")
    return row(panels, titles)


class _Selection(list[Mask]):
    """Some masks of a result, with the indices that give them their colours."""

    def __init__(self, result: MaskSet, indices: Sequence[int]) -> None:
        super().__init__(result[index] for index in indices)
        self.colour_indices = tuple(result.colour_indices[index] for index in indices)


def _tree(result: MaskSet) -> Tree:
    """The tree of a result of everything mode, or one computed from the masks."""
    tree: Tree | None = getattr(result, "tree", None)
    if tree is not None:
        return tree
    from anymask.structures.mask_hierarchy import coarse_tree

    return coarse_tree(result)


def _prompts(result: MaskSet) -> Sequence[Prompt]:
    return result.prompts if result.shows_prompts else ()


def _count(masks: int) -> str:
    return quantity(masks, "mask")


def _score(label: str | None, score: float | None) -> str:
    return " ".join([*([label] if label else []), *([f"score {score:.3f}"] if score is not None else [])])
