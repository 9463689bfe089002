"""Images with ground truth, and the two layouts that they are read from.

`anymask.evaluation.datasets.index_csv` reads folders with an `index.csv`, `anymask.evaluation.datasets.coco` reads
COCO's instances.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.structures.image_options import ImageOptions

if TYPE_CHECKING:
    from anymask.io.image import Image

INDEX_CSV = "index.csv"
MIN_AREA = 30
"""Pixels; smaller objects are not prompted: neither a click nor a box can name them."""


@dataclass(frozen=True, eq=False)
class Object:
    """One object of the ground truth.

    Attributes:
        name: of the mask file or image, and the number in it if it holds several.
        mask: bool [H, W].
        ignored: bool [H, W], pixels that are left out of the comparison.
        label: its category, None where the dataset has none.
        crowd: a group of objects without individual masks, as COCO marks it: not prompted, and never a false alarm.
        stated_area: in pixels, as the dataset states it; None: the mask's.
    """

    name: str
    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    label: str | None = None
    crowd: bool = False
    stated_area: float | None = None

    @property
    def area(self) -> float:
        """Area in pixels, which decides whether an object is small, medium or large."""
        return float(np.count_nonzero(self.mask)) if self.stated_area is None else self.stated_area

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Tight box, (x_min, y_min, x_max, y_max) in pixel edges."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


class Segmentation(Protocol):
    """The ground truth of one image by one annotator."""

    @property
    def labels(self) -> Sequence[str]:
        """Categories that were searched for, in the dataset's order; none where it has none."""
        ...

    def objects(self) -> Iterator[Object]:
        """All objects, crowds included.

        Raises:
            InputError: ground truth that cannot be read.
        """
        ...

    def sample_objects(self, max_objects: int | None, seed: int) -> Iterator[Object]:
        """The objects to prompt: without crowds and tiny objects, at most this many, by a fixed random choice."""
        ...

    def content(self) -> bytes:
        """Bytes that change whenever the ground truth does."""
        ...


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and its ground truth.

    Attributes:
        path: of the image file.
        name: within its dataset.
        segmentations: one, or one per annotator.
        max_objects: how many objects of each segmentation to prompt; None for all.
        seed: of the choice among more objects.
        opening: how the image file is opened.
    """

    path: Path
    name: str
    segmentations: tuple[Segmentation, ...]
    max_objects: int | None = None
    seed: int = 0
    opening: ImageOptions = field(default_factory=ImageOptions)

    def open(self) -> Image:
        """Open the image.

        Raises:
            ImageError: it cannot be read.
        """
        return self.opening.open(self.path)

    def sample_objects(self) -> Iterator[Object]:
        """The objects to prompt, of all segmentations.

        Raises:
            InputError: ground truth that cannot be read.
        """
        for segmentation in self.segmentations:
            yield from segmentation.sample_objects(self.max_objects, self.seed)

    def digest(self) -> str:
        """Digest of the image file, how it is opened, and its ground truth, 16 hexadecimal digits.

        Raises:
            InputError: a file that cannot be read.
        """
        digest = hashlib.sha256(file_bytes(self.path))
        for segmentation in self.segmentations:
            digest.update(segmentation.content())
        if self.opening.changed:
            digest.update(repr(self.opening).encode())
        return digest.hexdigest()[:16]


def sample_indices(count: int, max_objects: int | None, name: str, seed: int) -> list[int]:
    """Indices of the objects to prompt out of `count`, in order; the choice depends only on name and seed."""
    if max_objects is None or count <= max_objects:
        return list(range(count))
    order = np.random.default_rng([zlib.crc32(name.encode()), seed]).permutation(count)
    return sorted(int(index) for index in order[:max_objects])


def file_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
