"""The images that comparisons are made on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples" / "photos"
BESIDE = ROOT.parent / "shared"
"""A folder some working copies have beside the repository: larger images, and stored official answers."""

SUFFIXES = (".jpg", ".jpeg", ".png")


def all_image_paths() -> list[Path]:
    """The repository's example images, then those beside the repository, if any."""
    return [*example_image_paths(), *_in(BESIDE / "photos")]


def example_image_paths() -> list[Path]:
    """The images inside the repository."""
    return _in(EXAMPLES)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """An image as uint8 [H, W, 3] RGB, upright. Read without the library, which is what is being tested."""
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
