"""Label Studio: the JSON that it exports and imports, a list of tasks with one image each.

Objects are brushes (run lengths), polygons, rectangles and ellipses, in percent of the image, the latter two turned by
any angle. They are written as brushes, which hold every shape, or as polygons.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import encode_json, filled, known_scores, label_or_default
from anymask.formats.helpers.brush_rle import decode_brush, encode_brush, fill_runs
from anymask.formats.helpers.curves import ellipse_ring, rectangle_ring
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.outlines import (
    TOLERANCE,
    bridge_holes,
    bridge_parts,
    check_tolerance,
    parts_of,
    polygon_mask,
)
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    finite_json,
    image_record,
    image_size,
    known_number,
    only_image,
    reading,
    with_image,
)
from anymask.formats.skipped import skip
from anymask.io.atomic import write_stream
from anymask.structures.annotation import Annotation, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

_AREA_KINDS = ("brush", "polygon", "rectangle", "ellipse")
"""Types of regions that are an area; with labels of their own they end in "labels"."""


# ---------------------------------------------------------------- writing


def write(
    masks: MaskSet, path: Path, *, polygons: bool = False, tolerance: float = 0, predictions: bool = False
) -> list[Path]:
    """Write one image; see `write_dataset`."""
    return write_dataset([masks], path, polygons=polygons, tolerance=tolerance, predictions=predictions)


def write_dataset(
    sets: Iterable[MaskSet],
    path: Path,
    *,
    check: RoundTripCheck | None = None,
    polygons: bool = False,
    tolerance: float = 0,
    predictions: bool = False,
) -> list[Path]:
    """Write many images, one in memory at a time, as tasks to import.

    The labelling configuration of the project needs `<Image name="image" value="$image"/>` and, with
    `toName="image"`, `<BrushLabels name="brush">` or `<PolygonLabels name="polygon">` with the labels.

    Args:
        sets: one per image.
        path: of the JSON.
        check: called for each image with its masks as they were and as they read from the file.
        polygons: polygons instead of brushes; holes and parts are joined by bridges, and empty masks left out.
        tolerance: how far polygons may leave the pixels' edges, in pixels.
        predictions: predictions, which people confirm, instead of annotations.

    Raises:
        InputError: a path that cannot be written, or two images of one name.
    """
    check_tolerance(tolerance)
    if tolerance and not polygons:
        raise InputError("a tolerance is for polygons; run lengths are exact")
    names = ImageNames()
    with write_stream(path) as file:
        file.write(b"[")
        for count, masks in enumerate(sets):
            record = masks.record
            regions = [
                _region(mask, index, *_shape_of(mask, polygons, tolerance))
                for index, mask in enumerate(iter_bounded(masks))
                if mask.area or not polygons
            ]
            about = {"model_version": masks.provenance.model} if predictions and masks.provenance.model else {}
            data = {"image": names.name(record), "width": record.width, "height": record.height}
            task = {
                "id": count + 1,
                "data": {**data, **({"sha256": record.sha256} if record.sha256 else {})},
                "predictions" if predictions else "annotations": [{**about, "result": regions}],
            }
            file.write((b",\n" if count else b"\n") + encode_json(task))
            if check is not None:
                check(masks, _only_set(task, record))
        file.write(b"\n]\n")
    return [path]


def _shape_of(mask: Mask, polygons: bool, tolerance: float) -> tuple[str, dict[str, Any]]:
    """The tool that draws a mask, and what it drew; what Label Studio has drawn stays as it is."""
    if mask.source_shape is not None and mask.source_shape.format == "label-studio" and not tolerance:
        tool, value = mask.source_shape.fields["tool"], mask.source_shape.fields["value"]
        if not polygons or tool != "brush":
            return tool, value
    return ("polygon", _polygon_value(mask, tolerance)) if polygons else ("brush", _brush_value(mask))


def _region(mask: Mask, index: int, tool: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"mask_{index}",
        "type": f"{tool}labels",
        "from_name": tool,
        "to_name": "image",
        "original_width": mask.size[0],
        "original_height": mask.size[1],
        "image_rotation": 0,
        "value": {**value, f"{tool}labels": [label_or_default(mask)]},
        **{name: value for name, value in known_scores(mask).items() if name == "score"},
        **({"meta": dict(mask.annotation.attributes)} if mask.annotation.attributes else {}),
    }


def _brush_value(mask: Mask) -> dict[str, Any]:
    return {"format": "rle", "rle": encode_brush(mask.array)}


def _polygon_value(mask: Mask, tolerance: float) -> dict[str, Any]:
    ring = bridge_parts([bridge_holes(part) for part in parts_of(mask, tolerance)])
    # Eight digits place a corner to a thousandth of a pixel even in an image 100,000 pixels wide.
    return {"points": (ring / mask.size * 100).round(8).tolist(), "closed": True}


def _only_set(task: dict[str, Any], record: ImageRecord) -> MaskSet:
    (masks,) = _read_task(task, "")
    return MaskSet(masks, image=record)


# ---------------------------------------------------------------- reading


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a file of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image: of its annotations all that were not cancelled, or its predictions if there is none.

    Raises:
        InputError: not such a file, or a damaged one.
    """
    with reading(path, "Label Studio tasks"):
        tasks = _tasks_of(json.loads(path.read_bytes()))
    for count, task in enumerate(tasks):
        where = f"{path}, task {task.get('id', count) if isinstance(task, dict) else count}"
        try:
            with reading(path, "Label Studio tasks"):
                sets = list(_read_task(finite_json(as_object(task, "task")), where))
        except InputError as error:
            skip("broken task", where, error)
            continue
        yield from sets


