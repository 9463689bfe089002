"""The objects of a project as values: masks as run lengths, their class, and what a browser stores with them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anymask.errors import InputError
from anymask.structures.annotation import Annotation, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.rle import area_and_box, rle_size

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_DATA = 256 << 10


@dataclass(frozen=True)
class StoredObject:
    """An object of an image.

    Attributes:
        id: unique within the image.
        class_id: of the project; None without class.
        rle: COCO run lengths: {"size": [height, width], "counts": str}.
        area: in pixels.
        box: [x_min, y_min, x_max, y_max], maxima exclusive.
        score: IoU that the model predicts; None if no model made it.
        stability: of the mask; None if unknown.
        data: of the browser: prompts and edits.
        source: "manual", or "file:NAME" of an annotation file.
        annotation: what that file states besides, as in `Annotation.as_dict` and `SourceShape.as_dict`.
        disagreement: 1 - IoU with the model's mask for its box; None until it is measured.
    """

    id: str
    class_id: int | None
    rle: Mapping[str, Any]
    area: int
    box: list[int]
    score: float | None = None
    stability: float | None = None
    data: Mapping[str, Any] | None = None
    source: str = "manual"
    annotation: Mapping[str, Any] | None = field(default=None, repr=False)
    disagreement: float | None = None

    @classmethod
    def of_row(cls, row: sqlite3.Row) -> StoredObject:
        """The object of a row of the table `objects`."""
        return cls(
            id=row["id"],
            class_id=row["class"],
            rle={"size": [row["height"], row["width"]], "counts": row["counts"]},
            area=row["area"],
            box=json.loads(row["box"]),
            score=row["score"],
            stability=row["stability"],
            data=None if row["data"] is None else json.loads(row["data"]),
            source=row["source"],
            annotation=None if row["annotation"] is None else json.loads(row["annotation"]),
            disagreement=row["disagreement"],
        )

    @classmethod
    def of_mask(cls, id: str, mask: Mask, class_id: int | None, source: str) -> StoredObject:
        """The object of a mask that was read from a file."""
        shape = mask.source_shape
        stated: dict[str, Any] = {"annotation": mask.annotation.as_dict()}
        stated |= {"source_shape": shape.as_dict()} if shape is not None else {}
        about = stated if mask.annotation != Annotation() or shape is not None else None
        return cls(
            id, class_id, mask.rle, mask.area, [int(each) for each in mask.box], _number(mask.score),
            _number(mask.stability), None, source, about,
        )  # fmt: skip

    def mask(self, label: str | None) -> Mask:
        """The mask, with what the file that it was read from states; its class there had another number."""
        stated = self.annotation or {}
        annotation = Annotation.from_dict({**stated.get("annotation", {}), "category_id": None})
        shape = SourceShape.from_dict(stated["source_shape"]) if "source_shape" in stated else None
        return Mask.from_rle(
            self.rle, score=self.score, stability=self.stability, label=label, annotation=annotation, source_shape=shape
        )

    def values(self, image: int, position: int) -> tuple[Any, ...]:
        """A row of the table `objects`."""
        height, width = self.rle["size"]
        as_json = (None if each is None else json.dumps(each) for each in (self.data, self.annotation))
        data, annotation = as_json
        return (
            image, self.id, position, self.class_id, width, height, self.rle["counts"], self.area, json.dumps(self.box),
            self.score, self.stability, data, self.source, annotation, self.disagreement,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id, "class": self.class_id, "rle": dict(self.rle), "area": self.area, "box": self.box,
            "score": self.score, "stability": self.stability, "data": self.data, "source": self.source,
            "disagreement": self.disagreement,
        }  # fmt: skip


@dataclass(frozen=True)
class ObjectChange:
    """An object as it is to be saved.

    Attributes:
        id: unique within the image.
        rle: its mask; None for an object that stays as it is stored, whatever the other members say.
        class_id, score, stability, data, source: as of a `StoredObject`.
    """

    id: str
    rle: Mapping[str, Any] | None = None
    class_id: int | None = None
    score: float | None = None
    stability: float | None = None
    data: Mapping[str, Any] | None = None
    source: str = "manual"

    def stored(self, before: StoredObject | None, size: tuple[int, int] | None) -> StoredObject:
        """The object to store.

        Args:
            before: the stored object of the same id.
            size: (width, height) of the image; None if unknown.

        Raises:
            InputError: it is not stored yet and has no mask, or something about it cannot be.
        """
        if not _ID.fullmatch(self.id):
            raise InputError(f"the id of an object is 1 to 64 letters, digits, - and _, not {self.id[:80]!r}")
        if self.rle is None:
            if before is None:
                raise InputError(f"object {self.id} is not stored yet: send its mask")
            return before
        try:
            height, width = rle_size(self.rle)
            area, box = area_and_box(self.rle)
        except InputError as error:
            raise InputError(f"object {self.id}: {error}") from None
        if size is not None and (width, height) != size:
            raise InputError(f"object {self.id} is for {width}x{height} pixels, the image has {size[0]}x{size[1]}")
        if not isinstance(self.rle["counts"], str):
            raise InputError(f"object {self.id}: its run lengths have to be compressed")
        if self.data is not None and len(json.dumps(self.data)) > _MOST_DATA:
            raise InputError(f"object {self.id}: its data takes up to {_MOST_DATA:,} bytes")
        rle = {"size": [height, width], "counts": self.rle["counts"]}
        is_same = before is not None and before.rle == rle
        stated = dict(before.annotation) if before is not None and before.annotation is not None else None
        if stated is not None and not is_same:
            stated.pop("source_shape", None)
        return StoredObject(
            self.id, self.class_id, rle, area, [int(each) for each in box], self.score, self.stability, self.data,
            self.source, stated, before.disagreement if is_same and before is not None else None,
        )  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class Suggestion:
    """An object that a job found or a box that a file has, and that nobody has accepted.

    Attributes:
        id: unique within the project.
        image: number of its image.
        job: that found it, or "file:" and the name of the file.
        label: the word it was found by; "" without.
        rle, area, box, score: as of a `StoredObject`; of a box without a mask, which a file has, the area is 0.
    """

    id: str
    image: int
    job: str
    label: str
    rle: Mapping[str, Any]
    area: int
    box: list[int]
    score: float | None

    @classmethod
    def of_row(cls, row: sqlite3.Row) -> Suggestion:
        """The suggestion of a row of the table `suggestions`."""
        rle = {"size": [row["height"], row["width"]], "counts": row["counts"]}
        box = json.loads(row["box"])
        return cls(str(row["id"]), row["image"], row["job"], row["label"], rle, row["area"], box, row["score"])

    def as_dict(self, class_id: int | None) -> dict[str, Any]:
        """Plain JSON values; ``class_id`` is that of the class with the name of the label."""
        return {
            "id": self.id, "class": class_id, "label": self.label, "rle": dict(self.rle), "score": self.score,
            "area": self.area, "box": self.box, "job": self.job,
        }  # fmt: skip


def iou_of_runs(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Intersection over union of two masks of one size, as COCO run lengths; they are not decoded."""
    from pycocotools import mask as coco

    return float(coco.iou([dict(one)], [dict(other)], [0])[0, 0])
