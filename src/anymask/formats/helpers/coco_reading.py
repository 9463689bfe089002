"""Reading COCO's annotations as tools write them: datasets and lists of results, objects with masks and with boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymask.errors import InputError
from anymask.formats.helpers.outlines import filled_as_coco, parse_ring
from anymask.formats.helpers.validation import (
    MAX_MASK_PIXELS,
    as_list,
    as_object,
    image_record,
    image_size,
    known_number,
    reading,
)
from anymask.formats.skipped import skip
from anymask.io.decoding import displayed_size
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord, Id, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.provenance import ImageRecord

SHAPE_FIELDS = ("segmentation", "bbox", "area")
"""What an annotation states about its shape."""
_KNOWN = frozenset((*SHAPE_FIELDS, "id", "image_id", "category_id", "iscrowd", "score", "predicted_iou",
                    "stability_score", "attributes"))  # fmt: skip
_KNOWN_OF_IMAGES = frozenset(("id", "file_name", "width", "height", "sha256"))
_KNOWN_OF_FILES = frozenset(("images", "annotations", "categories"))


@dataclass(frozen=True)
class CocoIndex:
    """A COCO file with its annotations sorted by image; all entries are as they stand in the file.

    Attributes:
        path: of the file.
        categories: id → name.
        images: the entries of `images`, in their order; of a list of results one for each `image_id`.
        annotations: id of an image → its entries of `annotations`, in their order.
        dataset: classes and further fields of the file.
    """

    path: Path
    categories: dict[Any, str]
    images: list[dict[str, Any]]
    annotations: dict[Any, list[dict[str, Any]]]
    dataset: DatasetRecord = field(default_factory=DatasetRecord)


def lists_images(path: Path) -> bool:
    """Whether a file has COCO's images and classes and no annotations, as those of images without labels have."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "categories"} <= content.keys()


def load_index(path: Path) -> CocoIndex:
    """Load a COCO file; masks are not decoded. Entries that belong to nothing are skipped.

    Raises:
        InputError: not such a file.
    """
    with reading(path, "COCO"):
        content = json.loads(path.read_bytes(), parse_constant=lambda _: None)  # NaN, which is no JSON
        if isinstance(content, list):
            return _index_of_results(content, path)
        content = as_object(content, "the whole")
        categories = list(_categories(content.get("categories") or [], path))
        images = dict(_images(as_list(content["images"], "images"), path))
        annotations: dict[Any, list[dict[str, Any]]] = {id: [] for id in images}
        spelled = {str(id): id for id in images}
        for place, entry in enumerate(as_list(content.get("annotations") or [], "annotations")):
            where = f"{path}, annotation {place}"
            if not isinstance(entry, dict) or "image_id" not in entry:
                skip("broken annotation", where, "it has no 'image_id'")
                continue
            image = _id(entry["image_id"])
            image = image if image in annotations else spelled.get(str(image))
            if image is None:
                skip("annotation without image", where, f"image {entry['image_id']!r:.60} is not in 'images'")
            else:
                annotations[image].append(entry)
    extra = {name: value for name, value in content.items() if name not in _KNOWN_OF_FILES}
    names = {each.id: each.name for each in categories}
    return CocoIndex(path, names, list(images.values()), annotations, DatasetRecord("coco", tuple(categories), extra))


def _index_of_results(entries: list[Any], path: Path) -> CocoIndex:
    """The index of a list of results, which states neither images nor categories."""
    annotations: dict[Any, list[dict[str, Any]]] = {}
    for place, entry in enumerate(entries):
        image = _id(entry.get("image_id")) if isinstance(entry, dict) else None
        if image is None:
            skip("broken annotation", f"{path}, annotation {place}", "it has no 'image_id'")
        else:
            annotations.setdefault(image, []).append(entry)
    if not annotations:
        raise InputError("it is a list, and no entry has an 'image_id'")
    images = [{"id": id, "file_name": str(id)} for id in annotations]
    return CocoIndex(path, {}, images, annotations, DatasetRecord("coco"))


def _categories(entries: Any, path: Path) -> Iterator[Category]:
    for place, entry in enumerate(as_list(entries, "categories")):
        id = _id(entry.get("id")) if isinstance(entry, dict) else None
        if id is None or "name" not in entry:
            skip("broken category", f"{path}, category {place}", "it needs 'id' and 'name'")
        else:
            extra = {name: value for name, value in entry.items() if name not in ("id", "name")}
            yield Category(str(entry["name"]), id, extra)


def _images(entries: list[Any], path: Path) -> Iterator[tuple[Id, dict[str, Any]]]:
    """The images that have an id, each id once."""
    taken = set()
    for place, entry in enumerate(entries):
        id = _id(entry.get("id")) if isinstance(entry, dict) else None
        if id is None:
            skip("broken image", f"{path}, image {place}", "it has no 'id'")
        elif id in taken:
            skip("image twice", f"{path}, image {place}", f"an earlier image has the id {id!r:.60}")
        else:
            taken.add(id)
            yield id, entry


