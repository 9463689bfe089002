"""The photographs that comparisons are made on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples" / "photos"
BESIDE = ROOT.parent / "shared"
"""A folder some working copies have beside the repository: larger photographs, and stored official answers."""

SUFFIXES = (".jpg", ".jpeg", ".png")


def all_photographs() -> list[Path]:
    """The repository's example photographs, then those beside the repository, if any."""
    return [*example_photographs(), *_in(BESIDE / "photos")]


def example_photographs() -> list[Path]:
    """The photographs inside the repository."""
    return _in(EXAMPLES)


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """A photograph as uint8 [H, W, 3] RGB, upright. Read without the library, which is what is being tested."""
    with Image.open(path) as photo:
        return np.array(ImageOps.exif_transpose(photo).convert("RGB"))


def _in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
