"""The image that all tools segment."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from PIL import Image

from anymask.io.image import open_image

BUILT_IN_SIZE = (1800, 1200)
QUALITY = 95


def write_image(source: Path | None, folder: Path) -> tuple[Path, tuple[int, int], str]:
    """Write an upright RGB JPEG, which every tool decodes alike, into a folder.

    Args:
        source: any image; None takes the image in the package (a cup on a table, CC0), enlarged.
        folder: where to write.

    Returns:
        The path, (width, height), and what to call the image.

    Raises:
        ImageError: the image cannot be read.
    """
    target = folder / "photo.jpg"
    if source is None:
        built_in = open_image((files("anymask.evaluation.doctor") / "coffee.jpg").read_bytes())
        image = Image.fromarray(built_in.pixels).resize(BUILT_IN_SIZE, Image.Resampling.LANCZOS)
        name = "the image in the package, enlarged"
    else:
        image, name = Image.fromarray(open_image(source).pixels), source.name
    image.save(target, quality=QUALITY, subsampling=0)
    return target, image.size, name
