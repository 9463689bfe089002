"""The objects of each image, saved whole or not at all, and never over what somebody else has saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from anymask.errors import InputError
from anymask.projects.classes import ProjectClasses
from anymask.projects.database import ProjectDatabase
from anymask.projects.errors import NotInProjectError, StaleRevisionError
from anymask.projects.images import ImageState, ProjectImage, ProjectImages
from anymask.projects.objects import ObjectChange, StoredObject, Suggestion, iou_of_runs
from anymask.structures import rle
from anymask.structures.annotation import BoxAnnotation
from anymask.structures.overlap import box_iou

_MOST_OBJECTS = 5000
_INSERT = f"INSERT INTO objects VALUES ({', '.join('?' * 15)})"
_UNSET: Any = object()
_SAME_IOU = 0.95


@dataclass(frozen=True)
class ImageSession:
    """All that is stored about an image.

    Attributes:
        image: its entry in the list.
        objects: in their order.
        suggestions: those that nobody has decided on.
        history: of the browser, for undo and redo; any JSON value.
        is_changed: whether the file is another one than when the objects were made.
        class_of: label of a suggestion → the class of that name.
    """

    image: ProjectImage
    objects: Sequence[StoredObject]
    suggestions: Sequence[Suggestion]
    history: Any
    is_changed: bool
    class_of: Mapping[str, int | None]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "number": self.image.number,
            "name": self.image.name,
            "revision": self.image.revision,
            "state": self.image.state,
            "objects": [each.as_dict() for each in self.objects],
            "suggestions": [each.as_dict(self.class_of[each.label]) for each in self.suggestions],
            "history": self.history,
            "changed": self.is_changed,
        }


class ProjectSessions:
    """The objects of all images of a project."""

    def __init__(self, database: ProjectDatabase, images: ProjectImages, classes: ProjectClasses) -> None:
        self._database, self._images, self._classes = database, images, classes

    def read(self, number: int) -> ImageSession:
        """All that is stored about an image.

        Raises:
            NotInProjectError: there is none of that number.
        """
        with self._database.transaction():
            image = self._images.get(number)
            row = self._database.row("SELECT history, pixels, drawn_on FROM images WHERE number = ?", number)
            assert row is not None
            query = "SELECT * FROM suggestions WHERE image = ? AND state = 'open' ORDER BY id"
            suggestions = [Suggestion.of_row(each) for each in self._database.rows(query, number)]
            class_of = {each.label: self._classes.find(each.label) for each in suggestions}
            history = None if row["history"] is None else json.loads(row["history"])
            is_changed = bool(row["drawn_on"] and row["pixels"] and row["drawn_on"] != row["pixels"])
            return ImageSession(image, self.objects(number), suggestions, history, is_changed, class_of)

    def objects(self, number: int) -> list[StoredObject]:
        """The objects of an image, in their order."""
        rows = self._database.rows("SELECT * FROM objects WHERE image = ? ORDER BY position", number)
        return [StoredObject.of_row(row) for row in rows]

    def object(self, number: int, id: str) -> StoredObject:
        """An object of an image.

        Raises:
            NotInProjectError: there is none of that id.
        """
        row = self._database.row("SELECT * FROM objects WHERE image = ? AND id = ?", number, id)
        if row is None:
            raise NotInProjectError(f"image {number} has no object {id}")
        return StoredObject.of_row(row)

    def save(
        self,
        number: int,
        revision: int,
        objects: Sequence[ObjectChange],
        *,
        history: Any = _UNSET,
        suggestions: Mapping[str, str] | None = None,
        state: ImageState | None = None,
        classes_required: bool = False,
    ) -> int:
        """Save the objects of an image, in place of those of the revision that they were made from.

        Args:
            number: of the image.
            revision: that the objects are made from.
            objects: all of them, in their order; those without a mask stay as they are stored.
            history: of the browser; stays as it is if left out.
            suggestions: id → "taken", "dropped" or "open" again.
            state: of the image; an image that was to do is in work if left out.
            classes_required: whether a class is required of all objects of an image that is done.

        Returns:
            The new revision.

        Raises:
            NotInProjectError: there is no such image or suggestion.
            StaleRevisionError: there is a later revision; nothing was written.
            ClassMissingError: the image would be done, and objects have no class where one is required.
            InputError: an object that cannot be.
        """
        if len(objects) > _MOST_OBJECTS:
            raise InputError(f"an image takes up to {_MOST_OBJECTS} objects, not {len(objects)}")
        ids = [each.id for each in objects]
        if twice := next((id for id in ids if ids.count(id) > 1), None) if len(set(ids)) < len(ids) else None:
            raise InputError(f"two objects have the id {twice}")
        if self._images.get(number).width is None:
            self._images.read_head(number)
        with self._database.transaction():
            image = self._images.get(number)
            if image.revision != revision:
                raise StaleRevisionError(image.name, revision, image.revision)
            before = {each.id: each for each in self.objects(number)}
            size = (image.width, image.height) if image.width is not None and image.height is not None else None
            stored = self._with_classes([each.stored(before.get(each.id), size) for each in objects])
            self._write(number, before, stored)
            self._decide(number, suggestions or {})
            drawn_on = "coalesce(drawn_on, pixels)" if before else "pixels"
            query = f"UPDATE images SET revision = ?, saves = saves + 1, drawn_on = {drawn_on} WHERE number = ?"
            self._database.run(query, revision + 1, number)
            if history is not _UNSET:
                text = None if history is None else json.dumps(history)
                self._database.run("UPDATE images SET history = ? WHERE number = ?", text, number)
            begins = image.state == "todo" and bool(stored)
            self._images.set_state(number, state or ("in_work" if begins else image.state), classes_required)
        return revision + 1

    def add(self, number: int, objects: Sequence[StoredObject]) -> int | None:
        """Add objects of a file to an image, but those that it has already.

        Returns:
            How many were added; None, and nothing is added, if somebody has worked on the image.
        """
        with self._database.transaction():
            row = self._database.row("SELECT saves FROM images WHERE number = ?", number)
            if row is None or row["saves"]:
                return None
            present = self.objects(number)
            new = [each for each in objects if not any(_is_same(each, other) for other in present)]
            taken = {each.id for each in present}
            free = (id for id in (f"f{place}" for place in count(1)) if id not in taken)
            rows = [replace(each, id=next(free)).values(number, len(present) + n) for n, each in enumerate(new)]
            self._database.run_many(_INSERT, rows)
            if rows:
                self._database.run(
                    "UPDATE images SET revision = revision + 1, drawn_on = pixels WHERE number = ?", number
                )
                self._database.run("UPDATE images SET state = 'in_work' WHERE number = ? AND state = 'todo'", number)
            return len(rows)

    def suggest_boxes(self, number: int, boxes: Sequence[BoxAnnotation], size: tuple[int, int], job: str) -> int:
        """Suggest the boxes of a file, but those that it has already: a mask is made of one when somebody accepts it.

        Args:
            number: of the image.
            boxes: their labels are names of classes, or "".
            size: (width, height) of the image in pixels.
            job: what they come from; "file:" and its name.

        Returns:
            How many were added.
        """
        added = 0
        empty = rle.encode(np.zeros((size[1], size[0]), np.bool_))["counts"]
        columns = "(image, job, label, width, height, counts, area, box, score)"
        with self._database.transaction():
            rows = self._database.rows("SELECT label, box FROM suggestions WHERE image = ? AND area = 0", number)
            present = [(row["label"], json.loads(row["box"])) for row in rows]
            names: dict[int | None, str] = {each.id: each.name for each in self._classes.all()}
            present += [(names.get(each.class_id, ""), each.box) for each in self.objects(number)]
            for each in boxes:
                label, box = each.label or "", _whole_box(each.box, size)
                if any(label == other and float(box_iou(box, place)) > _SAME_IOU for other, place in present):
                    continue
                values = (number, job, label, *size, empty, 0, json.dumps(box), each.score)
                self._database.run(f"INSERT INTO suggestions {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)
                present.append((label, box))
                added += 1
        return added

    def set_disagreement(self, number: int, id: str, counts: str, value: float) -> None:
        """State how far the mask of an object, if it still has these run lengths, is from the model's."""
        query = "UPDATE objects SET disagreement = ? WHERE image = ? AND id = ? AND counts = ?"
        self._database.run(query, value, number, id, counts)

    def _with_classes(self, objects: Sequence[StoredObject]) -> list[StoredObject]:
        """Objects with what their classes mean now: the class that one was merged into, none if it was removed."""
        present, merged = {each.id for each in self._classes.all()}, self._classes.merged()
        result, end = [], self._database.value("next_class", 0)
        for each in objects:
            id = each.class_id
            if id is not None and not 0 <= id < end:
                raise InputError(f"object {each.id}: there is no class {id}")
            id = merged.get(id, id) if id is not None else None
            result.append(replace(each, class_id=id if id in present else None))
        return result

    def _write(self, number: int, before: Mapping[str, StoredObject], stored: Sequence[StoredObject]) -> None:
        kept = {each.id for each in stored}
        unchanged = {each.id for each in stored if before.get(each.id) == each}
        gone = [(number, id) for id in before if id not in kept or id not in unchanged]
        self._database.run_many("DELETE FROM objects WHERE image = ? AND id = ?", gone)
        rows = [each.values(number, place) for place, each in enumerate(stored) if each.id not in unchanged]
        self._database.run_many(_INSERT, rows)
        places = [(place, number, each.id) for place, each in enumerate(stored) if each.id in unchanged]
        self._database.run_many("UPDATE objects SET position = ? WHERE image = ? AND id = ?", places)

    def _decide(self, number: int, suggestions: Mapping[str, str]) -> None:
        for id, state in suggestions.items():
            if state not in ("taken", "dropped", "open"):
                raise InputError(f"suggestion {id}: it is taken, dropped or open, not {state!r}")
            query = "UPDATE suggestions SET state = ? WHERE id = ? AND image = ?"
            if not id.isdecimal() or not self._database.run(query, state, int(id), number):
                raise NotInProjectError(f"image {number} has no suggestion {id}")


def _whole_box(box: Sequence[float], size: tuple[int, int]) -> list[int]:
    """A box [x_min, y_min, x_max, y_max] in whole pixels of the image, at least one in each direction."""
    starts = [min(max(0, round(low)), length - 1) for low, length in zip(box[:2], size, strict=True)]
    ends = [min(max(start + 1, round(high)), length) for start, high, length in zip(starts, box[2:], size, strict=True)]
    return starts + ends


def _is_same(one: StoredObject, other: StoredObject) -> bool:
    """Whether two objects are one, as files of several formats have it: of one class, and of almost the same pixels."""
    if one.class_id != other.class_id or one.rle["size"] != other.rle["size"]:
        return False
    if one.rle["counts"] == other.rle["counts"]:
        return True
    least, most = sorted((one.area, other.area))
    return bool(least) and least / most > _SAME_IOU and iou_of_runs(one.rle, other.rle) > _SAME_IOU
