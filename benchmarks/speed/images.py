"""The images that are timed, at the sizes the project states its speed for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LARGE = (4078, 2724)
SMALL = (1024, 684)
TRUCK = (1800, 1200)

# The click of the cold command, in pixels of the truck image.
TRUCK_POINT = (500, 375)


def pixels(size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image as uint8 [H, W, 3] RGB, resized where it isn't of this (width, height) already."""
    with Image.open(_source("dogs.jpg")) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def truck(folder: Path) -> Path:
    """A 1800×1200 JPEG file: the truck image itself, or an example image brought to its size in `folder`."""
    source = _source("truck.jpg")
    if source.name == "truck.jpg":
        return source
    path = folder / "photo.jpg"
    with Image.open(source) as image:
        image.convert("RGB").resize(TRUCK, Image.Resampling.LANCZOS).save(path, quality=92)
    return path


def everything_images() -> list[tuple[str, NDArray[np.uint8]]]:
    """Name and pixels, uint8 [H, W, 3] RGB, of the images that everything mode is measured on."""
    folder = ROOT.parent / "shared" / "photos"
    paths = [folder / f"{name}.jpg" for name in ("truck", "groceries", "dogs")]
    if not all(path.is_file() for path in paths):
        paths = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append((path.stem, np.asarray(image.convert("RGB"))))
    return images


def _source(name: str) -> Path:
    """The image of this name beside the repository, or else an example image inside it."""
    path = ROOT.parent / "shared" / "photos" / name
    if path.is_file():
        return path
    examples = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    if not examples:
        raise FileNotFoundError(f"no image to time: neither {path} nor {ROOT}/examples/photos/*.jpg exists")
    return examples[0]
