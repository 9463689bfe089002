"""See a window of a photo as close as it is: what a person has zoomed in on is what the model looks at.

The model sees a photo at 1,024 pixels and answers on 256×256 cells, so on twelve megapixels a screw is a cell or two.
A window of the photo, encoded by itself, shows it as the person sees it. What is asked there is answered there, and the
answer is put into the whole photo's: an object that lies inside the window is taken as it was seen, one that is cut by
the window's sides goes on outside with what the whole photo says, blended at the sides so that no seam shows.

```python
window = window_for(encoded.size, (1200, 800, 1900, 1300))     # what is visible; None if it would show nothing finer
mask = ZoomedView(encoded, window).segment(make_prompt(encoded.size, points=[(1500, 1000)]))
```
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.alternatives import SAME, distinct_masks
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.options import Select
from anymask.prediction.preview import preview
from anymask.prediction.prompting import DecodePrompts, SelectedMask, segment_prompts
from anymask.prediction.sam import SamImage
from anymask.prediction.window import Detail, ImageWindow, render_logits, seam_ramp
from anymask.structures.mask import Mask
from anymask.structures.mask_input import MASK_LOGIT, mask_logits
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.transforms import LOGIT_SIDE, ResizeLongestSide, warp_logits

_AGREEMENT = 0.7
"""The least IoU, inside the window, of the answer there and the one that is to go on outside."""
_LIKE = 0.8
"""The IoU at which the photo's own answer goes on outside, even if another one is more alike inside."""
_TRUST = 2 / 3
"""How much of the difference to the photo's answer is believed where the window cuts the object."""
_FULL = 0.95
"""The share of the window from which on a mask fills it, so that nothing of its shape is seen there."""


def can_zoom(encoded: EncodedImage) -> TypeGuard[SamImage]:
    """Whether the image's model takes windows."""
    return encoded.capabilities.zoom