def _tasks_of(content: Any) -> list[Any]:
    """The tasks of an export: a list, one task, or one annotation with its task, as cloud storages get it."""
    if isinstance(content, dict):
        task = content.get("task")
        if isinstance(task, dict) and "result" in content:
            return [{**task, "annotations": [content]}]
        return [content]
    return as_list(content, "the file")


@dataclass
class _Region:
    """What the entries of one id say about an object."""

    shape: dict[str, Any] | None = None
    labels: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)


def _read_task(task: dict[str, Any], where: str) -> Iterator[MaskSet]:
    """The masks of each image of a task; most have one."""
    data = as_object(task.get("data", {}), "data")
    regions: dict[tuple[str, int], list[_Region]] = {}
    for number, annotation in enumerate(_annotations_of(task, where)):
        for region in _regions_of(as_list(annotation.get("result") or [], "result"), number):
            if region.shape is None:
                skip(region.kinds[0], where, "it belongs to no area")
            else:
                regions.setdefault(_image_of(region.shape, data), []).append(region)
    if not regions:
        regions[_image_of({}, data)] = []
    for (key, index), group in regions.items():
        name = _image_name(data.get(key), index)
        size = _size_of(group, data)
        if size is None:
            skip("image without size", where, f"nothing tells the size of {name or 'its image'}")
            continue
        sha256 = data.get("sha256")
        yield MaskSet(list(_masks_of(group, size, where)), image=image_record(name, size, sha256))


