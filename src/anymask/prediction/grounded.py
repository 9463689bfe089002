"""From words to masks: a detector finds boxes, and all of them go to the segmenter in one batch.

```python
pipeline = Pipeline(anymask.load(), "coco-ssd")
result = pipeline("dogs.jpg", "dog, cat")
[(mask.label, mask.detector_score, mask.score) for mask in result]
```
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.detection.detections import Detections
from anymask.detection.loading import shared_detector
from anymask.detection.phrases import checked_phrases, nothing_found, taken_as
from anymask.detection.search import DetectionOptions, detect, detect_batch, filter_detections
from anymask.errors import PromptError
from anymask.io.image import Image, ImageSource, open_image
from anymask.structures.coordinates import Coordinates
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import Call, Provenance, plain
from anymask.structures.transforms import LOGIT_SIDE

if TYPE_CHECKING:
    from anymask.prediction.encoded_image import EncodedImage
    from anymask.prediction.segmenter import Segmenter

MASK_NMS_THRESH = 0.8
_BATCH = 8


class GroundedSegmenter:
    """A segmenter and a detector that work together. Safe to use from several threads at once.

    Args:
        segmenter: makes the masks.
        detector: anything `anymask.detection.loading.load_detector` takes; it runs on the segmenter's engine.
        search: how to look, and which boxes to keep.
        mask_nms_thresh: of masks that overlap more than this IoU only the one found more surely is kept; 1 keeps all.
        options: of `EncodedImage.segment`, such as ``select``, ``max_hole_area`` and ``max_island_area``.

    Raises:
        PromptError: a threshold outside 0 to 1.
        ModelError, WeightsError, EngineError: as `load_detector`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        detector: Any = "auto",
        *,
        search: DetectionOptions | None = None,
        mask_nms_thresh: float = MASK_NMS_THRESH,
        **options: Any,
    ) -> None:
        if not 0 <= mask_nms_thresh <= 1:
            raise PromptError(f"mask_nms_thresh is {mask_nms_thresh}: it takes 0 to 1")
        self.segmenter = segmenter
        self.detector = shared_detector(detector, segmenter)
        self.search = search or DetectionOptions()
        self.mask_nms_thresh = mask_nms_thresh
        self._options = options

    def __call__(self, source: ImageSource | Image, text: str | Sequence[str], **options: Any) -> MaskSet:
        """Find in one picture what words name, and cut it out.

        Args:
            source: as for `Segmenter.encode`.
            text: phrases, or several in one string with commas between them.
            options: of `anymask.open_image`.

        Returns:
            Labelled masks, the surest finding first; none if nothing was found.

        Raises:
            ImageError: the picture cannot be read.
            PromptError: a phrase that cannot be used, or that the detector cannot know.
        """
        image = open_image(source, **options)
        started = time.perf_counter()
        found = detect(self.detector, image.pixels, text, self.search)
        return self._masks(image, found, text, time.perf_counter() - started, self._call(text))

    def many(self, sources: Iterable[ImageSource], text: str | Sequence[str], **options: Any) -> Iterator[MaskSet]:
        """Do the same for many pictures, which the detector sees in batches; answers come in their order."""
        remaining = iter(sources)
        while batch := [open_image(source, **options) for source in islice(remaining, _BATCH)]:
            started = time.perf_counter()
            found = detect_batch(self.detector, [image.pixels for image in batch], text, self.search)
            seconds = (time.perf_counter() - started) / len(batch)
            for image, each in zip(batch, found, strict=True):
                yield self._masks(image, each, text, seconds, self._call(text))

    def find_similar(
        self,
        source: ImageSource | Image,
        box: ArrayLike,
        label: str = "similar",
        threshold: float = 0.6,
        **options: Any,
    ) -> MaskSet:
        """Find more things like the one in a box of the same picture, and cut them all out.

        Args:
            source: as for `Segmenter.encode`.
            box: [x_min, y_min, x_max, y_max] in pixels, around one thing.
            label: for the masks.
            threshold: least score; similar things score higher than words do.
            options: of `anymask.open_image`.

        Raises:
            PromptError: a box outside the picture, or a detector that only takes words.
        """
        look_alikes = getattr(self.detector, "find_similar", None)
        if look_alikes is None:
            raise PromptError(f"{self.detector.name} takes words only; owlv2-base and owlvit-base find similar things")
        image = open_image(source, **options)
        corners, _ = Coordinates(image.size, "pixels", "xyxy", "refuse").box(box, "")
        left, top, right, bottom = (round(float(edge)) for edge in corners)
        started = time.perf_counter()
        crop = image.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
        found = filter_detections(
            look_alikes(image.pixels, crop, threshold=threshold, label=label), image.pixels, self.search
        )
        options = {"box": corners.tolist(), "label": label, "threshold": threshold}
        call = Call("find_similar", {**options, **self._call(label).options})
        return self._masks(image, found, (label,), time.perf_counter() - started, call)

    def segment(self, encoded: EncodedImage, text: str | Sequence[str]) -> MaskSet:
        """Do the same for a picture that the segmenter has seen already."""
        started = time.perf_counter()
        found = detect(self.detector, encoded.pixels, text, self.search)
        return self._cut_out(encoded, found, text, time.perf_counter() - started, self._call(text))

    def _masks(self, image: Image, found: Detections, text: str | Sequence[str], seconds: float, call: Call) -> MaskSet:
        """Encode the picture, unless nothing was found in it."""
        if not len(found):
            return self._nothing(image, text, seconds, call)
        return self._cut_out(self.segmenter.encode(image), found, text, seconds, call)

    def _cut_out(
        self, encoded: EncodedImage, found: Detections, text: str | Sequence[str], seconds: float, call: Call
    ) -> MaskSet:
        """Turn boxes into masks, all of them in one batch, and leave one mask per object."""
        if not len(found):
            return self._nothing(encoded.source, text, seconds, call)
        result = encoded.segment(boxes=found.boxes, **self._options)
        masks = [
            mask.replace(label=label, detector_score=float(score))
            for mask, label, score in zip(result, found.labels, found.scores, strict=True)
        ]
        distinct = distinct_masks(masks, self.mask_nms_thresh)
        prompts = [_named(result.prompts[index], found.phrases[index], found.labels[index]) for index in distinct]
        return MaskSet(
            [masks[index].replace(prompt_index=place) for place, index in enumerate(distinct)],
            image=encoded.source,
            prompts=[*prompts, *_unanswered(text, found.phrases)],
            provenance=self._run({**result.provenance.seconds, "detect": seconds}, call),
        )

    def _nothing(self, image: Image, text: str | Sequence[str], seconds: float, call: Call) -> MaskSet:
        return MaskSet([], image=image, prompts=_unanswered(text, ()), provenance=self._run({"detect": seconds}, call))

    def _run(self, seconds: Mapping[str, float], call: Call) -> Provenance:
        return replace(self.segmenter._run(0, 0), detector=self.detector.name, seconds=seconds, call=call)

    def _call(self, text: str | Sequence[str]) -> Call:
        asked = {"text": checked_phrases(text), "search": self.search, "mask_nms_thresh": self.mask_nms_thresh}
        return Call("text", {name: plain(value) for name, value in {**asked, **self._options}.items()})