def _id(value: Any) -> Id | None:
    """An id from a file; None for what cannot be one."""
    if isinstance(value, float) and value == value // 1 and abs(value) < 2**53:
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def read_record(entry: Mapping[str, Any], index: CocoIndex) -> ImageRecord:
    """The record of an image; a missing size is taken from its run lengths, or from the image itself.

    Raises:
        InputError: a damaged entry, or no size anywhere.
    """
    width, height = entry.get("width"), entry.get("height")
    if width is None or height is None:
        width, height = _size_of_runs(index.annotations[_id(entry["id"])]) or _size_of_image(entry, index.path)
    extra = {name: value for name, value in entry.items() if name not in _KNOWN_OF_IMAGES}
    return image_record(
        entry.get("file_name"), image_size(width, height), entry.get("sha256"), id=_id(entry["id"]), extra=extra
    )


def _size_of_runs(entries: list[dict[str, Any]]) -> tuple[Any, Any] | None:
    for entry in entries:
        shape = entry.get("segmentation")
        size = shape.get("size") if isinstance(shape, dict) else None
        if isinstance(size, list) and len(size) == 2:
            return size[1], size[0]
    return None


def _size_of_image(entry: Mapping[str, Any], path: Path) -> tuple[int, int]:
    name = str(entry.get("file_name") or "").replace("\\", "/")
    for file in (path.parent / name, path.parent / "images" / name) if name and "\0" not in name else ():
        if file.is_file():
            with file.open("rb") as stream:
                return displayed_size(stream, MAX_MASK_PIXELS)
    raise InputError("its size is not stated, and the image is not beside the file")


def read_object(entry: Mapping[str, Any], size: tuple[int, int], labels: Mapping[Any, str]) -> Mask | BoxAnnotation:
    """An object with its mask; without a mask, or with a damaged one, with its box.

    Polygons are filled as pycocotools fills them. One of 4 numbers is x, y, width, height of a box, as pycocotools has
    it.

    Raises:
        InputError: neither a mask nor a box, or a damaged mask.
    """
    category = _id(entry.get("category_id"))
    scores: dict[str, Any] = {
        "label": labels.get(category, None if category is None else str(category)),
        "score": known_number(entry.get("score", entry.get("predicted_iou"))),
    }
    annotation = _read_annotation(entry, category)
    shape = entry.get("segmentation")
    is_box = isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], list) and len(shape[0]) == 4
    if not shape or is_box:
        box = _read_box(entry.get("bbox", shape[0] if shape and is_box else None))
        return BoxAnnotation(box, **scores, annotation=annotation, source_shape=_source_shape(entry))
    stability = known_number(entry.get("stability_score"))
    about: dict[str, Any] = {**scores, "stability": stability, "annotation": annotation}
    if isinstance(shape, dict):
        if list(shape.get("size", ())) != [size[1], size[0]]:
            raise InputError(f"its mask has the size {shape.get('size')}, its image {size}")
        return Mask.from_rle(shape, **about, source_shape=_source_shape(entry))
    rings = [parse_ring(ring, size) for ring in _rings(shape)]
    flat = tuple(tuple(ring.reshape(-1).tolist()) for ring in rings)
    mask, is_exact = filled_as_coco(rings, size)
    return mask.replace(**about, source_shape=_source_shape(entry, flat if is_exact else ()))


def box_instead(entry: Mapping[str, Any], labels: Mapping[Any, str]) -> BoxAnnotation | None:
    """The box of an object whose mask is damaged; None if it has no box either."""
    try:
        found = read_object({**entry, "segmentation": []}, (1, 1), labels)
    except InputError:
        return None
    assert isinstance(found, BoxAnnotation)
    return found


def _rings(shape: Any) -> list[Any]:
    """The polygons of an annotation; one alone may lie in no list of its own."""
    rings = as_list(shape, "segmentation")
    if not isinstance(rings[0], list):
        rings = [rings]
    rings = [ring for ring in rings if ring]
    areas = [ring for ring in rings if len(ring) >= 6 or isinstance(ring[0], list)]
    if not areas:
        raise InputError("its polygon has fewer than three corners")
    return areas  # of lines pycocotools fills nothing


def _read_box(value: Any) -> tuple[float, float, float, float]:
    """(x_min, y_min, x_max, y_max) of COCO's x, y, width, height."""
    if not isinstance(value, list) or len(value) != 4 or any(known_number(each) is None for each in value):
        raise InputError("it has neither a mask nor a box of four numbers")
    x, y, width, height = map(float, value)
    if not (width > 0 and height > 0):
        raise InputError(f"its box has a width of {width:g} and a height of {height:g}")
    return x, y, x + width, y + height


def _source_shape(entry: Mapping[str, Any], rings: tuple[tuple[float, ...], ...] = ()) -> SourceShape:
    return SourceShape("coco", {name: entry[name] for name in SHAPE_FIELDS if name in entry}, rings, "coco")


def _read_annotation(entry: Mapping[str, Any], category: Id | None) -> Annotation:
    """All but shape, label and scores; CVAT and datumaro write what COCO has no field for as attributes."""
    given = entry.get("attributes")
    attributes = given if isinstance(given, dict) else {}
    z_order, group, source = (attributes.get(name) for name in ("z_order", "group_id", "source"))
    extra = {name: value for name, value in entry.items() if name not in _KNOWN}
    if given is not None and not isinstance(given, dict):
        extra["attributes"] = given
    return Annotation(
        id=_id(entry.get("id")),
        category_id=category,
        crowd=entry.get("iscrowd") in (1, True, "1"),
        occluded=attributes.get("occluded") in (1, True),
        z_order=z_order if isinstance(z_order, int) else 0,
        group_id=group if isinstance(group, int) else None,
        source=source if isinstance(source, str) else None,
        attributes=attributes,
        extra=extra,
    )
