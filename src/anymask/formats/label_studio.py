"""Label Studio: the JSON that it exports and imports, a list of tasks with one image each.

Objects are brushes (run lengths), bitmasks (images), and in percent of the image polygons, rectangles and ellipses, the
latter two turned by any angle. They are written as brushes, which hold every shape, or as polygons.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import encode_json, filled, known_scores, label_or_default
from anymask.formats.helpers.brush_rle import decode_brush, encode_brush, fill_runs
from anymask.formats.helpers.curves import ellipse_ring, rectangle_ring
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.label_studio_tasks import (
    TaskRegion,
    annotations_of,
    has_short_tasks,
    image_key_of,
    image_name_of,
    regions_of,
    tasks_of,
)
from anymask.formats.helpers.outlines import (
    TOLERANCE,
    bridge_holes,
    bridge_parts,
    check_tolerance,
    drawn_ring,
    parse_ring,
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
from anymask.io.stored_values import stored_values
from anymask.structures.annotation import Annotation, BoxAnnotation, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


_OWN_DATA = frozenset(("image", "width", "height", "sha256"))
"""What we write into the data of a task."""

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
                _region(mask, masks.size, f"mask_{index}", **_shape_of(mask, polygons, tolerance))
                for index, mask in enumerate(iter_bounded(masks))
                if mask.area or not polygons or drawn_ring(mask, within=mask.size) is not None
            ]
            for index, box in enumerate(masks.box_annotations):
                regions.append(_region(box, masks.size, f"box_{index}", **_rectangle_of(box, masks.size)))
            about = {"model_version": masks.provenance.model} if predictions and masks.provenance.model else {}
            task = {
                "id": count + 1,
                "data": _data_of(masks, names.name(record), bool(regions)),
                "predictions" if predictions else "annotations": [{**about, "result": regions}],
            }
            file.write((b",\n" if count else b"\n") + encode_json(task))
            if check is not None:
                check(masks, _only_set(task, record))
        file.write(b"\n]\n")
    return [path]


def _data_of(masks: MaskSet, name: str, has_regions: bool) -> dict[str, Any]:
    """The data of a task: as Label Studio had it, or the image's name; its size, which regions state, only without."""
    record = masks.record
    size = {"width": record.width, "height": record.height}
    if masks.dataset is not None and masks.dataset.format == "label-studio":
        stated = record.extra.get("data")
        if isinstance(stated, dict) and record.path in [image_name_of(each, 0) for each in stated.values()]:
            return {**stated, **({} if has_regions else size)}
    return {"image": name, **size, **({"sha256": record.sha256} if record.sha256 else {})}


def _shape_of(mask: Mask, polygons: bool, tolerance: float) -> dict[str, Any]:
    """The tool that draws a mask, and what it drew; what Label Studio has drawn stays as it is."""
    if mask.source_shape is not None and mask.source_shape.format == "label-studio" and not tolerance:
        drawn = dict(mask.source_shape.fields)
        if not polygons or drawn["tool"] not in ("brush", "bitmask"):
            return drawn
    tool = "polygon" if polygons else "brush"
    return {"tool": tool, "value": _polygon_value(mask, tolerance) if polygons else _brush_value(mask)}


def _rectangle_of(box: BoxAnnotation, size: tuple[int, int]) -> dict[str, Any]:
    """The rectangle of an object without a mask, as Label Studio had it, or in percent of the image."""
    if box.source_shape is not None and box.source_shape.format == "label-studio":
        return dict(box.source_shape.fields)
    corners = (np.reshape(box.box, (2, 2)) / size * 100).round(12)
    (x, y), (width, height) = corners[0].tolist(), (corners[1] - corners[0]).tolist()
    return {"tool": "rectangle", "value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0}}


def _region(
    each: Mask | BoxAnnotation,
    size: tuple[int, int],
    id: str,
    tool: str,
    value: dict[str, Any],
    from_name: str | None = None,
    to_name: str = "image",
) -> dict[str, Any]:
    return {
        "id": id,
        "type": f"{tool}labels",
        "from_name": from_name or tool,
        "to_name": to_name,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**value, f"{tool}labels": [label_or_default(each)]},
        **{name: value for name, value in known_scores(each).items() if name == "score"},
        **({"meta": dict(each.annotation.attributes)} if each.annotation.attributes else {}),
    }