class ZoomedView:
    """A window of a photo, encoded by itself. Never changes; safe to ask from several threads at once.

    Args:
        encoded: the whole photo; of a model with logits.
        window: of `window_for`.

    Attributes:
        window: as given.
        nbytes: memory that it takes.
    """

    def __init__(self, encoded: SamImage, window: ImageWindow) -> None:
        x0, y0, x1, y1 = window
        family = encoded.runtime.model
        embedding = family.encode(np.ascontiguousarray(encoded.pixels[y0:y1, x0:x1]))
        self.window, self.nbytes = window, embedding.nbytes + encoded.nbytes
        self._photo, self._frame = encoded.transform, ResizeLongestSide(x1 - x0, y1 - y0)
        self._photo_grid, self._window_grid = self._photo.logit_grid(), self._frame.logit_grid(window)
        self._decode: DecodePrompts = partial(family.decode, embedding, self._frame)
        self._ask_photo: DecodePrompts = partial(
            family.decode, encoded.tokens, encoded.transform
        )  # the pixels are not kept
        self._ramp = seam_ramp(self._frame, window, encoded.size)

    def segment(
        self, prompt: Prompt, earlier: Mask | None = None, select: Select = "object", quick: bool = False
    ) -> Mask | None:
        """Answer a prompt about the photo by what is seen in the window.

        Args:
            prompt: in pixels of the photo.
            earlier: the answer that this one is to build on, in the place of the prompt's `mask_input`.
            select: as for `EncodedImage.segment`.
            quick: from one look alone, see `anymask.prediction.preview`.

        Returns:
            The mask of the whole photo; None if the window cannot tell: an included click or the box lies outside, the
            answer fills the window, or it does not fit what the whole photo shows around it.
        """
        asked = self._inside(prompt, earlier)
        if asked is None:
            return None
        answer = (preview if quick else segment_prompts)(self._decode, self._frame, [asked], select)[0]
        return self._put(answer, prompt, earlier)

    def alternatives(self, prompt: Prompt, most: int) -> list[Mask]:
        """What a click may mean of that which lies in the window whole: distinct answers, the best first.

        Args:
            prompt: in pixels of the photo, with at least one included point and no box.
            most: how many at most.
        """
        asked = self._inside(prompt, None)
        if asked is None or asked.box is not None or not (asked.labels == 1).any():
            return []
        found = distinct_masks(self._decode, self._frame, asked, most)
        masks = [self._put(answer, prompt, None) for answer in found if not self._is_cut(answer.logits)]
        return [mask for mask in masks if mask is not None]

    def _inside(self, prompt: Prompt, earlier: Mask | None) -> Prompt | None:
        """The prompt in pixels of the window; None if it asks about what lies outside."""
        x0, y0, x1, y1 = self.window
        held = np.all((prompt.points >= [x0, y0]) & (prompt.points < [x1, y1]), axis=1)
        if not held[prompt.labels == 1].all():
            return None
        box = prompt.box
        if box is not None and not (x0 <= box[0] and y0 <= box[1] and box[2] <= x1 and box[3] <= y1):
            return None
        if box is None and not held.any():
            return None
        fed = None
        if earlier is not None:
            part = earlier.array[y0:y1, x0:x1]
            fed = mask_logits(part) if part.any() else None
        return Prompt(
            prompt.points[held] - [x0, y0],
            prompt.labels[held],
            None if box is None else np.asarray(box) - [x0, y0, x0, y0],
            mask_input=fed,
        )

    def _put(self, answer: SelectedMask, prompt: Prompt, earlier: Mask | None) -> Mask | None:
        """Put an answer of the window into the photo."""
        columns, rows = self._frame.valid_logits()
        filled = np.count_nonzero(answer.logits[:rows, :columns] > 0) / (rows * columns)
        if (earlier is None and not 0 < filled < _FULL) or not filled:
            return None
        if earlier is None and not self._is_cut(answer.logits):
            return self._made(answer, answer.logits, None, prompt)
        if earlier is not None:
            joined = self._joined(answer.logits, self._of(earlier))
            if mask := self._made(answer, joined, earlier, prompt):
                return mask
        whole = self._whole(answer, prompt)
        if whole is None or whole.logits is None:
            return None
        before = warp_logits(whole.logits, self._photo_grid, self._window_grid)
        return self._made(answer, self._joined(answer.logits, before, _TRUST), whole, prompt)

    def _made(
        self, answer: SelectedMask, seen: NDArray[np.float32], outside: Mask | None, prompt: Prompt
    ) -> Mask | None:
        """The mask of the photo, with another one outside the window; None if it breaks the prompt."""
        x0, y0, x1, y1 = self.window
        size = self._photo.width, self._photo.height
        array = np.zeros(size[::-1], np.bool_) if outside is None else outside.array.copy()
        array[y0:y1, x0:x1] = self._frame.upscale(seen)
        follows_prompt = PromptCheck.of(array, prompt)
        if not follows_prompt:
            return None
        logits = self._in_photo(seen, outside)
        return Mask(
            array,
            size,
            score=answer.score,
            stability=answer.stability,
            logits=logits,
            follows_prompt=follows_prompt,
            full_logits=partial(render_logits, self._photo, logits, Detail(self.window, self._frame, seen)),
        )

    def _joined(
        self, seen: NDArray[np.float32], before: NDArray[np.float32], trust: float = 1.0
    ) -> NDArray[np.float32]:
        """Blend an answer with what goes on outside. Where they differ up to a cut side, the latter is left as it was.

        Args:
            seen: float32 [256, 256], in the window.
            before: the same of what goes on outside.
            trust: how much of the difference is believed well inside.
        """
        import cv2

        columns, rows = self._frame.valid_logits()
        differs = ((seen > 0) != (before > 0)).astype(np.uint8)
        differs[rows:], differs[:, columns:] = 0, 0
        _, pieces = cv2.connectedComponents(differs)
        left = np.isin(pieces, np.setdiff1d(pieces[self._ramp == 0], [0]))
        joined: NDArray[np.float32] = before + trust * self._ramp * np.where(left, 0, seen - before)
        return joined.astype(np.float32)

    def _is_cut(self, logits: NDArray[np.float32]) -> bool:
        """Whether an answer reaches a side at which the window cuts the photo."""
        columns, rows = self._frame.valid_logits()
        return bool(((logits > 0) & (self._ramp == 0))[:rows, :columns].any())

    def _whole(self, answer: SelectedMask, prompt: Prompt) -> Mask | None:
        """The photo's answer that is most like what was seen in the window; None if none is."""
        columns, rows = self._frame.valid_logits()
        seen = answer.logits[:rows, :columns] > 0
        followed = replace(prompt, mask_input=self._in_photo(answer.logits, None))
        logits, scores = self._ask_photo([replace(prompt, mask_input=None), followed])
        own = preview(lambda _: (logits[:1], scores[:1]), self._photo, [prompt])[0].logits
        whole = [own, *logits.reshape(-1, *logits.shape[2:])]
        inside = [warp_logits(each, self._photo_grid, self._window_grid)[:rows, :columns] > 0 for each in whole]
        fits = [iou(each, seen) for each in inside]
        best = whole[0 if fits[0] >= _LIKE else int(np.argmax(fits))]
        if max(fits) < _AGREEMENT:
            return None
        return Mask(partial(self._photo.upscale, best), (self._photo.width, self._photo.height), logits=best)

    def _of(self, mask: Mask) -> NDArray[np.float32]:
        """A mask of the photo as logits of the window."""
        x0, y0, x1, y1 = self.window
        logits = mask_logits(mask.array[y0:y1, x0:x1])
        columns, rows = self._frame.valid_logits()
        logits[rows:], logits[:, columns:] = -MASK_LOGIT, -MASK_LOGIT
        return logits

    def _in_photo(self, seen: NDArray[np.float32], outside: Mask | None) -> NDArray[np.float32]:
        """Logits of the window as logits of the photo, for the next click: float32 [256, 256]."""
        import cv2

        finer = max(1.0, self._photo_grid.pixels_per_cell[0] / self._window_grid.pixels_per_cell[0])
        smooth = cv2.blur(seen, (int(finer) | 1, int(finer) | 1))  # a cell of the image is several of the window
        put = warp_logits(smooth, self._window_grid, self._photo_grid)
        columns, rows = self._window_grid.coordinates_of(self._photo_grid)
        limit = self._frame.valid_logits()
        held = (columns >= -0.5) & (columns < limit[0]) & (rows >= -0.5) & (rows < limit[1])
        if outside is None:
            around = np.full((LOGIT_SIDE, LOGIT_SIDE), -MASK_LOGIT, np.float32)
        else:
            around = outside.logits if outside.logits is not None else mask_logits(outside.array)
        return np.where(held, put, around).astype(np.float32)


def zoom_alternatives(
    encoded: EncodedImage, prompt: Prompt, most: int, closeup: ZoomedView | None = None
) -> list[tuple[Mask, bool]]:
    """What a click may mean: `EncodedImage.choices`, and before them what lies in a window whole.

    Args:
        encoded: the photo.
        prompt: in pixels of it.
        most: how many at most.
        closeup: a window of it; None for the photo as a whole.

    Returns:
        Masks, the best first, and of each whether it was seen in the window.

    Raises:
        PromptError: no included point.
    """
    found = [(mask, True) for mask in closeup.alternatives(prompt, most)] if closeup is not None else []
    whole = encoded.alternatives(prompt.points, prompt.labels, most)
    for mask in whole:
        if len(found) < most and not any(iou(mask.array, other.array) > SAME for other, _ in found):
            found.append((mask, False))
    return found[:most]
