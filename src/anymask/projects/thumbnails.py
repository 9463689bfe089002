"""Small pictures of a project's images and objects, made when they are first shown."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from anymask.errors import ImageError
from anymask.io.atomic import write_file
from anymask.io.decoding import upright
from anymask.io.identification import identify
from anymask.io.image import Image, open_image
from anymask.io.limits import MAX_PIXELS
from anymask.projects.images import ProjectImages
from anymask.projects.scan import stamp_of_file
from anymask.projects.sessions import ProjectSessions
from anymask.structures.mask import Mask

OpenFile = Callable[[Path], Image]
"""Decodes an image file; raises ImageError, or OSError if it is gone."""

SIDE = 256
OBJECT_SIDE = 192
_JPEG = b"\xff\xd8\xff"
_MARGIN = 0.15


class Thumbnails:
    """The thumbnails of one project, stored in a folder.

    Args:
        folder: made when the first one is made.
        images: of the project.
        sessions: the objects of its images.
        open: decodes a file.
    """

    def __init__(
        self, folder: Path, images: ProjectImages, sessions: ProjectSessions, open: OpenFile = open_image
    ) -> None:
        self._folder, self._images, self._sessions, self._open = folder, images, sessions, open

    def image(self, number: int) -> bytes:
        """WebP of an image, the longer side 256 pixels.

        Raises:
            NotInProjectError: there is no such image.
            ImageError: the file cannot be read, or is gone.
        """
        path = self._images.path(number)
        try:
            stored = self._folder / f"{number}-{_digest(stamp_of_file(path))}.webp"
            if stored.is_file():
                return stored.read_bytes()
            encoded = _as_webp(_small_image(path, self._open))
        except OSError as error:
            raise ImageError(f"cannot read {path.name}: {(error.strerror or str(error)).lower()}") from None
        for old in self._folder.glob(f"{number}-*.webp"):
            old.unlink(missing_ok=True)
        write_file(stored, encoded)
        return encoded

    def object(self, number: int, id: str, colour: str) -> bytes:
        """WebP of the surroundings of an object with its outline, the longer side up to 192 pixels.

        Raises:
            NotInProjectError: there is no such image or object.
            ImageError: the file cannot be read, is gone, or has another size than the object's mask.
        """
        path = self._images.path(number)
        object = self._sessions.object(number, id)
        try:
            key = _digest(stamp_of_file(path), object.rle["counts"], colour)
            stored = self._folder / "objects" / f"{key}.webp"
            if stored.is_file():
                return stored.read_bytes()
            image = self._open(path)
        except OSError as error:
            raise ImageError(f"cannot read {path.name}: {(error.strerror or str(error)).lower()}") from None
        mask = Mask.from_rle(object.rle)
        if mask.size != image.size:
            raise ImageError(f"{path.name} has another size than the objects that were made on it")
        encoded = _as_webp(_crop(image.pixels, mask, colour))
        write_file(stored, encoded)
        return encoded


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _small_image(path: Path, open: OpenFile) -> PIL.Image.Image:
    """The image with a longer side of 256 pixels; of a JPEG only as much as that needs is decoded.

    A progressive JPEG may have any number of scans, each over all pixels, so that it goes to `open`, which can end it.
    """
    small = None
    with path.open("rb") as file:
        if file.read(3) == _JPEG:
            file.seek(0)
            image = identify(file, MAX_PIXELS)
            is_simple = image.format == "JPEG" and image.mode in ("RGB", "L") and "progressive" not in image.info
            if is_simple and max(image.size) > 4 * SIDE:
                image.draft("RGB", (2 * SIDE, 2 * SIDE))
                small = upright(image).convert("RGB")
    small = PIL.Image.fromarray(open(path).pixels) if small is None else small
    small.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    return small


def _crop(pixels: np.ndarray, mask: Mask, colour: str) -> PIL.Image.Image:
    import cv2

    x0, y0, x1, y1 = (int(each) for each in mask.box)
    height, width = pixels.shape[:2]
    margin = round(max(x1 - x0, y1 - y0, 8) * _MARGIN)
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(width, x1 + margin), min(height, y1 + margin)
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    inside = np.ascontiguousarray(mask.array[top:bottom, left:right]).view(np.uint8)
    scale = OBJECT_SIDE / max(part.shape[:2])
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        inside = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    rgb = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    cv2.drawContours(part, contours, -1, rgb, 2)
    return PIL.Image.fromarray(part)


def _as_webp(image: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=80, method=2)
    return buffer.getvalue()
