"""What every test may use: the example photographs, and Hypothesis set for shared, slow machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

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
