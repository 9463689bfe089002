"""Replace every "auto" in the settings of a job, so that all workers and later runs use the same model and engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anymask.batch.tasks import TaskSettings
from anymask.batch.worker import load_segmenter

if TYPE_CHECKING:
    from anymask.prediction.segmenter import Segmenter
    from anymask.weights import Progress


def resolve_settings(
    settings: TaskSettings, progress: Progress | None = None, allow: str | None = None
) -> tuple[TaskSettings, Segmenter]:
    """Load the model once, downloading it if needed, and replace every "auto" by what it means on this machine.

    Args:
        settings: as the user gave them.
        progress: called during downloads.
        allow: licences of weights that may be used.

    Returns:
        The settings with model, detector, weights, engine, precision and device filled in, and the loaded model.

    Raises:
        ModelError, WeightsError, EngineError: as `anymask.load`.
        PromptError: a phrase outside the detector's vocabulary.
    """
    from anymask.weights import ensure, find_model

    ensure(find_model(settings.model), allow=allow, progress=progress)
    segmenter = load_segmenter(settings)
    detector, hashes = settings.detector, segmenter.weights
    if settings.kind == "text":
        detector, detector_hashes = _resolve_detector(settings, progress, allow)
        hashes = f"{hashes} {detector_hashes}"
    if settings.kind == "everything":
        _check_options(segmenter, settings)
    resolved = replace(
        settings, model=segmenter.model, detector=detector, weights=hashes, engine=segmenter.engine,
        precision=segmenter.precision, device=segmenter.device,
    )  # fmt: skip
    return resolved, segmenter


def _check_options(segmenter: Segmenter, settings: TaskSettings) -> None:
    """Run on a blank image and stop at once: invalid options are refused once, and not for every image."""
    import numpy as np

    blank = segmenter.encode(np.zeros((64, 64, 3), np.uint8))
    blank.everything(**{**settings.options, "tile": None}, stop=lambda: True)


def _resolve_detector(settings: TaskSettings, progress: Progress | None, allow: str | None) -> tuple[str, str]:
    """The detector's name and the sha256 of its weights; the phrases are checked before any image is processed."""
    from pathlib import Path

    from anymask.detection.loading import auto_detector, load_detector
    from anymask.weights import find_model, sha256_of

    name = auto_detector(progress).name if settings.detector in ("", "auto") else settings.detector
    runtime: dict[str, Any] = {"engine": settings.engine, "precision": settings.precision, "device": settings.device}
    runtime |= {"threads": settings.threads, "allow": allow, "progress": progress}
    unknown = load_detector(name, classes=settings.classes, **runtime).check(settings.text)
    if unknown and progress:
        progress.note(unknown.note)
    if name.lower().endswith(".onnx"):
        return name, sha256_of(Path(name).expanduser())
    return name, " ".join(file.sha256 for file in find_model(name).files)
