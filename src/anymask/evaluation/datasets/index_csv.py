"""The layout with an `index.csv`, which names each image and its mask.

The columns `image` and `mask` hold paths inside the folder. A mask is either one object (255 object, 0 background,
128 ignored) or a label map of many (0 background, 1 … one number per object; 255 of a palette is ignored). An image may
have several rows: with a column `annotator`, masks of different annotators are ground truths of their own; without one,
all of an image's masks are one ground truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, InputError
from anymask.evaluation.datasets.ground_truth import (
    INDEX_CSV,
    MIN_AREA,
    AnnotatedImage,
    Object,
    file_bytes,
    sample_indices,
)
from anymask.io.stored_values import stored_values
from anymask.io.table import table_of
from anymask.io.text import decode_text

_IGNORE, _OBJECT = 128, 255
_VOID = 255


@dataclass(frozen=True)
class MaskFiles:
    """One annotator's masks of one image; see `anymask.evaluation.datasets.ground_truth.Segmentation`."""

    paths: tuple[Path, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """None: these masks have no categories."""
        return ()

    def objects(self) -> Iterator[Object]:
        """All objects."""
        return self._objects(1, None, 0)

    def sample_objects(self, max_objects: int | None, seed: int) -> Iterator[Object]:
        """See `Segmentation.sample_objects`."""
        return self._objects(MIN_AREA, max_objects, seed)

    def content(self) -> bytes:
        """The files' bytes."""
        return b"".join(map(file_bytes, self.paths))

    def _objects(self, min_area: int, max_objects: int | None, seed: int) -> Iterator[Object]:
        objects: list[tuple[Path, NDArray[np.integer], int | None, int | None]] = []
        for path in self.paths:
            labels, ignored = _read_mask(path)
            values, counts = np.unique(labels, return_counts=True)
            if np.isin(values, (0, _IGNORE, _OBJECT)).all() and labels.dtype == np.uint8 and _OBJECT in values:
                objects.append((path, labels, None, _IGNORE))
                continue
            large = values[(values != 0) & (counts >= min_area) & (values != (0 if ignored is None else ignored))]
            objects += [(path, labels, int(number), ignored) for number in large]
        for index in sample_indices(len(objects), max_objects, self.paths[0].name, seed):
            path, labels, number, ignored = objects[index]
            name = path.stem if number is None else f"{path.stem}#{number}"
            left_out = np.zeros(labels.shape, np.bool_) if ignored is None else labels == ignored
            yield Object(name, labels == (_OBJECT if number is None else number), left_out)


def read_index(root: Path) -> list[AnnotatedImage]:
    """List the images of a folder, in the order of its index.

    Raises:
        InputError: columns are missing, or a row names a file that does not exist.
    """
    masks: dict[str, dict[str, list[Path]]] = {}
    try:
        table = table_of(decode_text((root / INDEX_CSV).read_bytes()))
        rows = [dict(zip(table.columns, cells, strict=False)) for _, cells in table]
    except InputError as error:
        raise InputError(f"cannot read {root / INDEX_CSV} as a table: {error}") from None
    if not {"image", "mask"} <= set(table.columns):
        raise InputError(f"{root / INDEX_CSV} needs the columns image and mask, it has {table.columns}")
    for row in rows:
        by_annotator = masks.setdefault(_inside(root, row.get("image")), {})
        by_annotator.setdefault(row.get("annotator") or "", []).append(root / _inside(root, row.get("mask")))
    return [
        AnnotatedImage(root / name, name, tuple(MaskFiles(tuple(paths)) for paths in by_annotator.values()))
        for name, by_annotator in masks.items()
    ]


def _inside(root: Path, name: str | None) -> str:
    """The name of a file of the folder, with slashes where a path of Windows has none."""
    for each in (name or "", (name or "").replace("\\", "/")):
        if (root / each).is_file():
            return each
    raise InputError(f"{root / INDEX_CSV} names {name!r}, which is not there")


def _read_mask(path: Path) -> tuple[NDArray[np.integer], int | None]:
    """A mask file as integers [H, W], and the number of ignored pixels: in a palette of colours 255, as in VOC."""
    try:
        stored = stored_values(path)
        values = stored.values
    except ImageError as error:
        raise InputError(f"cannot read the mask {path}: {error}") from error
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            f"{path} is not a mask: it needs one channel of whole numbers, got {values.dtype} {values.shape}"
        )
    return values, _VOID if stored.indices else None
