"""Numbers of images, annotations and classes in a COCO file: those that they had, as far as each stays unique."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymask.structures.annotation import Category, DatasetRecord, Id

_NEW: Mapping[str, Any] = {"supercategory": ""}
"""Further fields of a class that comes from no COCO file; some readers demand it."""


class FreeIds:
    """Ids that are given once: the one that is wanted, or the next number."""

    def __init__(self, first: int = 1) -> None:
        self._taken: set[Id] = set()
        self._next = first

    def take(self, wanted: Id | None) -> Id:
        """The wanted id if no other has it, else a number that none has."""
        while wanted is None or wanted in self._taken:
            wanted, self._next = self._next, self._next + 1
        self._taken.add(wanted)
        return wanted


class CocoCategories:
    """The classes of a file: those of the datasets that are written, with their numbers, and new labels."""

    def __init__(self) -> None:
        self._by_id: dict[Id, Category] = {}
        self._by_name: dict[str, Id] = {}
        self._ids = FreeIds()
        self._last: DatasetRecord | None = None

    def add(self, dataset: DatasetRecord | None) -> None:
        """Take over the classes of a dataset, also those without objects; of several datasets one name is one class."""
        if dataset is None or dataset == self._last:
            return
        self._last = dataset
        added = [each for each in dataset.categories if each.name not in self._by_name]
        ids = {place: self._ids.take(each.id) for place, each in enumerate(added) if each.id is not None}
        for place, each in enumerate(added):
            id = ids[place] if place in ids else self._ids.take(None)
            extra = each.extra if dataset.format == "coco" and each.id is not None else _NEW
            self._register(Category(each.name, id, extra))

    def number(self, name: str, wanted: Id | None) -> Id:
        """The number of a label; ``wanted`` is the one it had."""
        if wanted is not None and wanted in self._by_id and self._by_id[wanted].name == name:
            return wanted
        if name not in self._by_name:
            self._register(Category(name, self._ids.take(wanted), _NEW))
        return self._by_name[name]

    def _register(self, category: Category) -> None:
        assert category.id is not None
        self._by_id[category.id] = category
        self._by_name.setdefault(category.name, category.id)

    @property
    def names(self) -> Mapping[Any, str]:
        """Number → name."""
        return {id: each.name for id, each in self._by_id.items()}

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of `categories`."""
        return [{"id": id, "name": each.name, **each.extra} for id, each in self._by_id.items()]
