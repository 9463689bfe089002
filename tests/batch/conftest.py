"""Small images in a folder: encoding takes as long as for large ones, everything else next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny_images import make_images


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder of so many images, with prompts.csv beside it."""
    return lambda count: make_images(tmp_path / "photos", count)
