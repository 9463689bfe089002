"""The record of a search without masks: `detections.json` and a picture of the boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection.detections import Detections
from anymask.formats.folder import OVERLAY

if TYPE_CHECKING:
    from anymask.detection.base import Detector
    from anymask.io.image import Image

DETECTIONS_JSON = "detections.json"


@dataclass(frozen=True)
class DetectionRecord:
    """What was looked for in a picture, with what, and what was found.

    Attributes:
        seconds: time spent, by step: "load", "detect".
    """

    image: Image
    detector: Detector
    phrases: Sequence[str]
    found: Detections
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The layout of `detections.json`."""
        from anymask._version import __version__
        from anymask.formats.masks_json import to_dict
        from anymask.structures.mask_set import MaskSet

        return {
            "image": to_dict(MaskSet([], image=self.image))["image"],
            "detector": self.detector.name,
            "engine": self.detector.engine or None,
            "precision": self.detector.precision or None,
            "version": __version__,
            "phrases": list(self.phrases),
            "notes": self.found.remarks(self.phrases),
            "detections": [
                {
                    "label": label,
                    "phrase": phrase,
                    "score": round(score, 6),
                    "box": [round(edge, 2) for edge in box],
                }
                for (label, score, box), phrase in zip(self.found, self.found.phrases, strict=True)
            ],
            "seconds": {step: round(seconds, 4) for step, seconds in self.seconds.items()},
        }


def write_detections(record: DetectionRecord, folder: Path) -> list[Path]:
    """Write the overlay and `detections.json` together, or nothing at all.

    Args:
        record: what to tell.
        folder: made if missing.

    Returns:
        The files written, `detections.json` last.

    Raises:
        InputError: the folder is a file or may not be written.
        AnymaskError: the disk is full or failed.
    """
    from PIL import Image

    from anymask.formats.masks_json import dumps
    from anymask.io.atomic import publish, staged_folder

    with staged_folder(folder) as stage:
        Image.fromarray(draw_detections(record.image.pixels, record.found)).save(stage / OVERLAY, compress_level=1)
        (stage / DETECTIONS_JSON).write_bytes(dumps(record.as_dict()))
        return publish(stage, [OVERLAY, DETECTIONS_JSON])


def draw_detections(pixels: NDArray[np.uint8], found: Detections, max_side: int | None = 4096) -> NDArray[np.uint8]:
    """Draw labelled boxes over a photograph, one colour per label, the surest on top.

    Args:
        pixels: uint8 [H, W, 3], RGB; not changed.
        found: boxes in these pixels.
        max_side: larger photographs are drawn at this long side.

    Returns:
        uint8 [h, w, 3], RGB.
    """
    from anymask.visualization.overlay import PALETTE, Canvas

    canvas = Canvas(pixels, max_side)
    colors = {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(dict.fromkeys(found.labels))}
    weakest_first = list(zip(found, found.boxes, strict=True))[::-1]
    for (label, _, _), box in weakest_first:
        canvas.box(box, colors[label])
    for (label, score, box), _ in weakest_first:
        canvas.tag(f"{label} {score:.2f}", [round(edge) for edge in box], colors[label])
    return canvas.pixels