def _annotations_of(task: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The annotations to read, as `read_dataset` says; "completions" is what they were called before 1.0."""
    found = [as_object(each, "annotation") for each in task.get("annotations") or task.get("completions") or ()]
    predictions = [as_object(each, "prediction") for each in task.get("predictions") or () if isinstance(each, dict)]
    kept = [each for each in found if not (each.get("was_cancelled") or each.get("skipped"))]
    for _ in range(len(found) - len(kept)):
        skip("cancelled annotation", where, "its author skipped the task")
    if kept:
        for _ in predictions:
            skip("prediction", where, "the task has an annotation")
        return kept
    return predictions


def _regions_of(result: list[Any], number: int) -> list[_Region]:
    """The objects of an annotation: with labels in a control of their own, two entries of one id are one object."""
    regions: dict[Any, _Region] = {}
    for place, item in enumerate(result):
        entry = as_object(item, "result")
        kind, id = str(entry.get("type")), entry.get("id")
        key = (number, id) if isinstance(id, str | int) else (number, place, None)
        region = regions.setdefault(key, _Region())
        region.kinds.append(kind)
        value = entry.get("value")
        value = value if isinstance(value, dict) else {}
        if kind.removesuffix("labels") in _AREA_KINDS and region.shape is None:
            region.shape = entry
        given = value.get(kind, value.get("text"))
        if kind.endswith("labels"):
            region.labels += [str(each) for each in given] if isinstance(given, list) else []
        elif kind not in _AREA_KINDS and given is not None:
            region.attributes[str(entry.get("from_name") or kind)] = given
    return list(regions.values())


def _image_of(shape: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, int]:
    """The key of an image in a task's data, and its place where that is a list of images."""
    index = shape.get("item_index")
    names = (shape.get("to_name"), "image", *data)
    key = next((name for name in names if isinstance(name, str) and isinstance(data.get(name), str | list)), "image")
    return key, index if isinstance(index, int) and not isinstance(index, bool) else 0


def _image_name(value: Any, index: int) -> str | None:
    """The name of an image that Label Studio loads from an address: its path on the disk, in the bucket or on the site.

    What was uploaded to Label Studio lies in a folder of numbers there, which is no part of the name.
    """
    if isinstance(value, list):
        value = value[index] if -len(value) <= index < len(value) else None
    if not isinstance(value, str) or value.startswith("data:"):
        return None
    address = urlsplit(value) if "://" in value or value.startswith("/data/") else None
    if address is None:
        return value or None
    if address.path.rstrip("/").endswith("/data/local-files"):
        return (parse_qs(address.query).get("d") or [""])[0].lstrip("/") or None
    path = unquote(address.path).lstrip("/")
    return re.sub(r"^data/upload/(\d+/)?", "", path) or None


def _size_of(group: list[_Region], data: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) as regions say, else as we write it; None if it is nowhere."""
    for each in [region.shape or {} for region in group]:
        if each.get("original_width") is not None:
            return image_size(each["original_width"], each.get("original_height"))
    if isinstance(data.get("width"), int) and isinstance(data.get("height"), int):
        return image_size(data["width"], data["height"])
    return None


def _masks_of(group: list[_Region], size: tuple[int, int], where: str) -> Iterator[Mask]:
    for region in group:
        shape = region.shape
        assert shape is not None
        kind = str(shape["type"])
        try:
            if shape.get("image_rotation"):
                raise InputError(f"it was drawn on the image turned by {shape['image_rotation']} degrees")
            if shape.get("original_width") is not None:
                stated = image_size(shape["original_width"], shape.get("original_height"))
                if stated != size:
                    raise InputError(f"it is for an image of {stated}, others for {size}")
            tool, value = kind.removesuffix("labels"), as_object(shape.get("value"), "value")
            about = {
                "label": region.labels[0] if region.labels else None,
                "score": known_number(shape.get("score")),
                "annotation": Annotation(attributes=_attributes_of(region, shape)),
                "source_shape": SourceShape("label-studio", {"tool": tool, "value": _without_labels(value)}),
            }
            yield _mask_of(tool, value, size, about)
        except (InputError, TypeError, ValueError, LookupError) as error:
            skip(f"broken {kind}", where, error)


def _without_labels(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if not name.endswith("labels")}


def _attributes_of(region: _Region, shape: Mapping[str, Any]) -> dict[str, Any]:
    """What other controls and people say of a region, and the labels after its first one."""
    meta = shape.get("meta")
    return {
        **(filled(meta, ()) if isinstance(meta, dict) else {}),
        **region.attributes,
        **({"more_labels": region.labels[1:]} if len(region.labels) > 1 else {}),
    }


def _mask_of(tool: str, value: Mapping[str, Any], size: tuple[int, int], about: dict[str, Any]) -> Mask:
    """The mask of one region, whose coordinates are percent of the image's width and height."""
    if tool == "brush":
        return Mask(partial(fill_runs, decode_brush(value["rle"], size), size), size, **about)
    if tool == "polygon":
        return polygon_mask([np.asarray(value["points"], np.float64) / 100 * size], size, **about)
    width, height = size

    def pair(x: str, y: str) -> tuple[float, float]:
        return float(value[x]) / 100 * width, float(value[y]) / 100 * height

    turned = float(value.get("rotation") or 0)
    if not math.isfinite(turned):
        raise InputError(f"rotation is {turned}")
    if tool == "ellipse":
        return polygon_mask([ellipse_ring(pair("x", "y"), pair("radiusX", "radiusY"), turned)], size, **about)
    return polygon_mask([rectangle_ring(pair("x", "y"), pair("width", "height"), turned)], size, **about)


FORMAT = Format(
    name="label-studio",
    title="Label Studio (JSON)",
    summary="Label Studio tasks: brushes as run lengths, or polygons, holes and parts joined by bridges",
    holds=Holds(empty_masks=True, scores=("score",), attributes=True),
    suffix=".json",
    media_type="application/json",
    options=(
        FormatOption(
            name="polygons", flag="--polygons", value=True, help="Polygons instead of run lengths.",
            holds=Holds(holes="bridged", parts="bridged", scores=("score",), attributes=True),
        ),
        TOLERANCE,
        FormatOption(
            name="predictions", flag="--predictions", value=True, help="Predictions to confirm, not annotations."
        ),
    ),
    signature=Signature(
        extensions=(".json",),
        json_keys=frozenset({"data", "annotations"}),
        item_keys=frozenset({"data"}),
    ),
    menu_position=35,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)  # fmt: skip
