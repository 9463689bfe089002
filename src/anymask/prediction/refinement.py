"""Look again: at the photo in a mirror, and at the object alone in the photo's full resolution.

The model sees a photo at 1,024 pixels and answers on 256×256 cells. Two things help, each for one more pass of the
encoder. In a mirror the model errs in other places, so the mean of both answers follows the object more closely. And
in a window around the object the model answers on finer cells; where the photo has more pixels than the model saw, it
also sees details that were lost. Without those its answer alone is worse, but the mean of both is better (measured:
docs/explanation/quality.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.prediction.options import Refine
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.selection import check_logits
from anymask.prediction.window import DETAIL, Detail, seam_ramp
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.transforms import MODEL_SIDE, ResizeLongestSide, warp_logits

Look = Callable[[NDArray[np.uint8]], tuple[DecodePrompts, ResizeLongestSide]]
"""Runs the encoder on pixels, uint8 [H, W, 3]."""

UNSTABLE = 0.92
"""Answers to clicks below this stability are asked about in the mirror."""
LARGER = 1.4
"""How many times larger than before a window must show the object to be looked at after a box, and with "max"."""

_MARGIN = 0.5
_AGREEMENT = 0.8
_DETAIL_AGREEMENT = 0.7
_TRUST_IN_DETAIL, _TRUST_IN_SIZE = 2 / 3, 1 / 2


@dataclass(frozen=True, eq=False)
class Refiner:
    """Looks again at one photo.

    Args:
        pixels: uint8 [H, W, 3], the photo.
        frame: its geometry.
        mirrored: asks about the mirrored photo, see `through_mirror`.
        look: encodes a window.
    """

    pixels: NDArray[np.uint8]
    frame: ResizeLongestSide
    mirrored: DecodePrompts
    look: Look

    def refined(self, answer: SelectedMask, prompt: Prompt, refine: Refine) -> tuple[SelectedMask, Detail | None]:
        """Improve one answer by looking again.

        Args:
            answer: as chosen.
            prompt: what was asked.
            refine: "auto": in the mirror if the answer is unstable and the mirror was not asked yet, and in a window if
                that shows the object larger (after a box) or `DETAIL` times finer: at most two passes of the encoder,
                of which the first serves the whole photo. "max": both, if a window shows the object larger. "off": the
                answer as it is.

        Returns:
            The answer, and the detail that replaces its mask inside a window. An improvement that breaks more of the
            prompt's promises, or finds another object, is not taken.
        """
        if refine == "off" or not (answer.logits > 0).any():
            return answer, None
        if not answer.mirrored and (refine == "max" or answer.stability < UNSTABLE):
            answer = self._in_the_mirror(answer, prompt)
        return answer, self._in_detail(answer, prompt, refine == "max" or prompt.box is not None)

    def _in_the_mirror(self, answer: SelectedMask, prompt: Prompt) -> SelectedMask:
        box = prompt.box if prompt.box is not None else self.frame.box_above(answer.logits)
        if not (box[2] > box[0] and box[3] > box[1]):
            return answer
        (seen, *_), *_ = self.mirrored([make_prompt((self.frame.width, self.frame.height), box=box)])[0]
        if iou(seen > 0, answer.logits > 0) < _AGREEMENT:
            return answer
        mean: NDArray[np.float32] = (seen + answer.logits) / np.float32(2)
        kept = check_logits(self.frame, mean, prompt)
        return answer if _worse(kept, answer.follows_prompt) else replace(answer, logits=mean, follows_prompt=kept)

    def _in_detail(self, answer: SelectedMask, prompt: Prompt, if_larger: bool) -> Detail | None:
        width, height = self.frame.width, self.frame.height
        box = self.frame.box_above(answer.logits)
        x0, y0, x1, y1 = window = _window(box, (width, height))
        side = max(x1 - x0, y1 - y0)
        finer, larger = max(width, height) / max(side, MODEL_SIDE), max(width, height) / max(side, 1)
        if side <= 0 or not (finer >= DETAIL or (if_larger and larger >= LARGER)):
            return None
        decode, frame = self.look(np.ascontiguousarray(self.pixels[y0:y1, x0:x1]))
        asked = self._asked_in(window, box, prompt)
        (seen,) = segment_prompts(decode, frame, [asked], "object")
        before = warp_logits(answer.logits, self.frame.logit_grid(), frame.logit_grid(window))
        if iou(seen.logits > 0, before > 0) < _DETAIL_AGREEMENT:
            return None
        trust = _TRUST_IN_DETAIL if finer >= DETAIL else _TRUST_IN_SIZE
        share = trust * seam_ramp(frame, window, (width, height))
        blended = (before + share * (seen.logits - before)).astype(np.float32)
        if len(asked.points) and _worse(check_logits(frame, blended, asked), answer.follows_prompt):
            return None
        return Detail(window, frame, blended)

    def _asked_in(self, window: tuple[int, int, int, int], box: ArrayLike, prompt: Prompt) -> Prompt:
        """The same question in a window: the box that was asked for, or the answer's, and the points inside."""
        x0, y0, x1, y1 = window
        limits = [x1 - x0, y1 - y0] * 2
        asked = np.clip(np.subtract(box if prompt.box is None else prompt.box, [x0, y0] * 2), 0, limits)
        if not (asked[2:] > asked[:2]).all():
            asked = np.subtract(box, [x0, y0] * 2)
        clicks = (prompt.points >= [x0, y0]).all(1) & (prompt.points < [x1, y1]).all(1)
        return make_prompt(
            (x1 - x0, y1 - y0),
            points=prompt.points[clicks] - [x0, y0] if clicks.any() else None,
            labels=prompt.labels[clicks] if clicks.any() else None,
            box=asked,
        )


def _window(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box with a margin, inside the photo."""
    margin = int(_MARGIN * max(box[2] - box[0], box[3] - box[1], 64))
    return (
        max(box[0] - margin, 0), max(box[1] - margin, 0), min(box[2] + margin, size[0]), min(box[3] + margin, size[1]),
    )  # fmt: skip


def _worse(kept: object, before: object) -> bool:
    return bool(before) and not kept
