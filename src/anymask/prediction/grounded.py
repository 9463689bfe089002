"""From text to masks (Grounded-SAM): a detector finds boxes, and all of them are prompts of one batch.

```python
grounded = GroundedSegmenter(anymask.load(), "coco-ssd")
result = grounded("dogs.jpg", "dog, cat")
[(mask.label, mask.detector_score, mask.score) for mask in result]
```
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from anymask.detection.detections import Detections
from anymask.detection.loading import shared_detector
from anymask.detection.options import DetectionOptions
from anymask.detection.search import detect, detect_batch, filter_detections
from anymask.errors import PromptError
from anymask.io.image import Image, ImageSource, open_image
from anymask.prediction.grounding import MASK_NMS_THRESH, Grounding
from anymask.structures.coordinates import Coordinates
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import Call

if TYPE_CHECKING:
    from anymask.prediction.encoded_image import EncodedImage
    from anymask.prediction.segmenter import Segmenter

_BATCH = 8


class GroundedSegmenter:
    """A segmenter and a detector that work together. Safe to use from several threads at once.

    Args:
        segmenter: makes the masks.
        detector: anything `anymask.detection.loading.load_detector` takes; it runs on the segmenter's engine.
        search: how to look, and which boxes to keep.
        mask_nms_thresh: of masks that overlap more than this IoU only the one with the higher detector score is kept; 1
            keeps all.
        options: of `EncodedImage.segment`, see `anymask.prediction.options.SelectionOptions`.

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
        self.segmenter = segmenter
        self.detector = shared_detector(detector, **segmenter.detector_options)
        self._grounding = Grounding(
            self.detector, search, mask_nms_thresh, segmenter.image_type.options_type(**options)
        )
        self.search = self._grounding.search

    def __call__(self, source: ImageSource | Image, text: str | Sequence[str], **options: Any) -> MaskSet:
        """Detect text in an image and segment what was detected.

        Args:
            source: as for `Segmenter.encode`.
            text: phrases, or several in one string with commas between them.
            options: of `anymask.open_image`.

        Returns:
            Labelled masks, the highest detector score first; none if nothing was detected.

        Raises:
            ImageError: the image cannot be read.
            PromptError: a phrase that cannot be used, or that the detector cannot know.
        """
        image = open_image(source, **options)
        started = time.perf_counter()
        detections = detect(self.detector, image.pixels, text, self.search)
        return self._masks(image, detections, text, time.perf_counter() - started, self._grounding.call(text))

    def many(self, sources: Iterable[ImageSource], text: str | Sequence[str], **options: Any) -> Iterator[MaskSet]:
        """Do the same for many images, which are detected in batches; results come in their order."""
        remaining = iter(sources)
        while batch := [open_image(source, **options) for source in islice(remaining, _BATCH)]:
            started = time.perf_counter()
            detections = detect_batch(self.detector, [image.pixels for image in batch], text, self.search)
            seconds = (time.perf_counter() - started) / len(batch)
            for image, each in zip(batch, detections, strict=True):
                yield self._masks(image, each, text, seconds, self._grounding.call(text))

    def find_similar(
        self,
        source: ImageSource | Image,
        box: ArrayLike,
        label: str = "similar",
        threshold: float = 0.6,
        **options: Any,
    ) -> MaskSet:
        """Detect objects similar to the one in a box of the same image, and segment them all.

        Args:
            source: as for `Segmenter.encode`.
            box: [x_min, y_min, x_max, y_max] in pixels, around one object.
            label: for the masks.
            threshold: least score; similar objects score higher than text does.
            options: of `anymask.open_image`.

        Raises:
            PromptError: a box outside the image, or a detector that takes text only.
        """
        find_similar = getattr(self.detector, "find_similar", None)
        if find_similar is None:
            raise PromptError(f"{self.detector.name} takes text only; owlv2-base and owlvit-base find similar objects")
        image = open_image(source, **options)
        corners, _ = Coordinates(image.size, "pixels", "xyxy", "refuse").box(box, "")
        left, top, right, bottom = (round(float(edge)) for edge in corners)
        started = time.perf_counter()
        crop = image.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
        detections = filter_detections(
            find_similar(image.pixels, crop, threshold=threshold, label=label), image.pixels, self.search
        )
        options = {"box": corners.tolist(), "label": label, "threshold": threshold}
        call = Call("find_similar", {**options, **self._grounding.call(label).options})
        return self._masks(image, detections, (label,), time.perf_counter() - started, call)

    def segment(self, encoded: EncodedImage, text: str | Sequence[str]) -> MaskSet:
        """Do the same for an image that is encoded already."""
        return self._grounding.segment(encoded, text)

    def _masks(
        self, image: Image, detections: Detections, text: str | Sequence[str], seconds: float, call: Call
    ) -> MaskSet:
        """Encode the image, unless nothing was detected in it."""
        if not len(detections):
            provenance = self.segmenter.provenance()
            return self._grounding.nothing(image, provenance, text, seconds, call, detections.unknown)
        return self._grounding.masks(self.segmenter.encode(image), detections, text, seconds, call)
