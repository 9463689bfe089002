"""What every test may use: the example photographs, and Hypothesis set for shared, slow machines."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from anymask import EncodedImage, Segmenter, load

settings.register_profile("anymask", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("anymask")

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"


@pytest.fixture(scope="session")
def coffee_photo() -> Path:
    """600×400 JPEG: a cup, its saucer and a spoon."""
    return PHOTOS / "coffee.jpg"


@pytest.fixture(scope="session")
def chelsea_photo() -> Path:
    """451×300 JPEG: a cat's face."""
    return PHOTOS / "chelsea.jpg"


@pytest.fixture(scope="session")
def citrus_photo() -> Path:
    """1350×890 JPEG with a colour profile: slices of fruits, two of grapefruit side by side."""
    return PHOTOS / "citrus.jpg"


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    """The default model with its real weights, in f32 so that answers can be compared to the last digit.

    It embeds each picture, crop and close-up once for all tests, which ask about the same few photos.
    """
    segmenter = load("mobile-sam", precision="f32", threads=2, store=False)
    family: Any = segmenter._family
    family.encode = _once_per_picture(family.encode)
    return segmenter


@pytest.fixture(scope="session")
def encoding_segmenter(segmenter: Segmenter) -> Segmenter:
    """The same model, for tests of encoding: it embeds a picture whenever it is asked to."""
    encoding = copy.copy(segmenter)
    encoding._family = copy.copy(segmenter._family)
    del encoding._family.__dict__["encode"]
    return encoding


def _once_per_picture(encode: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Keep the last hundred embeddings, 4 MB each."""
    known: dict[bytes, np.ndarray] = {}
    changing = threading.Lock()

    def recalled(pixels: np.ndarray) -> np.ndarray:
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
        embedding = known.get(key)
        if embedding is None:
            embedding = encode(pixels)
            embedding.setflags(write=False)
            with changing:
                known[key] = embedding
                if len(known) > 100:
                    del known[next(iter(known))]
        return embedding

    return recalled


@pytest.fixture(scope="session")
def coffee(segmenter: Segmenter, coffee_photo: Path) -> EncodedImage:
    """The cup and the spoon, encoded."""
    return segmenter.encode(coffee_photo)
