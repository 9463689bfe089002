"""Photographs with ground truth, and the two layouts that they are read from.

`anymask.evaluation.datasets.index_csv` reads folders with an `index.csv`, `anymask.evaluation.datasets.coco` reads
COCO's instances.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError

INDEX = "index.csv"
SMALLEST = 30
"""Objects of fewer pixels are not asked about: neither a click nor a box can mean them."""


@dataclass(frozen=True, eq=False)
class Object:
    """One object of the ground truth.

    Attributes:
        name: of the mask file or photograph, and the number in it if it holds several.
        mask: bool [H, W].
        ignored: bool [H, W], pixels that count neither for nor against.
        label: its category, None where the dataset has none.
        crowd: a group that nobody counted, as COCO marks it: not asked about, and never a false alarm.
        stated_area: as the dataset gives it, in pixels; None: the mask's.
    """

    name: str
    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    label: str | None = None
    crowd: bool = False
    stated_area: float | None = None

    @property
    def area(self) -> float:
        """Size in pixels, by which objects are called small, medium or large."""
        return float(np.count_nonzero(self.mask)) if self.stated_area is None else self.stated_area

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Tight box, (x_min, y_min, x_max, y_max) in pixel edges."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


class Segmentation(Protocol):
    """What one person marked on one photograph."""

    @property
    def labels(self) -> Sequence[str]:
        """Categories that were looked for, in the dataset's order; none where it has none."""
        ...

    def objects(self) -> Iterator[Object]:
        """All objects, crowds included.

        Raises:
            InputError: ground truth that cannot be read.
        """
        ...

    def asked(self, most: int | None, seed: int) -> Iterator[Object]:
        """The objects to ask about: neither crowds nor tiny, at most this many, by a fixed random choice."""
        ...

    def content(self) -> bytes:
        """Bytes that change whenever the ground truth does."""
        ...


@dataclass(frozen=True)
class Photograph:
    """A photograph and its ground truth.

    Attributes:
        path: of the picture.
        name: within its dataset.
        segmentations: one, or several where several people marked the same photograph.
        most: how many objects of each segmentation to ask about; None for all.
        seed: of the choice among more objects.
    """

    path: Path
    name: str
    segmentations: tuple[Segmentation, ...]
    most: int | None = None
    seed: int = 0

    def objects(self) -> Iterator[Object]:
        """The objects to ask about, of all segmentations.

        Raises:
            InputError: ground truth that cannot be read.
        """
        for segmentation in self.segmentations:
            yield from segmentation.asked(self.most, self.seed)

    def digest(self) -> str:
        """Tells whether the picture or its ground truth has changed since it was measured.

        Raises:
            InputError: a file that cannot be read.
        """
        found = hashlib.sha256(file_bytes(self.path))
        for segmentation in self.segmentations:
            found.update(segmentation.content())
        return found.hexdigest()[:16]


def drawn(count: int, most: int | None, name: str, seed: int) -> list[int]:
    """Which of `count` objects are asked about, in order: the same choice for everybody, by name and seed."""
    if most is None or count <= most:
        return list(range(count))
    order = np.random.default_rng([zlib.crc32(name.encode()), seed]).permutation(count)
    return sorted(int(index) for index in order[:most])


def file_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
