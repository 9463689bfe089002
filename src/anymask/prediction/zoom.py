"""Segment in a window of an image, encoded by itself: the model sees what a person has zoomed in on.

The model sees an image at 1,024 pixels and returns logits of 256×256 cells, so on twelve megapixels a screw is a cell
or two. A window of the image, encoded by itself, shows it larger. Prompts inside are decoded in the window, and the
mask is merged into the image: an object that lies inside the window is taken from the window alone; one that the sides
of the window cut goes on outside as the mask of the whole image, blended at the sides so that no seam is visible.

```python
window = window_for(encoded.size, (1200, 800, 1900, 1300))     # the visible part; None if it would show nothing finer
mask = ZoomedView(encoded, window).segment(make_prompt(encoded.size, points=[(1500, 1000)]))
```
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.alternatives import SAME_IOU, distinct_alternatives
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
from anymask.structures.transforms import LOGIT_SIDE, warp_logits

_MIN_AGREEMENT = 0.7
"""The least IoU, inside the window, of the window's mask and the image's mask that is to go on outside."""
_GOOD_AGREEMENT = 0.8
"""The IoU from which on the image's own mask goes on outside, even if another candidate agrees more."""
_CUT_WEIGHT = 2 / 3
"""Weight of the window's logits against the image's where the window cuts the object."""
_FULL = 0.95
"""The share of the window from which on a mask fills it, so that none of its outline is inside."""


def can_zoom(encoded: EncodedImage) -> TypeGuard[SamImage]:
    """Whether windows of the image can be encoded by themselves."""
    return encoded.capabilities.zoom


