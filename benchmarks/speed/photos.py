"""The photographs that are timed, at the sizes the project states its speed for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LARGE = (4078, 2724)
SMALL = (1024, 684)
TRUCK = (1800, 1200)

# Pixels of the truck photograph: what the cold command is asked.
TRUCK_POINT = (500, 375)


def pixels(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A photograph as uint8 [H, W, 3] RGB, resized where it isn't of this (width, height) already."""
    with Image.open(_source("dogs.jpg")) as photo:
        return np.asarray(photo.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def truck(folder: Path) -> Path:
    """A 1800×1200 JPEG file: the truck photograph itself, or an example photograph brought to its size in `folder`."""
    source = _source("truck.jpg")
    if source.name == "truck.jpg":
        return source
    made = folder / "photo.jpg"
    with Image.open(source) as photo:
        photo.convert("RGB").resize(TRUCK, Image.Resampling.LANCZOS).save(made, quality=92)
    return made


def everything_photos() -> list[tuple[str, NDArray[np.uint8]]]:
    """Name and pixels, uint8 [H, W, 3] RGB, of the photographs that everything mode is measured on."""
    folder = ROOT.parent / "shared" / "photos"
    paths = [folder / f"{name}.jpg" for name in ("truck", "groceries", "dogs")]
    if not all(path.is_file() for path in paths):
        paths = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    pictures = []
    for path in paths:
        with Image.open(path) as photo:
            pictures.append((path.stem, np.asarray(photo.convert("RGB"))))
    return pictures


def _source(name: str) -> Path:
    """The photograph of this name beside the repository, or else an example photograph inside it."""
    wanted = ROOT.parent / "shared" / "photos" / name
    if wanted.is_file():
        return wanted
    examples = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    if not examples:
        raise FileNotFoundError(f"no photograph to time: neither {wanted} nor {ROOT}/examples/photos/*.jpg exists")
    return examples[0]