def _brush_value(mask: Mask) -> dict[str, Any]:
    return {"format": "rle", "rle": encode_brush(mask.array)}


def _polygon_value(mask: Mask, tolerance: float) -> dict[str, Any]:
    drawn = None if tolerance else drawn_ring(mask, within=mask.size)
    if drawn is not None:
        return {"points": (drawn / mask.size * 100).round(12).tolist(), "closed": True}
    ring = bridge_parts([bridge_holes(part) for part in parts_of(mask, tolerance)])
    # Eight digits place a corner to a thousandth of a pixel even in an image 100,000 pixels wide.
    return {"points": (ring / mask.size * 100).round(8).tolist(), "closed": True}


def _only_set(task: dict[str, Any], record: ImageRecord) -> MaskSet:
    (masks,) = _read_task(task, "")
    return masks.replace(image=record)


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
        tasks = tasks_of(json.loads(path.read_bytes()))
    for count, task in enumerate(tasks):
        where = f"{path}, task {task.get('id', count) if isinstance(task, dict) else count}"
        try:
            with reading(path, "Label Studio tasks"):
                sets = list(_read_task(finite_json(as_object(task, "task")), where))
        except InputError as error:
            skip("broken task", where, error)
            continue
        yield from sets


def _read_task(task: dict[str, Any], where: str) -> Iterator[MaskSet]:
    """The masks of each image of a task; most have one."""
    data = as_object(task.get("data", {}), "data")
    regions: dict[tuple[str, int], list[TaskRegion]] = {}
    for number, annotation in enumerate(annotations_of(task, where)):
        for region in regions_of(as_list(annotation.get("result") or [], "result"), number):
            if region.shape is None:
                skip(region.kinds[0], where, "it belongs to no area")
            else:
                regions.setdefault(image_key_of(region.shape, data), []).append(region)
    if not regions:
        regions[image_key_of({}, data)] = []
    for (key, index), group in regions.items():
        name = image_name_of(data.get(key), index)
        size = _size_of(group, data)
        if size is None:
            skip("image without size", where, f"the size of {name or 'its image'} is not stated")
            continue
        one = {**data, key: data[key][index]} if isinstance(data.get(key), list) and name else data
        extra = {} if data.keys() <= _OWN_DATA and data.get("image") == name else {"data": one}
        record = image_record(name, size, data.get("sha256"), extra=extra)
        objects = list(_objects_of(group, size, where))
        yield MaskSet(
            [each for each in objects if isinstance(each, Mask)],
            image=record,
            box_annotations=[each for each in objects if isinstance(each, BoxAnnotation)],
            dataset=DatasetRecord("label-studio"),
        )


