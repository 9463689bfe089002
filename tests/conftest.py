"""What every test may use: the example photographs, and Hypothesis set for shared, slow machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from anymask import Scene, Segmenter, load

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
    """The default model with its real weights, in f32 so that answers can be compared to the last digit."""
    return load("mobile-sam", precision="f32", threads=2, store=False)


@pytest.fixture(scope="session")
def coffee(segmenter: Segmenter, coffee_photo: Path) -> Scene:
    """The cup and the spoon, encoded."""
    return segmenter.encode(coffee_photo)
