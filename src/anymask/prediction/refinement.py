"""Refine a mask with further passes of the encoder: on the mirrored image, and on a window around the object.

The model sees an image at 1,024 pixels and returns logits of 256×256 cells. Two things help, each for one more pass of
the encoder. On the mirrored image the model errs in other places, so the mean of both masks follows the object more
closely (test-time augmentation). In a window around the object the cells are finer; where the image has more pixels
than the model saw, details that were lost appear. Without those the window's mask alone is worse, but the mean of both
is better (measured: docs/explanation/quality.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.prediction.options import Refine
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.selection import check_logits
from anymask.prediction.window import DETAIL, Detail, ImageWindow, seam_ramp
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.transforms import MODEL_SIDE, ResizeLongestSide, warp_logits

EncodeWindow = Callable[[ImageWindow], tuple[DecodePrompts, ResizeLongestSide]]
"""A window → its decoder and its geometry in the model."""

UNSTABLE = 0.92
"""Masks of clicks below this stability are decoded on the mirrored image, too, if no window is."""
MIN_ENLARGEMENT = 1.4
"""How many times larger a window must show the object to be encoded with "max"."""

_MARGIN = 0.5
_AGREEMENT = 0.8
_DETAIL_AGREEMENT = 0.7
_DETAIL_WEIGHT, _SIZE_WEIGHT = 2 / 3, 1 / 2
"""Weight of the window's logits where it shows finer detail, and where it shows the object larger only."""


@dataclass(frozen=True, eq=False)
class Refiner:
    """Refines masks of one image.

    Args:
        frame: the image's geometry in the model.
        mirrored: decodes prompts about the mirrored image, see `anymask.prediction.flip_tta.through_mirror`.
        encode_window: encodes a window.
    """

    frame: ResizeLongestSide
    mirrored: DecodePrompts
    encode_window: EncodeWindow

    def refine(self, selected: SelectedMask, prompt: Prompt, refine: Refine) -> tuple[SelectedMask, Detail | None]:
        """Refine one mask.

        Args:
            selected: the mask.
            prompt: that it is the mask of.
            refine: "auto": with at most one pass of the encoder, by a window if that shows the object `DETAIL` times
                finer and the mirror did not contribute, else after a click by the mirrored image if the mask is
                unstable. "max": by the mirror, and by a window that shows the object larger. "off": not at all.

        Returns:
            The mask, and the detail that replaces it inside a window. What breaks more of the prompt's constraints, or
            shows another object, is not used.
        """
        if refine == "off" or not (selected.logits > 0).any():
            return selected, None
        windowed = refine == "max" or (not selected.mirrored and self.shows_detail(selected.logits))
        unstable = prompt.box is None and selected.stability < UNSTABLE
        if not selected.mirrored and (refine == "max" or (unstable and not windowed)):
            selected = self._with_mirror(selected, prompt)
        return selected, self._detail(selected, prompt, refine == "max") if windowed else None

    def shows_detail(self, logits: NDArray[np.float32]) -> bool:
        """Whether a window around a mask, float32 [256, 256], shows the image `DETAIL` times finer."""
        box = self.frame.box_above(logits)
        return box[0] < box[2] and self._enlargement(_window(box, (self.frame.width, self.frame.height)))[0] >= DETAIL

    def _enlargement(self, window: ImageWindow) -> tuple[float, float]:
        """How many times finer a window shows the image than the model saw it, and how many times larger."""
        x0, y0, x1, y1 = window
        longest, side = max(self.frame.width, self.frame.height), max(x1 - x0, y1 - y0, 1)
        return longest / max(side, MODEL_SIDE), longest / side

    def _with_mirror(self, selected: SelectedMask, prompt: Prompt) -> SelectedMask:
        """The mean with the mask of the same box on the mirrored image."""
        box = prompt.box if prompt.box is not None else self.frame.box_above(selected.logits)
        if not (box[2] > box[0] and box[3] > box[1]):
            return selected
        (mirrored, *_), *_ = self.mirrored([make_prompt((self.frame.width, self.frame.height), box=box)])[0]
        if iou(mirrored > 0, selected.logits > 0) < _AGREEMENT:
            return selected
        mean: NDArray[np.float32] = (mirrored + selected.logits) / np.float32(2)
        check = check_logits(self.frame, mean, prompt)
        return (
            selected
            if _is_worse(check, selected.follows_prompt)
            else replace(selected, logits=mean, follows_prompt=check)
        )

    def _detail(self, selected: SelectedMask, prompt: Prompt, if_larger: bool) -> Detail | None:
        """The mask inside a window around it; None if a window shows no more, or another object."""
        width, height = self.frame.width, self.frame.height
        box = self.frame.box_above(selected.logits)
        window = _window(box, (width, height))
        finer, larger = self._enlargement(window)
        if box[0] == box[2] or not (finer >= DETAIL or (if_larger and larger >= MIN_ENLARGEMENT)):
            return None
        decode, frame = self.encode_window(window)
        window_prompt = _prompt_in_window(window, box, prompt)
        (closer,) = segment_prompts(decode, frame, [window_prompt], "object")
        whole = warp_logits(selected.logits, self.frame.logit_grid(), frame.logit_grid(window))
        if iou(closer.logits > 0, whole > 0) < _DETAIL_AGREEMENT:
            return None
        weight = (_DETAIL_WEIGHT if finer >= DETAIL else _SIZE_WEIGHT) * seam_ramp(frame, window, (width, height))
        mean = (whole + weight * (closer.logits - whole)).astype(np.float32)
        check = check_logits(frame, mean, window_prompt)
        if len(window_prompt.points) and _is_worse(check, selected.follows_prompt):
            return None
        return Detail(window, frame, mean)


def _prompt_in_window(window: ImageWindow, box: ArrayLike, prompt: Prompt) -> Prompt:
    """The same prompt in pixels of a window: its box or that of the mask, xyxy [4], and the points inside."""
    x0, y0, x1, y1 = window
    limits = [x1 - x0, y1 - y0] * 2
    inner = np.clip(np.subtract(box if prompt.box is None else prompt.box, [x0, y0] * 2), 0, limits)
    if not (inner[2:] > inner[:2]).all():
        inner = np.subtract(box, [x0, y0] * 2)
    clicks = (prompt.points >= [x0, y0]).all(1) & (prompt.points < [x1, y1]).all(1)
    return make_prompt(
        (x1 - x0, y1 - y0),
        points=prompt.points[clicks] - [x0, y0] if clicks.any() else None,
        labels=prompt.labels[clicks] if clicks.any() else None,
        box=inner,
    )


def _window(box: ImageWindow, size: tuple[int, int]) -> ImageWindow:
    """The box with a margin, inside an image of (width, height).

    Its sides lie on a grid of about a tenth of its length, so that most masks of the next clicks have the same window,
    whatever was prompted before.
    """
    longest = max(box[2] - box[0], box[3] - box[1], 64)
    margin, step = int(_MARGIN * longest), 2 ** int(math.log2(longest / 4))
    low = [max((box[axis] - margin) // step * step, 0) for axis in (0, 1)]
    high = [min(-(-(box[axis + 2] + margin) // step) * step, size[axis]) for axis in (0, 1)]
    return low[0], low[1], high[0], high[1]


def _is_worse(check: PromptCheck | None, before: PromptCheck | None) -> bool:
    return bool(before) and not check
