"""Which classes and objects of a dataset are taken, and what the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from anymask.errors import InputError
from anymask.formats.helpers.annotations import label_or_default
from anymask.io.text import decode_text
from anymask.structures.annotation import BoxAnnotation, Category, DatasetRecord, Id
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded

_Object = TypeVar("_Object", Mask, BoxAnnotation)
_MOST_NAMES = 20
"""Classes that an error lists."""


def parse_classes(text: str) -> dict[str, str]:
    """Read new names of classes, for `rename_classes`.

    Args:
        text: a file with a class per line, or a list with commas: `old=new`, or `name` for its place in the order.

    Returns:
        Old name → new name, in the order given.

    Raises:
        InputError: no such file, an empty name, or one class twice.
    """
    if "\0" not in text and len(text) < 4096 and Path(text).is_file():
        lines = decode_text(Path(text).read_bytes()).splitlines()
        entries = [line for line in lines if not line.lstrip().startswith("#")]
    elif "=" in text or "," in text:
        entries = text.split(",")
    else:
        raise InputError(f"there is no file {text}: classes are a file, or a list such as 'old=new, other=new'")
    names: dict[str, str] = {}
    for entry in filter(None, map(str.strip, entries)):
        old, equals, new = (part.strip() for part in entry.partition("="))
        new = new if equals else old
        if not old or not new:
            raise InputError(f"{entry!r} needs a name on both sides of =; leave a class out with --drop")
        if old in names:
            raise InputError(f"the class {old!r} is there twice: as {names[old]!r} and as {new!r}")
        names[old] = new
    if not names:
        raise InputError(f"there is no class in {text!r}")
    return names


def rename_classes(sets: Iterable[MaskSet], names: Mapping[str, str]) -> Iterator[MaskSet]:
    """The same images with other names of classes; shapes stay as they are.

    Args:
        sets: one per image.
        names: old name → new name; two with one new name become one class. Their order becomes that of the classes,
            and all others follow.

    Raises:
        InputError: after the last image, if a class to be renamed is nowhere.
    """
    found: set[str] = set()
    before, after = None, None
    for masks in sets:
        if after is None or masks.dataset is not before:
            before, after = masks.dataset, _renamed_record(masks.dataset, names)
            found.update(each.name for each in (before.categories if before is not None else ()))
        found.update(label_or_default(each) for each in (*masks, *masks.box_annotations))
        ids = {each.name: each.id for each in after.categories}
        yield masks.replace(
            [_renamed(mask, names, ids) for mask in masks],
            box_annotations=[_renamed(box, names, ids) for box in masks.box_annotations],
            dataset=after,
        )
    _check_known([old for old, new in names.items() if old != new], found)


def _renamed_record(dataset: DatasetRecord | None, names: Mapping[str, str]) -> DatasetRecord:
    dataset = DatasetRecord() if dataset is None else dataset
    merged: dict[str, Category] = {}
    for each in dataset.categories:
        name = names.get(each.name, each.name)
        merged.setdefault(name, replace(each, name=name))
    first = {name: merged.get(name, Category(name)) for name in names.values()}
    return replace(dataset, categories=tuple({**first, **merged}.values()))


def _renamed(each: _Object, names: Mapping[str, str], ids: Mapping[str, Id | None]) -> _Object:
    """The object with its new class and the number of that class."""
    old = label_or_default(each)
    new = names.get(old, old)
    if new == old:
        return each
    annotation = replace(each.annotation, category_id=ids.get(new))
    if isinstance(each, Mask):
        return each.replace(label=new, annotation=annotation)
    return replace(each, label=new, annotation=annotation)


@dataclass(frozen=True)
class ObjectFilter:
    """The objects of a dataset to take; images without any of them stay, as images without objects.

    Attributes:
        only: classes to take; all if there are none.
        drop: classes to leave out.
        min_area: least area in pixels; of an object without a mask that of its box.
        dropped: what was left out: reason → number of objects.
    """

    only: Sequence[str] = ()
    drop: Sequence[str] = ()
    min_area: float = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to leave out."""
        return bool(self.only or self.drop or self.min_area)

    def apply(self, sets: Iterable[MaskSet]) -> Iterator[MaskSet]:
        """The same images with the objects to take.

        Raises:
            InputError: after the last image, if a class to take or to leave out is nowhere.
        """
        found: set[str] = set()
        before: DatasetRecord | None = None
        after: DatasetRecord | None = None
        for masks in sets:
            if masks.dataset is not before:
                before, after = masks.dataset, self._record(masks.dataset)
                found.update(each.name for each in (before.categories if before is not None else ()))
            found.update(label_or_default(each) for each in (*masks, *masks.box_annotations))
            kept = [mask for mask in iter_bounded(masks) if self._takes(mask)]
            boxes = [box for box in masks.box_annotations if self._takes(box)]
            yield masks.replace(kept, box_annotations=boxes, dataset=after)
        _check_known((*self.only, *self.drop), found)

    def _takes_class(self, name: str) -> bool:
        return name not in self.drop and (not self.only or name in self.only)

    def _takes(self, each: Mask | BoxAnnotation) -> bool:
        reason = None
        if not self._takes_class(label_or_default(each)):
            reason = "objects of other classes"
        elif self.min_area and _area(each) < self.min_area:
            reason = f"objects below {self.min_area:g} pixels"
        if reason is not None:
            self.dropped[reason] += 1
        return reason is None

    def _record(self, dataset: DatasetRecord | None) -> DatasetRecord | None:
        if dataset is None:
            return None
        return replace(dataset, categories=tuple(each for each in dataset.categories if self._takes_class(each.name)))


def _area(each: Mask | BoxAnnotation) -> float:
    if isinstance(each, Mask):
        return each.area
    x0, y0, x1, y1 = each.box
    return (x1 - x0) * (y1 - y0)


def _check_known(names: Iterable[str], found: set[str]) -> None:
    if missing := [name for name in names if name not in found]:
        there = [repr(name) for name in sorted(found)]
        more = f" and {len(there) - _MOST_NAMES} more" if len(there) > _MOST_NAMES else ""
        are = f"there are {', '.join(there[:_MOST_NAMES])}{more}" if there else "there are no classes"
        raise InputError(f"there is no class {', '.join(map(repr, missing))}; {are}")
