"""Fixtures of the live comparisons: the official code and this library, side by side with the same weights.

PyTorch is imported inside the fixtures, so that the other tests can be collected without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from tests.support.example_images import example_image_paths, read_pixels
from tests.support.model_files import encoder_and_decoder

Predictors = Callable[[Path], Any]
Encoder = Callable[[Path, str, str], Any]


@pytest.fixture(scope="session")
def official_model() -> Any:
    """The official MobileSAM with the library's weights."""
    import torch

    from tests.reference.official import load_official_model

    torch.set_num_threads(2)
    return load_official_model(*encoder_and_decoder())


@pytest.fixture(scope="session")
def official(official_model: Any) -> Predictors:
    """Image → official `SamPredictor` that has encoded it; each image is encoded once."""
    from tests.reference.official import official_predictor

    return cache(lambda image: official_predictor(official_model, read_pixels(image)))


@pytest.fixture(scope="session")
def encoded_images() -> Encoder:
    """(image, engine, precision) → this library's encoded, encoded now and not taken from a store."""

    @cache
    def segmenter(engine: str, precision: str) -> Any:
        return anymask.load("mobile-sam", engine=engine, precision=precision, threads=2, store=False)

    return cache(lambda image, engine, precision: segmenter(engine, precision).encode(read_pixels(image)))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """The first example image, uint8 [H, W, 3]."""
    return read_pixels(example_image_paths()[0])


@pytest.fixture(scope="module")
def two_threads() -> Iterator[None]:
    """Let PyTorch use two threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
