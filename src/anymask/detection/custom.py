"""Your own detector: any callable that returns boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.errors import InputError

FindBoxes = Callable[[NDArray[np.uint8], Sequence[str]], Any]

_TAKES = "Detections, (boxes, labels, scores), a mapping of these names, or boxes [N, 4] for a single phrase"


class CustomDetector:
    """A detector made of a function; see `anymask.detection.base.Detector`.

    ```python
    def faces(pixels, phrases):                    # uint8 [H, W, 3] RGB, ("face",)
        return boxes, labels, scores               # [N, 4] in pixels, N strings, N numbers 0 to 1

    load_detector(faces)
    ```

    The function may also return `Detections`, a mapping with the keys boxes, labels and scores, or boxes alone for
    a single phrase. Scores that are left out count as 1.
    """

    engine = ""
    precision = ""

    def __init__(self, function: FindBoxes, name: str | None = None, threshold: float = 0.0) -> None:
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.threshold = threshold
        self._function = function

    def check(self, phrases: Sequence[str]) -> None:
        """Accept every phrase: only the function knows what it knows."""

    def detect(self, images: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float) -> list[Detections]:
        """Call the function for each image; see `anymask.detection.base.Detector`.

        Raises:
            InputError: it returned something else than the class describes.
        """
        detections = [self._as_detections(self._function(pixels, phrases), phrases) for pixels in images]
        return [each.take(each.scores >= threshold) for each in detections]

    def _as_detections(self, output: Any, phrases: Sequence[str]) -> Detections:
        """Turn what the function returned for one image into Detections, boxes float64 [N, 4] in its pixels."""
        if output is None:
            return Detections.empty()
        if isinstance(output, Detections):
            return output
        boxes, labels, scores = self._parts(output)
        try:
            boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        except (TypeError, ValueError):
            raise InputError(f"detector {self.name} returned {type(output).__name__}: it takes {_TAKES}") from None
        if labels is None and len(phrases) > 1:
            raise InputError(
                f"detector {self.name} returned boxes without labels, and {len(phrases)} phrases were given: "
                "return (boxes, labels, scores)"
            )
        names = [phrases[0]] * len(boxes) if labels is None else [str(label) for label in labels]
        return Detections(boxes, np.ones(len(boxes), np.float32) if scores is None else scores, tuple(names))

    def _parts(self, output: Any) -> tuple[Any, Any, Any]:
        """Return boxes, labels and scores; labels and scores are None where they are left out."""
        if isinstance(output, Mapping):
            if "boxes" not in output:
                raise InputError(f"detector {self.name} returned a mapping without 'boxes': it takes {_TAKES}")
            return output["boxes"], output.get("labels"), output.get("scores")
        three_boxes = all(np.shape(part) == (4,) for part in output) if isinstance(output, tuple) else False
        if isinstance(output, tuple) and len(output) == 3 and not three_boxes:
            return output
        return output, None, None
