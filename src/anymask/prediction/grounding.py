"""From detections to masks: all boxes of an image are prompts of one batch, and each object keeps one mask."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.detection.base import Detector
from anymask.detection.detections import Detections
from anymask.detection.options import DetectionOptions
from anymask.detection.phrases import UnknownPhrases, not_found_note, parse_phrases, substitution_note
from anymask.detection.search import detect
from anymask.errors import PromptError
from anymask.io.image import Image
from anymask.prediction.options import SelectionOptions
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import Call, Provenance, plain
from anymask.structures.transforms import LOGIT_SIDE

MASK_NMS_THRESH = 0.8


class SegmentsBoxes(Protocol):
    """An encoded image, such as `anymask.EncodedImage`."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image, uint8 [H, W, 3] RGB."""
        ...

    @property
    def source(self) -> Image:
        """The opened image."""
        ...

    @property
    def provenance(self) -> Provenance:
        """What encoded the image."""
        ...

    def segment(self, *, boxes: Any = None) -> MaskSet:
        """One mask for each box, float64 [N, 4], in order."""
        ...


class Grounding:
    """How detections of text become masks.

    Args:
        detector: its name is stated in results.
        search: how to detect, and which boxes to keep.
        mask_nms_thresh: of masks that overlap more than this IoU the one with the lower detector score is dropped; 1
            keeps all.
        options: of `EncodedImage.segment`.

    Raises:
        PromptError: a threshold outside 0 to 1.
    """

    def __init__(
        self,
        detector: Detector,
        search: DetectionOptions | None = None,
        mask_nms_thresh: float = MASK_NMS_THRESH,
        options: SelectionOptions | None = None,
    ) -> None:
        if not 0 <= mask_nms_thresh <= 1:
            raise PromptError(f"mask_nms_thresh must lie between 0 and 1, not {mask_nms_thresh}")
        self.detector = detector
        self.search = search or DetectionOptions()
        self.mask_nms_thresh = mask_nms_thresh
        self.options = (options or SelectionOptions()).as_dict()

    def segment(self, encoded: SegmentsBoxes, text: str | Sequence[str]) -> MaskSet:
        """Detect text in an encoded image, and segment what was detected."""
        started = time.perf_counter()
        detections = detect(self.detector, encoded.pixels, text, self.search)
        return self.masks(encoded, detections, text, time.perf_counter() - started, self.call(text))

    def masks(
        self, encoded: SegmentsBoxes, detections: Detections, text: str | Sequence[str], seconds: float, call: Call
    ) -> MaskSet:
        """Segment the boxes of detections in one batch, and keep one mask per object.

        Args:
            encoded: the image.
            detections: in pixels of it.
            text: that was detected.
            seconds: that the detector took.
            call: for the result's provenance.
        """
        if not len(detections):
            return self.nothing(encoded.source, encoded.provenance, text, seconds, call, detections.unknown)
        result = encoded.segment(boxes=detections.boxes, **self.options)
        masks = [
            mask.replace(label=label, detector_score=float(score))
            for mask, label, score in zip(result, detections.labels, detections.scores, strict=True)
        ]
        distinct = mask_nms(masks, self.mask_nms_thresh)
        prompts = [
            _labelled(result.prompts[index], detections.phrases[index], detections.labels[index]) for index in distinct
        ]
        return MaskSet(
            [masks[index].replace(prompt_index=place) for place, index in enumerate(distinct)],
            image=encoded.source,
            prompts=[*prompts, *_missing(text, detections.phrases, detections.unknown)],
            provenance=self._provenance(encoded.provenance, {**result.provenance.seconds, "detect": seconds}, call),
        )

    def nothing(
        self,
        image: Image,
        provenance: Provenance,
        text: str | Sequence[str],
        seconds: float,
        call: Call,
        unknown: UnknownPhrases | None = None,
    ) -> MaskSet:
        """The result of an image in which nothing was detected; `unknown` are phrases that the detector cannot know."""
        ran = self._provenance(provenance, {"detect": seconds}, call)
        return MaskSet([], image=image, prompts=_missing(text, (), unknown), provenance=ran)

    def call(self, text: str | Sequence[str]) -> Call:
        """The call that a result's provenance states."""
        options = {"text": parse_phrases(text), "search": self.search, "mask_nms_thresh": self.mask_nms_thresh}
        return Call("text", {name: plain(value) for name, value in {**options, **self.options}.items()})

    def _provenance(self, provenance: Provenance, seconds: Mapping[str, float], call: Call) -> Provenance:
        return replace(provenance, detector=self.detector.name, seconds=seconds, call=call)


def mask_nms(masks: Sequence[Mask], iou_threshold: float) -> list[int]:
    """Indices of masks that show different objects, in their order; of two alike the earlier one stays.

    Compared at low resolution, which renders no full-size mask. Masks without a
    single low-resolution cell inside are too small to compare, and stay.

    Args:
        masks: of one image, best first.
        iou_threshold: masks that overlap more are alike; 1 keeps all.
    """
    inside = np.stack([_coarse(mask).ravel() for mask in masks]).astype(np.float32)
    shared = inside @ inside.T
    areas = np.diagonal(shared)
    overlaps = shared / np.maximum(areas[:, None] + areas[None] - shared, 1)
    distinct: list[int] = []
    for index in range(len(masks)):
        if not (overlaps[index, distinct] > iou_threshold).any():
            distinct.append(index)
    return distinct


def _coarse(mask: Mask) -> NDArray[np.bool_]:
    """A mask at low resolution: where its logits are positive, or its full size shrunk where it has none."""
    if mask.logits is not None:
        return np.greater(mask.logits, 0)
    import cv2

    full = mask.array.astype(np.uint8) * 255
    mask.release()
    shrunk: NDArray[np.uint8] = cv2.resize(full, (LOGIT_SIDE, LOGIT_SIDE), interpolation=cv2.INTER_AREA)
    return np.greater(shrunk, 127)


def _labelled(prompt: Prompt, phrase: str, label: str) -> Prompt:
    remark = substitution_note(phrase, label)
    return replace(prompt, text=phrase, notes=(*prompt.notes, remark) if remark else prompt.notes)


def _missing(text: str | Sequence[str], detected: Sequence[str], unknown: UnknownPhrases | None) -> list[Prompt]:
    """Prompts for the phrases that were not detected, so that a result states them.

    The first of those that the detector cannot know carries the remark about them, and so does the first of the others.
    """
    strange = unknown or UnknownPhrases((), "")
    missing = [phrase for phrase in parse_phrases(text) if phrase not in (*detected, *strange.phrases)]
    notes = {phrase: not_found_note(missing) for phrase in missing[:1]}
    notes |= dict.fromkeys(strange.phrases[:1], strange.note)
    return [
        Prompt(text=phrase, notes=(notes[phrase],) if phrase in notes else ())
        for phrase in (*missing, *strange.phrases)
    ]
