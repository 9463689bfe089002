"""What an annotation file states besides masks: ids, attributes, boxes without a mask, outlines as they were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Id = int | str


@dataclass(frozen=True)
class Annotation:
    """What a file states about an object besides its shape, its label and its scores.

    Attributes:
        id: of the annotation, unique within its dataset; None if it has none.
        category_id: number of the label in the file; None if labels have no numbers.
        crowd: whether the mask is of a group whose members are not told apart (COCO's `iscrowd`).
        occluded: whether something hides a part of the object.
        z_order: objects of a higher one lie on top.
        group_id: objects of one group have the same; None without a group.
        source: who drew it, such as "manual" or "auto"; None if unknown.
        attributes: name → value, as JSON values.
        extra: further fields of the file, which other formats do not know.
    """

    id: Id | None = None
    category_id: Id | None = None
    crowd: bool = False
    occluded: bool = False
    z_order: int = 0
    group_id: int | None = None
    source: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; fields that state nothing are left out."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(_BLANK, name)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Annotation:
        """Read `as_dict` back; unknown fields are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})


_BLANK = Annotation()


@dataclass(frozen=True)
class SourceShape:
    """The shape of an object as its file has it, for as long as nobody changes the mask.

    Attributes:
        format: name of the file's format, which writes `fields` again as they are.
        fields: of that format, such as COCO's `segmentation`, `bbox` and `area`.
        rings: polygons without holes, each a flat tuple x, y, x, y … in pixels, whose union is the mask; empty if the
            shape is anything else.
        fill: which pixels of the rings are inside: "coco" as pycocotools fills them, "" in another way.
    """

    format: str
    fields: Mapping[str, Any]
    rings: tuple[tuple[float, ...], ...] = ()
    fill: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rings = {"rings": [list(ring) for ring in self.rings], "fill": self.fill} if self.rings else {}
        return {"format": self.format, "fields": dict(self.fields), **rings}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SourceShape:
        """Read `as_dict` back."""
        rings = tuple(tuple(map(float, ring)) for ring in content.get("rings", ()))
        return cls(str(content["format"]), dict(content["fields"]), rings, str(content.get("fill", "")))


@dataclass(frozen=True)
class BoxAnnotation:
    """An object of which a file has a box and no mask.

    Attributes:
        box: (x_min, y_min, x_max, y_max) in pixel edges, maxima exclusive.
        label: name of the object; None if it has none.
        score: confidence of what found the object; None if unknown.
        annotation: what else the file states.
        source_shape: the box as the file has it; None if it comes from no file.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    score: float | None = None
    annotation: Annotation = field(default_factory=Annotation)
    source_shape: SourceShape | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        about: dict[str, Any] = {"box": list(self.box), "label": self.label, "score": self.score}
        about |= {"annotation": self.annotation.as_dict()} if self.annotation != _BLANK else {}
        return about | ({"source_shape": self.source_shape.as_dict()} if self.source_shape else {})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> BoxAnnotation:
        """Read `as_dict` back; ValueError for a box that is not four numbers."""
        x0, y0, x1, y1 = map(float, content["box"])
        label, score, source_shape = content.get("label"), content.get("score"), content.get("source_shape")
        return cls(
            (x0, y0, x1, y1),
            None if label is None else str(label),
            None if score is None else float(score),
            Annotation.from_dict(content.get("annotation", {})),
            None if source_shape is None else SourceShape.from_dict(source_shape),
        )


@dataclass(frozen=True)
class Category:
    """A class of a dataset.

    Attributes:
        name: the label of its objects.
        id: its number; None if classes have no numbers.
        extra: further fields of the file, such as COCO's `supercategory`.
    """

    name: str
    id: Id | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetRecord:
    """What a file states about a whole dataset; one record is shared by all of its images.

    Attributes:
        format: name of the file's format.
        categories: all classes in their order, also those without objects.
        extra: further fields of the file, such as COCO's `info` and `licenses`.
    """

    format: str = ""
    categories: tuple[Category, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        categories = [{"name": each.name, "id": each.id, "extra": dict(each.extra)} for each in self.categories]
        return {"format": self.format, "categories": categories, "extra": dict(self.extra)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DatasetRecord:
        """Read `as_dict` back."""
        categories = (Category(str(each["name"]), each["id"], each["extra"]) for each in content["categories"])
        return cls(str(content["format"]), tuple(categories), dict(content["extra"]))
