"""Several datasets as one."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from anymask.structures.annotation import Annotation, Id
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord


def merge(inputs: Iterable[tuple[str, Iterable[MaskSet]]], changed: Counter[str]) -> Iterator[MaskSet]:
    """The images of several datasets, one dataset after the other; formats unite their classes by name.

    An image whose name an earlier dataset has, whatever the suffix, is another image: it gets the name of its dataset
    as a folder. Ids of images and annotations that an earlier dataset has are left out, so that formats give new ones.

    Args:
        inputs: name and images of each dataset.
        changed: what had to change is added, in words → number of images or objects.
    """
    earlier, licences = _Taken(), None
    for label, sets in inputs:
        own = _Taken()
        for masks in sets:
            record = masks.record
            own.images.add(record.id)
            if record.id is not None and record.id in earlier.images:
                record = replace(record, id=None)
                changed["ids of images that two inputs have"] += 1
            own.names |= {_stem(record.path)} if record.path else set()
            if record.path and _stem(record.path) in earlier.names:
                record = replace(record, path=earlier.free_name(record.path, label))
                own.names.add(_stem(record.path))
                changed["names of images that two inputs have"] += 1
            theirs = None if masks.dataset is None else masks.dataset.extra.get("licenses")
            licences = licences if licences is not None else theirs
            if theirs != licences and "license" in record.extra:
                record = replace(record, extra={name: each for name, each in record.extra.items() if name != "license"})
                changed["licences of images, whose numbers mean another licence in the first input"] += 1
            yield _with_free_ids(masks, record, earlier, own, changed)
        earlier.add(own)


class _Taken:
    """Names, without suffixes, and ids that a dataset has."""

    def __init__(self) -> None:
        self.names, self.images, self.annotations = set[str](), set[Id | None](), set[Id]()

    def add(self, other: _Taken) -> None:
        self.names |= other.names
        self.images |= other.images
        self.annotations |= other.annotations

    def free_name(self, path: str, label: str) -> str:
        """The path below the first of `label`, `label-2` … where no image has its name."""
        inside = "/".join(part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", "..", "."))
        folders = itertools.chain([label], (f"{label}-{number}" for number in itertools.count(2)))
        return next(name for folder in folders if _stem(name := f"{folder}/{inside}") not in self.names)


def _stem(path: str | None) -> str:
    """A name as far as it has to differ from others: formats replace suffixes, and some disks ignore case."""
    whole = PurePosixPath((path or "").replace("\\", "/"))
    return str(whole.parent / whole.stem).casefold()


def _with_free_ids(masks: MaskSet, record: ImageRecord, earlier: _Taken, own: _Taken, changed: Counter[str]) -> MaskSet:
    """The same objects, without the ids of annotations that an earlier dataset has."""

    def free(annotation: Annotation) -> Annotation:
        if annotation.id is None:
            return annotation
        own.annotations.add(annotation.id)
        if annotation.id not in earlier.annotations:
            return annotation
        changed["ids of annotations that two inputs have"] += 1
        return replace(annotation, id=None)

    return masks.replace(
        [mask.replace(annotation=free(mask.annotation)) for mask in masks],
        record,
        box_annotations=[replace(box, annotation=free(box.annotation)) for box in masks.box_annotations],
    )