def _size_of(group: list[TaskRegion], data: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) as regions say, else as we write it; None if it is nowhere."""
    for each in [region.shape or {} for region in group]:
        if each.get("original_width") is not None:
            return image_size(each["original_width"], each.get("original_height"))
    if isinstance(data.get("width"), int) and isinstance(data.get("height"), int):
        return image_size(data["width"], data["height"])
    return None


def _objects_of(group: list[TaskRegion], size: tuple[int, int], where: str) -> Iterator[Mask | BoxAnnotation]:
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
            }
            yield _object_of(tool, value, size, about, _drawn(kind, value, shape))
        except (InputError, TypeError, ValueError, LookupError) as error:
            skip(f"broken {kind}", where, error)


def _drawn(kind: str, value: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """What is written again of a region; the names of its controls only if one of them has the labels, too."""
    names = {name: shape[name] for name in ("from_name", "to_name") if isinstance(shape.get(name), str)}
    geometry = {name: each for name, each in value.items() if not name.endswith("labels")}
    return {"tool": kind.removesuffix("labels"), "value": geometry, **(names if kind.endswith("labels") else {})}


def _attributes_of(region: TaskRegion, shape: Mapping[str, Any]) -> dict[str, Any]:
    """What other controls and people say of a region, and the labels after its first one."""
    meta = shape.get("meta")
    return {
        **(filled(meta, ()) if isinstance(meta, dict) else {}),
        **region.attributes,
        **({"more_labels": region.labels[1:]} if len(region.labels) > 1 else {}),
    }


def _object_of(
    tool: str, value: Mapping[str, Any], size: tuple[int, int], about: dict[str, Any], drawn: dict[str, Any]
) -> Mask | BoxAnnotation:
    """The object of one region, whose coordinates are percent of the image; an upright rectangle is no mask.

    Args:
        tool: that drew it.
        value: its shape.
        size: (width, height) of the image.
        about: what else is known of the object.
        drawn: what is written again.
    """
    rings: tuple[tuple[float, ...], ...] = ()
    if tool == "polygon":
        points = np.asarray(value["points"], np.float64) / 100 * size
        rings = (tuple(points.round(6).reshape(-1).tolist()),)
    about["source_shape"] = SourceShape("label-studio", drawn, rings)
    if tool == "brush":
        return Mask(partial(fill_runs, decode_brush(value["rle"], size), size), size, **about)
    if tool == "bitmask":
        return _bitmask(value.get("imageDataURL"), size, about)
    if tool == "polygon":
        return polygon_mask([points], size, **about)
    width, height = size

    def pair(x: str, y: str) -> tuple[float, float]:
        return float(value[x]) / 100 * width, float(value[y]) / 100 * height

    turned = float(value.get("rotation") or 0)
    if not math.isfinite(turned):
        raise InputError(f"rotation is {turned}")
    if tool == "ellipse":
        return polygon_mask([ellipse_ring(pair("x", "y"), pair("radiusX", "radiusY"), turned)], size, **about)
    corners = rectangle_ring(pair("x", "y"), pair("width", "height"), turned)
    if turned:
        return polygon_mask([corners], size, **about)
    corners = parse_ring(corners, size)
    (x0, y0), (x1, y1) = corners.min(axis=0).round(6).tolist(), corners.max(axis=0).round(6).tolist()
    if not (x0 < x1 and y0 < y1):
        raise InputError(f"its width is {x1 - x0:g} and its height {y1 - y0:g}")
    return BoxAnnotation((x0, y0, x1, y1), **about)


def _bitmask(address: Any, size: tuple[int, int], about: dict[str, Any]) -> Mask:
    """The mask of a PNG in a `data:` address: what is not transparent, as the editor draws it, or else not black."""
    head, comma, text = address.partition(",") if isinstance(address, str) else ("", "", "")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise InputError("its imageDataURL is not data:image/png;base64,…")
    stored = stored_values(base64.b64decode(text, validate=True), size[0] * size[1])
    if stored.size != size:
        raise InputError(f"its bitmask has the size {stored.size}, its image {size}")
    inside = stored.values.reshape(*size[::-1], -1).any(axis=2) if stored.alpha is None else stored.alpha > 0
    return Mask.from_rle(Mask.from_array(inside).rle, **about)  # the pixels of many would fill the memory


FORMAT = Format(
    name="label-studio",
    title="Label Studio (JSON)",
    summary="Label Studio tasks: brushes as run lengths, or polygons, holes and parts joined by bridges",
    holds=Holds(empty_masks=True, scores=("confidence",), attributes=True, boxes=True, further_fields="its own"),
    suffix=".json",
    media_type="application/json",
    options=(
        FormatOption(
            name="polygons", flag="--polygons", value=True, help="Polygons instead of run lengths.",
            holds=Holds(
                holes="bridged", parts="bridged", scores=("confidence",), vertices="of one polygon within the image",
                attributes=True, boxes=True, further_fields="its own",
            ),
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
        matches=has_short_tasks,
    ),
    menu_position=35,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)  # fmt: skip
