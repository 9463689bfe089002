"""The photo that all tools are asked about."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from PIL import Image

from anymask.io.image import open_image

BUILT_IN_SIZE = (1800, 1200)
QUALITY = 95


def write_photo(source: Path | None, folder: Path) -> tuple[Path, tuple[int, int], str]:
    """Write an upright RGB JPEG, which every tool decodes alike, into a folder.

    Args:
        source: any image; None takes the image in the package (a cup on a table, CC0), enlarged.
        folder: where to write.

    Returns:
        The path, (width, height), and what to call the photo.

    Raises:
        ImageError: the picture cannot be read.
    """
    target = folder / "photo.jpg"
    if source is None:
        image = open_image((files("anymask.evaluation.doctor") / "coffee.jpg").read_bytes())
        picture = Image.fromarray(image.pixels).resize(BUILT_IN_SIZE, Image.Resampling.LANCZOS)
        name = "the image in the package, enlarged"
    else:
        picture, name = Image.fromarray(open_image(source).pixels), source.name
    picture.save(target, quality=QUALITY, subsampling=0)
    return target, picture.size, name
