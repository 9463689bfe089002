"""A model of FiftyOne, for `dataset.apply_model`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone.core.labels as fol
import fiftyone.core.models as fom
import numpy as np
from numpy.typing import NDArray

from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.structures.mask import Mask


class AnymaskModel(fom.Model):  # type: ignore[misc]
    """All objects of an image that a text names, or all there are, as `Detections` with masks.

    ```python
    dataset.apply_model(AnymaskModel(anymask.load("mobile-sam"), text="cat, dog"), label_field="anymask")
    ```

    Args:
        segmenter: the model.
        text: what to find; None finds everything.
        detector: for text.
        label: of objects that are found without text.
        options: of `EncodedImage.segment_text`, or of `everything`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        text: str | Sequence[str] | None = None,
        detector: Any = "auto",
        label: str = "object",
        **options: Any,
    ) -> None:
        self._segmenter, self._text, self._detector, self._label = segmenter, text, detector, label
        self._options = options

    @property
    def media_type(self) -> str:
        """What the model takes."""
        return "image"

    @property
    def transforms(self) -> None:
        """None: `predict` takes images as they are."""
        return None

    @property
    def preprocess(self) -> bool:
        """Whether `transforms` are applied: there are none."""
        return False

    @preprocess.setter
    def preprocess(self, value: bool) -> None:
        pass

    @property
    def ragged_batches(self) -> bool:
        """Whether images of one batch may differ in size."""
        return True

    def predict(self, arg: NDArray[np.uint8]) -> fol.Detections:
        """The objects of one image, uint8 [H, W, 3], RGB."""
        encoded = self._segmenter.encode(np.ascontiguousarray(arg))
        return fol.Detections(detections=[_detection(mask, self._label) for mask in self._find(encoded) if mask.area])

    def _find(self, encoded: EncodedImage) -> Sequence[Mask]:
        if self._text is None:
            return encoded.everything(**self._options)
        return encoded.segment_text(self._text, detector=self._detector, **self._options)


def _detection(mask: Mask, label: str) -> fol.Detection:
    """One object: its box in shares of the image, and its mask within the box."""
    (width, height), (x0, y0, x1, y1) = mask.size, mask.box
    score = mask.confidence
    return fol.Detection(
        label=mask.label or label,
        bounding_box=[x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height],
        mask=mask.array[y0:y1, x0:x1],
        confidence=None if score is None else float(score),
    )
