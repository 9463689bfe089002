"""Both peers, ready to be timed: anymask and the official model with the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anymask
from tests.reference.official import load_official_model, official_predictor
from tests.support.model_files import encoder_and_decoder


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes:
        pairs: how often each peer does each task.
        threads: threads of each peer.
        engine: anymask's engine.
        precision: anymask's precision.
    """

    pairs: int
    threads: int
    engine: str
    precision: str


@dataclass(frozen=True)
class Peers:
    """Both peers in one process.

    Attributes:
        settings: how they were set up.
        segmenter: anymask, keeping no embeddings on disk, so that every encoding is a real one.
        official_model: the official `Sam`, in f32 as it comes.
    """

    settings: Settings
    segmenter: anymask.Segmenter
    official_model: Any

    def segmenters(self, precisions: tuple[str, ...] = ("f32",)) -> list[anymask.Segmenter]:
        """The segmenter, and one for each of these precisions that isn't its own."""
        others = [precision for precision in precisions if precision != self.segmenter.precision]
        return [self.segmenter, *(_segmenter(self.settings, precision) for precision in others)]

    def official_predictor(self, pixels: NDArray[np.uint8]) -> Any:
        """An official `SamPredictor` that has encoded the pixels [H, W, 3]."""
        return official_predictor(self.official_model, pixels)


def set_up(settings: Settings) -> Peers:
    """Load both models."""
    import torch

    torch.set_num_threads(settings.threads)
    segmenter = _segmenter(settings, settings.precision)
    return Peers(settings, segmenter, load_official_model(*encoder_and_decoder()))


def _segmenter(settings: Settings, precision: str) -> anymask.Segmenter:
    return anymask.load(
        "mobile-sam", engine=settings.engine, precision=precision, threads=settings.threads, store=False
    )
