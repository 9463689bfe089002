"""Folders of photographs with ground truth: ``index.csv`` names each picture and its mask.

The columns ``image`` and ``mask`` hold paths inside the folder. A mask is either one object (255 object, 0
background, 128 left out of account) or a label map of many (0 background, 1 … one number per object).
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError

INDEX = "index.csv"
SMALLEST = 30
"""Objects of fewer pixels are left out: a click cannot mean them."""

_IGNORE, _OBJECT = 128, 255


@dataclass(frozen=True, eq=False)
class Object:
    """One object of the ground truth.

    Attributes:
        name: mask file, and the number in it if it holds several.
        mask: bool [H, W].
        ignored: bool [H, W], pixels that count neither for nor against.
    """

    name: str
    mask: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Tight box, (x_min, y_min, x_max, y_max) in pixel edges."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


@dataclass(frozen=True)
class Photograph:
    """A photograph and where its ground truth lies.

    Attributes:
        path: of the picture.
        mask_paths: of its masks, several where several people drew them.
        most: how many objects of each mask to take; None for all.
    """

    path: Path
    mask_paths: tuple[Path, ...]
    most: int | None = None

    def objects(self) -> Iterator[Object]:
        """Read the masks; of a label map with more than `most` objects a fixed random choice.

        Raises:
            InputError: a mask that cannot be read.
        """
        for path in self.mask_paths:
            labels = _read_mask(path)
            values = np.unique(labels)
            if np.isin(values, (0, _IGNORE, _OBJECT)).all() and labels.dtype == np.uint8 and _OBJECT in values:
                yield Object(path.stem, labels == _OBJECT, labels == _IGNORE)
                continue
            nothing = np.zeros(labels.shape, np.bool_)
            numbers = [n for n in values.tolist() if n and np.count_nonzero(labels == n) >= SMALLEST]
            if self.most is not None and len(numbers) > self.most:
                drawn = np.random.default_rng(zlib.crc32(path.name.encode())).permutation(len(numbers))
                numbers = [numbers[i] for i in sorted(drawn[: self.most])]
            for number in numbers:
                yield Object(f"{path.stem}#{number}", labels == number, nothing)


def read_dataset(folder: str | Path, most: int | None = None) -> list[Photograph]:
    """List the photographs of a folder, in the order of its index.

    Args:
        folder: holds `index.csv` and what it names.
        most: objects to take from each mask; None for all.

    Raises:
        InputError: no such folder, no index in it, or an index that names no pictures.
    """
    root = Path(folder)
    if not (root / INDEX).is_file():
        raise InputError(f"{root} holds no {INDEX}: evaluate needs one with the columns image and mask")
    masks: dict[Path, list[Path]] = {}
    with (root / INDEX).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"image", "mask"} <= set(rows.fieldnames or ()):
            raise InputError(f"{root / INDEX} needs the columns image and mask, it has {rows.fieldnames}")
        for row in rows:
            masks.setdefault(_inside(root, row["image"]), []).append(_inside(root, row["mask"]))
    if not masks:
        raise InputError(f"{root / INDEX} names no pictures")
    return [Photograph(path, tuple(paths), most) for path, paths in masks.items()]


def _inside(root: Path, name: str | None) -> Path:
    path = root / (name or "")
    if not path.is_file():
        raise InputError(f"{root / INDEX} names {name!r}, which is not there")
    return path


def _read_mask(path: Path) -> NDArray[np.integer]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            labels = np.asarray(picture)
    except OSError as error:
        raise InputError(f"cannot read the mask {path}: {error}") from error
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{path} is no mask: it needs one channel of whole numbers, got {labels.dtype} {labels.shape}")
    return labels
