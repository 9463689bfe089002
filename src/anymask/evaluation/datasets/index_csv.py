"""The layout with an `index.csv`, which names each picture and its mask.

The columns `image` and `mask` hold paths inside the folder. A mask is either one object (255 object, 0 background,
128 left out of account) or a label map of many (0 background, 1 … one number per object). A picture may have several
rows: with a column `annotator`, masks of different annotators are ground truths of their own; without one, all of a
picture's masks are one ground truth.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import INDEX, SMALLEST, Object, Photograph, drawn, file_bytes

_IGNORE, _OBJECT = 128, 255


@dataclass(frozen=True)
class MaskFiles:
    """One person's masks of one photograph; see `anymask.evaluation.datasets.ground_truth.Segmentation`."""

    paths: tuple[Path, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """None: these masks have no categories."""
        return ()

    def objects(self) -> Iterator[Object]:
        """All objects."""
        return self._objects(1, None, 0)

    def asked(self, most: int | None, seed: int) -> Iterator[Object]:
        """Those to ask about."""
        return self._objects(SMALLEST, most, seed)

    def content(self) -> bytes:
        """The files' bytes."""
        return b"".join(map(file_bytes, self.paths))

    def _objects(self, smallest: int, most: int | None, seed: int) -> Iterator[Object]:
        found: list[tuple[Path, NDArray[np.integer], int | None]] = []
        for path in self.paths:
            labels = _read_mask(path)
            values, counts = np.unique(labels, return_counts=True)
            if np.isin(values, (0, _IGNORE, _OBJECT)).all() and labels.dtype == np.uint8 and _OBJECT in values:
                found.append((path, labels, None))
                continue
            large = values[(values != 0) & (counts >= smallest)]
            found += [(path, labels, int(number)) for number in large]
        for index in drawn(len(found), most, self.paths[0].name, seed):
            path, labels, number = found[index]
            if number is None:
                yield Object(path.stem, labels == _OBJECT, labels == _IGNORE)
            else:
                yield Object(f"{path.stem}#{number}", labels == number, np.zeros(labels.shape, np.bool_))


def read_index(root: Path) -> list[Photograph]:
    """List the photographs of a folder, in the order of its index.

    Raises:
        InputError: columns are missing, or a row names a file that is not there.
    """
    masks: dict[str, dict[str, list[Path]]] = {}
    try:
        with (root / INDEX).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"image", "mask"} <= set(rows.fieldnames or ()):
                raise InputError(f"{root / INDEX} needs the columns image and mask, it has {rows.fieldnames}")
            for row in rows:
                _inside(root, row["image"])
                by_person = masks.setdefault(row["image"], {})
                by_person.setdefault(row.get("annotator") or "", []).append(_inside(root, row["mask"]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {root / INDEX} as a table: {error}") from None
    return [
        Photograph(root / name, name, tuple(MaskFiles(tuple(paths)) for paths in by_person.values()))
        for name, by_person in masks.items()
    ]


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
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot read the mask {path}: {error}") from error
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{path} is no mask: it needs one channel of whole numbers, got {labels.dtype} {labels.shape}")
    return labels