class ZoomedView:
    """A window of an image, encoded by itself. Never changes; safe to prompt from several threads at once.

    Args:
        encoded: the whole image.
        window: of `anymask.prediction.window.window_for`.

    Attributes:
        window: (x_min, y_min, x_max, y_max) in pixels of the image.
        nbytes: memory that it takes, in bytes.
    """

    def __init__(self, encoded: SamImage, window: ImageWindow) -> None:
        x0, y0, x1, y1 = window
        model = encoded.runtime.model
        embedding = model.encode(np.ascontiguousarray(encoded.pixels[y0:y1, x0:x1]))
        self.window, self.nbytes = window, embedding.nbytes + encoded.nbytes
        self._image, self._frame = encoded.transform, model.geometry(x1 - x0, y1 - y0)
        self._image_grid, self._window_grid = self._image.logit_grid(), self._frame.logit_grid(window)
        self._decode: DecodePrompts = partial(model.decode, embedding, self._frame)
        # Not `encoded.decode`, which would keep the pixels of the image in memory.
        self._decode_image: DecodePrompts = partial(model.decode, encoded.tokens, encoded.transform)
        self._ramp = seam_ramp(self._frame, window, encoded.size)

    def segment(
        self, prompt: Prompt, earlier: Mask | None = None, select: Select = "object", preview_only: bool = False
    ) -> Mask | None:
        """Segment in the window.

        Args:
            prompt: in pixels of the image.
            earlier: a mask that the prompt corrects, in the place of the prompt's `mask_input`.
            select: as for `EncodedImage.segment`.
            preview_only: from one pass of the decoder, see `anymask.prediction.preview`.

        Returns:
            The mask of the whole image; None if the window is not enough: an included click or the box lies outside,
            the mask fills the window, or it does not fit the image's mask around it.
        """
        inside = self._prompt_inside(prompt, earlier)
        if inside is None:
            return None
        segment = preview if preview_only else segment_prompts
        (selected,) = segment(self._decode, self._frame, [inside], select)
        return self._merge(selected, prompt, earlier)

    def alternatives(self, prompt: Prompt, most: int) -> list[Mask]:
        """What a click may mean among the objects that lie in the window as a whole: distinct masks, the best first.

        Args:
            prompt: in pixels of the image, with at least one included point and no box.
            most: how many at most.
        """
        inside = self._prompt_inside(prompt, None)
        if inside is None or inside.box is not None or not (inside.labels == 1).any():
            return []
        distinct = distinct_alternatives(self._decode, self._frame, inside, most)
        masks = [self._merge(selected, prompt, None) for selected in distinct if not self._is_cut(selected.logits)]
        return [mask for mask in masks if mask is not None]

    def _prompt_inside(self, prompt: Prompt, earlier: Mask | None) -> Prompt | None:
        """The prompt in pixels of the window; None if it is about what lies outside."""
        x0, y0, x1, y1 = self.window
        inside = np.all((prompt.points >= [x0, y0]) & (prompt.points < [x1, y1]), axis=1)
        if not inside[prompt.labels == 1].all():
            return None
        box = prompt.box
        if box is not None and not (x0 <= box[0] and y0 <= box[1] and box[2] <= x1 and box[3] <= y1):
            return None
        if box is None and not inside.any():
            return None
        mask_input = None
        if earlier is not None:
            part = earlier.array[y0:y1, x0:x1]
            mask_input = mask_logits(part, type(self._frame)) if part.any() else None
        return Prompt(
            prompt.points[inside] - [x0, y0],
            prompt.labels[inside],
            None if box is None else np.asarray(box) - [x0, y0, x0, y0],
            mask_input=mask_input,
        )

    def _merge(self, selected: SelectedMask, prompt: Prompt, earlier: Mask | None) -> Mask | None:
        """The window's mask merged into the image; None if it does not fit."""
        columns, rows = self._frame.valid_logits()
        filled = np.count_nonzero(selected.logits[:rows, :columns] > 0) / (rows * columns)
        if (earlier is None and not 0 < filled < _FULL) or not filled:
            return None
        if earlier is None and not self._is_cut(selected.logits):
            return self._mask(selected, selected.logits, None, prompt)
        if earlier is not None:
            blended = self._blend(selected.logits, self._logits_in_window(earlier))
            if mask := self._mask(selected, blended, earlier, prompt):
                return mask
        around = self._mask_around(selected, prompt)
        if around is None or around.logits is None:
            return None
        around_logits = warp_logits(around.logits, self._image_grid, self._window_grid)
        return self._mask(selected, self._blend(selected.logits, around_logits, _CUT_WEIGHT), around, prompt)

    def _mask(
        self, selected: SelectedMask, inside: NDArray[np.float32], outside: Mask | None, prompt: Prompt
    ) -> Mask | None:
        """The mask of the image; None if it breaks the prompt.

        Args:
            selected: its score and stability are those of the mask.
            inside: float32 [256, 256], logits in the window.
            outside: the mask outside the window; None for nothing.
            prompt: in pixels of the image.
        """
        x0, y0, x1, y1 = self.window
        size = self._image.width, self._image.height
        array = np.zeros(size[::-1], np.bool_) if outside is None else outside.array.copy()
        array[y0:y1, x0:x1] = self._frame.upscale(inside)
        check = PromptCheck.of(array, prompt)
        if not check:
            return None
        logits = self._logits_in_image(inside, outside)
        return Mask(
            array,
            size,
            score=selected.expected_iou,
            stability=selected.stability,
            logits=logits,
            follows_prompt=check,
            full_logits=partial(render_logits, self._image, logits, Detail(self.window, self._frame, inside)),
        )

    def _blend(
        self, inside: NDArray[np.float32], around: NDArray[np.float32], weight: float = 1.0
    ) -> NDArray[np.float32]:
        """Blend the window's logits with those of the mask around it: float32 [256, 256], in the window.

        Regions in which they differ up to a side that the window cuts stay as the mask around it has them.

        Args:
            inside: float32 [256, 256], in the window.
            around: float32 [256, 256], in the window.
            weight: of `inside`, away from the sides.
        """
        import cv2

        columns, rows = self._frame.valid_logits()
        differs = ((inside > 0) != (around > 0)).astype(np.uint8)
        differs[rows:], differs[:, columns:] = 0, 0
        _, regions = cv2.connectedComponents(differs)
        at_side = np.isin(regions, np.setdiff1d(regions[self._ramp == 0], [0]))
        blended: NDArray[np.float32] = around + weight * self._ramp * np.where(at_side, 0, inside - around)
        return blended.astype(np.float32)

    def _is_cut(self, logits: NDArray[np.float32]) -> bool:
        """Whether a mask, float32 [256, 256], reaches a side at which the window cuts the image."""
        columns, rows = self._frame.valid_logits()
        return bool(((logits > 0) & (self._ramp == 0))[:rows, :columns].any())

    def _mask_around(self, selected: SelectedMask, prompt: Prompt) -> Mask | None:
        """The image's mask that agrees most with the window's inside the window; None if none does."""
        columns, rows = self._frame.valid_logits()
        window_mask = selected.logits[:rows, :columns] > 0
        corrective = replace(prompt, mask_input=self._logits_in_image(selected.logits, None))
        logits, scores = self._decode_image([replace(prompt, mask_input=None), corrective])
        own = preview(lambda _: (logits[:1], scores[:1]), self._image, [prompt])[0].logits
        candidates = [own, *logits.reshape(-1, *logits.shape[2:])]
        inside = [warp_logits(each, self._image_grid, self._window_grid)[:rows, :columns] > 0 for each in candidates]
        agreements = [iou(each, window_mask) for each in inside]
        best = candidates[0 if agreements[0] >= _GOOD_AGREEMENT else int(np.argmax(agreements))]
        if max(agreements) < _MIN_AGREEMENT:
            return None
        return Mask(partial(self._image.upscale, best), (self._image.width, self._image.height), logits=best)

    def _logits_in_window(self, mask: Mask) -> NDArray[np.float32]:
        """A mask of the image as logits of the window, float32 [256, 256]."""
        x0, y0, x1, y1 = self.window
        logits = mask_logits(mask.array[y0:y1, x0:x1])
        columns, rows = self._frame.valid_logits()
        logits[rows:], logits[:, columns:] = -MASK_LOGIT, -MASK_LOGIT
        return logits

    def _logits_in_image(self, inside: NDArray[np.float32], outside: Mask | None) -> NDArray[np.float32]:
        """Logits of the window, float32 [256, 256], as logits of the image, float32 [256, 256], for the next click."""
        import cv2

        finer = max(1.0, self._image_grid.pixels_per_cell[0] / self._window_grid.pixels_per_cell[0])
        smooth = cv2.blur(inside, (int(finer) | 1, int(finer) | 1))  # a cell of the image is several of the window
        warped = warp_logits(smooth, self._window_grid, self._image_grid)
        columns, rows = self._window_grid.coordinates_of(self._image_grid)
        limit = self._frame.valid_logits()
        in_window = (columns >= -0.5) & (columns < limit[0]) & (rows >= -0.5) & (rows < limit[1])
        if outside is None:
            around = np.full((LOGIT_SIDE, LOGIT_SIDE), -MASK_LOGIT, np.float32)
        else:
            around = outside.logits if outside.logits is not None else mask_logits(outside.array)
        return np.where(in_window, warped, around).astype(np.float32)


def zoom_alternatives(
    encoded: EncodedImage, prompt: Prompt, most: int, view: ZoomedView | None = None
) -> list[tuple[Mask, bool]]:
    """What a click may mean: `EncodedImage.alternatives`, and before them objects that lie in a window as a whole.

    Args:
        encoded: the image.
        prompt: in pixels of it.
        most: how many at most.
        view: a window of it; None for the image as a whole.

    Returns:
        Masks, the best first, and of each whether it is from the window.

    Raises:
        PromptError: no included point.
    """
    pairs = [(mask, True) for mask in view.alternatives(prompt, most)] if view is not None else []
    for mask in encoded.alternatives(prompt.points, prompt.labels, most):
        if len(pairs) < most and not any(iou(mask.array, other.array) > SAME_IOU for other, _ in pairs):
            pairs.append((mask, False))
    return pairs[:most]
