"""The protocol of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections


@runtime_checkable
class Detector(Protocol):
    """What looks for words in pictures; safe to use from several threads at once.

    Attributes:
        name: as in the catalogue, or of the file or function.
        threshold: the score from which a box is worth telling, if nobody says otherwise.
        engine: what runs the network: "openvino", "onnxruntime", "opencv", or "" if unknown.
        precision: what it computes in, or "".
    """

    name: str
    threshold: float
    engine: str
    precision: str

    def check(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that this detector cannot know.

        Raises:
            PromptError: with the phrase, and what would be right.
        """
        ...

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float
    ) -> list[Detections]:
        """Look for phrases in a batch of pictures.

        Args:
            pictures: each uint8 [H, W, 3], RGB, as displayed; sizes may differ.
            phrases: checked ones.
            threshold: boxes below this score are left out.

        Returns:
            One answer per picture. Boxes are in its pixels; they may overlap, reach outside and come in any order.
        """
        ...
