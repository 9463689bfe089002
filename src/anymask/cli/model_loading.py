"""The models that the options of a command name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from anymask.cli.common_options import RUNTIME_OPTIONS

if TYPE_CHECKING:
    from anymask.detection.base import Detector
    from anymask.prediction.segmenter import Segmenter
    from anymask.prediction.subject_model import SubjectModel


class CommandModels:
    """Loads each model when it is first needed, shows the fetch of its weights, and keeps it for the next images.

    Args:
        parameters: the values of `RUNTIME_OPTIONS`; for the segmenter also of --model and --model-option, for the
            detector of --detector and --classes, for the model of subjects of --subject-model.
        quiet: whether to show no progress.
        store: whether embeddings are kept on disk for other calls.
    """

    def __init__(self, parameters: Mapping[str, Any], quiet: bool, store: bool = True) -> None:
        self._parameters = parameters
        self._store = store
        self._runtime = {name: parameters[name] for name in RUNTIME_OPTIONS}
        self._quiet = quiet

    @cached_property
    def segmenter(self) -> Segmenter:
        """See `anymask.load`."""
        from anymask.cli.progress import fetch_progress, waiting
        from anymask.prediction.segmenter import load

        with waiting(f"loading {self._parameters['model']}", self._quiet), fetch_progress(self._quiet) as progress:
            return load(
                self._parameters["model"], progress=progress, store=self._store, **self._parameters["settings"],
                **self._runtime,
            )  # fmt: skip

    @cached_property
    def subject_model(self) -> SubjectModel:
        """See `anymask.load_subject_model`."""
        from anymask.cli.progress import fetch_progress
        from anymask.prediction.subject_model import load_subject_model

        with fetch_progress(self._quiet) as progress:
            return load_subject_model(self._parameters["subject_model"], progress=progress, **self._runtime)

    @cached_property
    def detector(self) -> Detector:
        """See `anymask.detection.loading.load_detector`."""
        from anymask.cli.progress import fetch_progress, waiting
        from anymask.detection.loading import load_detector

        name, classes = self._parameters["detector"], self._parameters["classes"]
        with waiting("loading the detector", self._quiet), fetch_progress(self._quiet) as progress:
            return load_detector(name, classes=classes, progress=progress, **self._runtime)
