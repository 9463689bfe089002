"""Whether a mask meets the constraints of its prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.structures.overlap import box_iou, tight_box

if TYPE_CHECKING:
    from anymask.structures.prompt import Prompt
    from anymask.structures.transforms import ResizeLongestSide

BOX_FIT = 0.5
"""Minimum IoU between the tight box of a mask and the box of its prompt for the mask to follow the box.

0.5 is the usual threshold for "the same box" in detection (PASCAL VOC): a roughly drawn box around the right object is
above it, the box of a part or of a neighbour below."""


def check_points(frame: ResizeLongestSide, logits: NDArray[np.float32], prompt: Prompt) -> NDArray[np.bool_]:
    """Whether each included point is inside the full-size mask and each excluded point outside.

    Args:
        frame: the image's geometry.
        logits: float32 [..., 256, 256], of one mask or several.
        prompt: with N points.

    Returns:
        bool [..., N], in the order of the points.
    """
    followed: NDArray[np.bool_] = (frame.logits_at(logits, prompt.points) > 0) == (prompt.labels == 1)
    return followed


@dataclass(frozen=True)
class PromptCheck:
    """Which constraints of its prompt a mask meets; true if it meets all.

    Attributes:
        points: for each point of the prompt, whether an included one is inside or an excluded one outside.
        box: IoU of the mask's tight box with the prompt's box, 0 to 1; None without a box.
        box_share: share of the mask's pixels that lie inside the prompt's box, 0 to 1; None if it was not measured.
    """

    points: tuple[bool, ...] = ()
    box: float | None = None
    box_share: float | None = None

    def __bool__(self) -> bool:
        return all(self.points) and (self.box is None or self.box >= BOX_FIT)

    @classmethod
    def of(cls, mask: NDArray[np.bool_], prompt: Prompt) -> PromptCheck | None:
        """Check a full-size mask against its prompt.

        Args:
            mask: bool [H, W].
            prompt: in pixels of the same image.

        Returns:
            None if the prompt has neither points nor a box, and so no constraint.
        """
        if not len(prompt.points) and prompt.box is None:
            return None
        height, width = mask.shape
        columns = np.clip(np.floor(prompt.points[:, 0]).astype(int), 0, width - 1)
        rows = np.clip(np.floor(prompt.points[:, 1]).astype(int), 0, height - 1)
        points = tuple(bool(followed) for followed in mask[rows, columns] == (prompt.labels == 1))
        if prompt.box is None:
            return cls(points)
        x0, y0, x1, y1 = (round(float(edge)) for edge in prompt.box)
        inside = int(np.count_nonzero(mask[max(y0, 0) : y1, max(x0, 0) : x1]))
        share = inside / max(1, int(np.count_nonzero(mask)))
        return cls(points, float(box_iou(tight_box(mask), prompt.box)), share)
