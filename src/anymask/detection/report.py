"""The record of a detection without masks: `detections.json` and an image of the boxes."""

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
    """The image, the detector, the phrases, and what was detected.

    Attributes:
        seconds: time spent, by step: "load", "detect".
    """

    image: Image
    detector: Detector
    phrases: Sequence[str]
    detections: Detections
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
            "notes": self.detections.notes(self.phrases),
            "detections": [
                {
                    "label": label,
                    "phrase": phrase,
                    "score": round(score, 6),
                    "box": [round(edge, 2) for edge in box],
                }
                for (label, score, box), phrase in zip(self.detections, self.detections.phrases, strict=True)
            ],
            "seconds": {step: round(seconds, 4) for step, seconds in self.seconds.items()},
        }


def write_detections(
    record: DetectionRecord, folder: Path, *, overwrite: bool = False, numbered: bool = False
) -> list[Path]:
    """Write the overlay and `detections.json` together, or nothing at all.

    Args:
        record: what to write.
        folder: made if missing.
        overwrite: also replace the results of another image, and files that anymask did not write.
        numbered: take `name-2`, `name-3` … if the folder has results of another image or command.

    Returns:
        The files written, `detections.json` last.

    Raises:
        InputError: the folder is a file or may not be written, or has results of another image or files that anymask
            did not write.
        AnymaskError: the disk is full or failed.
    """
    from PIL import Image

    from anymask.formats.masks_json import dumps
    from anymask.io.results_folder import publish_results, staged_results

    with staged_results(folder, numbered=numbered) as stage:
        Image.fromarray(draw_detections(record.image.pixels, record.detections)).save(stage / OVERLAY, compress_level=1)
        (stage / DETECTIONS_JSON).write_bytes(dumps(record.as_dict()))
        names, image = [OVERLAY, DETECTIONS_JSON], record.image.sha256
        return publish_results(
            stage, folder, names, DETECTIONS_JSON, image, "detect", overwrite=overwrite, numbered=numbered
        )


def draw_detections(
    pixels: NDArray[np.uint8], detections: Detections, max_side: int | None = 4096
) -> NDArray[np.uint8]:
    """Draw labelled boxes over an image, one colour per label, the highest score on top.

    Args:
        pixels: uint8 [H, W, 3], RGB; not changed.
        detections: boxes in pixels of the image.
        max_side: larger images are drawn at this long side.

    Returns:
        uint8 [h, w, 3], RGB.
    """
    from anymask.visualization.overlay import PALETTE, Canvas

    canvas = Canvas(pixels, max_side)
    colors = {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(dict.fromkeys(detections.labels))}
    lowest_score_first = list(zip(detections, detections.boxes, strict=True))[::-1]
    for (label, _, _), box in lowest_score_first:
        canvas.box(box, colors[label])
    for (label, score, box), _ in lowest_score_first:
        canvas.tag(f"{label} {score:.2f}", [round(edge) for edge in box], colors[label])
    return canvas.pixels
