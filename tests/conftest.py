"""Fixtures for every test: the example images, a cache of the suite's own, and Hypothesis set for slow machines."""

from __future__ import annotations

import copy
import hashlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from anymask import EncodedImage, Segmenter, load
from anymask.weights.download import ensure

settings.register_profile("anymask", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("anymask")

ROOT = Path(__file__).parent.parent
CACHE = Path(os.environ.get("ANYMASK_TEST_CACHE", ROOT / ".cache" / "tests"))
"""The suite's own cache: what it fetches and compiles is stored here only, whatever the user's cache holds."""
for variable in [name for name in os.environ if name.startswith("ANYMASK_")]:
    del os.environ[variable]
os.environ |= {"ANYMASK_CACHE": str(CACHE / "cache"), "ANYMASK_DATA": str(CACHE / "data")}

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and so their children, ignore it

EXAMPLES = Path(__file__).parent.parent / "examples" / "photos"


@pytest.fixture(scope="session", autouse=True)
def weights_of_the_suite() -> None:
    """MobileSAM and the COCO detector in the suite's cache, so that no test is the first to fetch them."""
    ensure("mobile-sam")
    ensure("coco-ssd")


@pytest.fixture(scope="session")
def coffee_path() -> Path:
    """600×400 JPEG: a cup, its saucer and a spoon."""
    return EXAMPLES / "coffee.jpg"


@pytest.fixture(scope="session")
def chelsea_path() -> Path:
    """451×300 JPEG: a cat's face."""
    return EXAMPLES / "chelsea.jpg"


@pytest.fixture(scope="session")
def citrus_path() -> Path:
    """1350×890 JPEG with a colour profile: slices of fruits, two of grapefruit side by side."""
    return EXAMPLES / "citrus.jpg"


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    """The default model with its real weights, in f32 so that masks can be compared to the last digit.

    It embeds each image and crop once for all tests, which prompt the same few images.
    """
    segmenter = load("mobile-sam", precision="f32", threads=2, store=False)
    family: Any = segmenter.network
    family.encode = _cached(family.encode)
    return segmenter


@pytest.fixture(scope="session")
def encoding_segmenter(segmenter: Segmenter) -> Segmenter:
    """The same model, for tests of encoding: it embeds an image at every call."""
    encoding = copy.copy(segmenter)
    encoding.network = copy.copy(segmenter.network)
    del encoding.network.__dict__["encode"]
    return encoding


def _cached(encode: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """An encoder with a cache of the last hundred embeddings, 4 MB each."""
    embeddings: dict[bytes, np.ndarray] = {}
    lock = threading.Lock()

    def cached_encode(pixels: np.ndarray) -> np.ndarray:
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
        embedding = embeddings.get(key)
        if embedding is None:
            embedding = encode(pixels)
            embedding.setflags(write=False)
            with lock:
                embeddings[key] = embedding
                if len(embeddings) > 100:
                    del embeddings[next(iter(embeddings))]
        return embedding

    return cached_encode


@pytest.fixture(scope="session")
def coffee(segmenter: Segmenter, coffee_path: Path) -> EncodedImage:
    """The cup and the spoon, encoded."""
    return segmenter.encode(coffee_path)
