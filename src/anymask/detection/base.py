"""The protocol of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.detection.phrases import UnknownPhrases


@runtime_checkable
class Detector(Protocol):
    """Finds what phrases name in images; safe to use from several threads at once.

    Attributes:
        name: as in the catalogue, or of the file or function.
        threshold: the least score of a box, where the caller gives no other.
        engine: what runs the network: "openvino", "onnxruntime", "opencv", or "" if unknown.
        precision: what it computes in, or "".
    """

    name: str
    threshold: float
    engine: str
    precision: str

    def check(self, phrases: Sequence[str]) -> UnknownPhrases | None:
        """Return those of the phrases that this detector cannot know; None if it may know all.

        Raises:
            PromptError: it can know none of them; with the phrase, and what would be right.
        """
        ...

    def detect(self, images: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float) -> list[Detections]:
        """Look for phrases in a batch of images.

        Args:
            images: each uint8 [H, W, 3], RGB, as displayed; sizes may differ.
            phrases: that `check` accepted; those that the detector cannot know lead to nothing.
            threshold: boxes below this score are left out.

        Returns:
            Detections for each image. Boxes are in its pixels; they may overlap, reach outside and come in any order.
        """
        ...