def distinct_masks(masks: Sequence[Mask], iou_threshold: float) -> list[int]:
    """Indices of masks that show different objects, in their order; of two alike the earlier one stays.

    Compared at low resolution, which costs nothing for full-size masks that nobody has looked at. Masks without a
    single low-resolution cell inside are too small to compare, and stay.

    Args:
        masks: of one picture, best first.
        iou_threshold: masks that overlap more are alike; 1 keeps all.
    """
    inside = np.stack([_coarse(mask).ravel() for mask in masks]).astype(np.float32)
    shared = inside @ inside.T
    areas = np.diagonal(shared)
    overlaps = shared / np.maximum(areas[:, None] + areas[None] - shared, 1)
    kept: list[int] = []
    for index in range(len(masks)):
        if not (overlaps[index, kept] > iou_threshold).any():
            kept.append(index)
    return kept


def _coarse(mask: Mask) -> NDArray[np.bool_]:
    """A mask at low resolution: where its logits are positive, or its full size shrunk where it has none."""
    if mask.logits is not None:
        return np.greater(mask.logits, 0)
    import cv2

    full = mask.array.astype(np.uint8) * 255
    mask.release()
    shrunk: NDArray[np.uint8] = cv2.resize(full, (LOGIT_SIDE, LOGIT_SIDE), interpolation=cv2.INTER_AREA)
    return np.greater(shrunk, 127)


def _named(prompt: Prompt, phrase: str, label: str) -> Prompt:
    remark = taken_as(phrase, label)
    return replace(prompt, text=phrase, notes=(*prompt.notes, remark) if remark else prompt.notes)


def _unanswered(text: str | Sequence[str], answered: Sequence[str]) -> list[Prompt]:
    """What was asked and not found, so that the record of a result tells it; the first carries the remark."""
    missing = [phrase for phrase in checked_phrases(text) if phrase not in answered]
    return [Prompt(text=phrase, notes=() if i else (nothing_found(missing),)) for i, phrase in enumerate(missing)]
