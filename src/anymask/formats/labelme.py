"""LabelMe: one JSON per image, a polygon per part, or exact mask shapes.

LabelMe paints the pixels below an outline, too, so polygons go through the centres of an object's outermost pixels.
Holes are joined to their outline by bridges, and the parts of one object share a `group_id`. With `shapes="mask"`
objects are written as LabelMe's own mask shapes (since its version 5.3).
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, Signature
from anymask.formats.helpers.annotations import encode_json, filled, known_scores, label_or_default
from anymask.formats.helpers.outlines import TOLERANCE, bridge_holes, centre_parts_of, check_tolerance, parse_ring
from anymask.formats.helpers.validation import (
    MAX_MASK_PIXELS,
    as_list,
    finite_json,
    image_size,
    known_number,
    load_json,
    load_stored_image,
    reading,
    with_image,
)
from anymask.formats.skipped import skip
from anymask.io.atomic import write_file
from anymask.io.decoding import displayed_size
from anymask.structures.annotation import Annotation, BoxAnnotation, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

_VERSION = "5.5.0"
"""Of LabelMe, whose layout this is: it has mask shapes."""
_NO_AREAS = frozenset(("point", "points", "line", "linestrip", "lines"))
"""Types of shapes that have no area."""
_SHAPE_KEYS = frozenset(("label", "points", "shape_type", "mask", "score", "stability_score", "is_box"))
"""Fields of a shape that a mask has otherwise; all others are its attributes."""
_DETAILS: dict[str, type] = {"attributes": dict, "occluded": bool, "z_order": int, "source": str}
"""Fields of an annotation that a shape may have; LabelMe keeps fields that it does not know."""
_FILE_KEYS = frozenset(("version", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "sha256"))
_DAMAGE = (ValueError, TypeError, LookupError, OverflowError)
"""What a broken shape makes of its reader, beside an InputError, which is a ValueError."""
_Painter = Callable[[NDArray[np.bool_]], None]
"""Adds the pixels of a shape to an array, bool [H, W]."""


def write(masks: MaskSet, path: Path, *, tolerance: float = 0, shapes: str = "polygon") -> list[Path]:
    """Write one image's file. An empty mask has no shape and is left out; a box without a mask is a rectangle.

    `imagePath` is the image's file name, where LabelMe finds it if it lies beside the JSON.

    Args:
        masks: what to write.
        path: of the JSON.
        tolerance: how far polygons may leave the pixels' edges, in pixels.
        shapes: "polygon", or "mask" for exact shapes.

    Raises:
        InputError: other shapes, or a path that cannot be written.
    """
    check_tolerance(tolerance)
    if shapes not in ("polygon", "mask"):
        raise InputError(f"shapes is {shapes!r}: it takes 'polygon' or 'mask'")
    record, groups = masks.record, set[tuple[str, int]]()
    entries: list[dict[str, Any]] = []
    for mask in iter_bounded(masks):
        drawn = None if tolerance or shapes == "mask" else mask.source_shape
        if drawn is not None and drawn.format == "labelme":
            made = drawn.fields["shapes"]
        elif drawn is not None and drawn.rings:
            made = [_polygon_shape(np.reshape(ring, (-1, 2)).tolist()) for ring in drawn.rings]
        elif mask.area:
            made = [_mask_shape(mask)] if shapes == "mask" else _polygon_shapes(mask, tolerance)
        else:
            continue
        about = _shape_fields(mask, _group_of(mask, len(made), groups))
        entries += [{**about, **shape, **_names_of(about)} for shape in made]
    for box in masks.box_annotations:
        about = _shape_fields(box, _group_of(box, 1, groups))
        entries.append({**about, "shape_type": "rectangle", "points": [[*box.box[:2]], [*box.box[2:]]], "is_box": True})
    content: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        **{name: value for name, value in record.extra.items() if name not in _FILE_KEYS},
        "shapes": entries,
        "imagePath": Path(record.path.replace("\\", "/")).name if record.path else "",
        "imageData": record.extra.get("imageData"),
        "imageHeight": record.height,
        "imageWidth": record.width,
        **({"sha256": record.sha256} if record.sha256 else {}),
    }
    write_file(path, encode_json(content, indent=1))
    return [path]


def _group_of(each: Mask | BoxAnnotation, parts: int, groups: set[tuple[str, int]]) -> int | None:
    """The group of an object, new if it needs one; no other object of its label has it."""
    label, group = label_or_default(each), each.annotation.group_id
    if group is None and parts == 1:
        return None
    if group is None or (label, group) in groups:
        taken = {number for _, number in groups}
        group = next(number for number in itertools.count(1) if number not in taken)
    groups.add((label, group))
    return group


def _shape_fields(each: Mask | BoxAnnotation, group: int | None) -> dict[str, Any]:
    others = {name: value for name, value in each.annotation.extra.items() if name not in _SHAPE_KEYS}
    stated = each.annotation.as_dict()
    others |= {name: stated[name] for name in _DETAILS if name in stated}
    about = {"label": label_or_default(each), "description": "", "flags": {}, **others}
    return {**about, "group_id": group, **known_scores(each)}


def _names_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that hold of a mask whatever its shape in another file says."""
    return {name: about[name] for name in ("label", "group_id", "score", "stability_score") if name in about}


def _polygon_shapes(mask: Mask, tolerance: float) -> list[dict[str, Any]]:
    rings = [bridge_holes(part) for part in centre_parts_of(mask, tolerance)]
    # LabelMe takes no polygon of one or two corners.
    points = [(ring if len(ring) > 2 else np.resize(ring, (3, 2))).tolist() for ring in rings]
    return [_polygon_shape(each) for each in points]


def _polygon_shape(points: list[Any]) -> dict[str, Any]:
    return {"shape_type": "polygon", "points": points, "mask": None}


def _mask_shape(mask: Mask) -> dict[str, Any]:
    """A mask as the image of its box, whose corners are pixels, the last one included."""
    from anymask.formats import png

    x0, y0, x1, y1 = mask.box
    image = png.encode_png(np.ascontiguousarray(mask.array[y0:y1, x0:x1]))
    corners = [[x0, y0], [x1 - 1, y1 - 1]]
    return {"shape_type": "mask", "points": corners, "mask": base64.b64encode(image).decode()}


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a file of LabelMe or X-AnyLabeling; shapes with one label and group are one object.

    Polygons, rectangles, turned rectangles, circles and masks are filled as LabelMe's own `shape_to_mask` does, which
    paints outlines, too.

    Raises:
        InputError: not such a file, damaged, or without the image's size while the image is nowhere.
    """
    with reading(path, "LabelMe"):
        content = finite_json(load_json(path))
        shapes = as_list(content["shapes"], "shapes")
        name = _text(content.get("imagePath"))
        size = _image_size(content, path.parent, name) if image is None else image.size
        objects: dict[Any, list[_Drawn]] = {}
        boxes = []
        for count, entry in enumerate(shapes):
            where, shape = f"{path}, shape {count}", entry if isinstance(entry, dict) else {}
            kind = str(shape.get("shape_type") or "polygon")
            if kind in _NO_AREAS:
                skip(kind, where, f"{shape.get('label')!r} has no area")
                continue
            try:
                if kind == "rectangle" and shape.get("is_box") is True:
                    boxes.append(_box_of(shape, size))
                    continue
                drawn = _drawn(kind, shape, size)
            except _DAMAGE as error:
                skip("broken shape", where, error)
                continue
            group = shape.get("group_id")
            key = (str(shape.get("label")), group) if isinstance(group, int) else count
            objects.setdefault(key, []).append(drawn)
        masks = [_mask_of(each, size) for each in objects.values()]
        extra = filled(content, _FILE_KEYS)
        if content.get("imageData") and not _beside(path.parent, name).is_file():
            extra["imageData"] = content["imageData"]  # there is no other copy of the image
        record = ImageRecord(*size, name, _text(content.get("sha256")), extra=extra)
        return with_image(MaskSet(masks, image=record, box_annotations=boxes), image)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _beside(folder: Path, name: str | None) -> Path:
    """Where the image of a file in a folder is."""
    return folder / (name or "").replace("\\", "/")


def _image_size(content: Mapping[str, Any], folder: Path, name: str | None) -> tuple[int, int]:
    """(width, height) as the file has them, else of the image in it, else of the image that it names."""
    if content.get("imageWidth") and content.get("imageHeight"):
        return image_size(content["imageWidth"], content["imageHeight"])
    stored = _text(content.get("imageData"))
    if stored is not None:
        return displayed_size(io.BytesIO(base64.b64decode(stored)), MAX_MASK_PIXELS)
    beside = _beside(folder, name)
    if name is None or not beside.is_file():
        raise InputError(f"it has no imageWidth and imageHeight, and there is no image {beside}")
    with beside.open("rb") as file:
        return displayed_size(file, MAX_MASK_PIXELS)


def _mask_of(shapes: list[_Drawn], size: tuple[int, int]) -> Mask:
    """The mask of the shapes of one object; label, scores and attributes are those of the first."""
    first = shapes[0].shape
    render = partial(_paint_all, [each.paint for each in shapes], size)
    rings = tuple(each.ring for each in shapes if each.ring)
    score, stability = (known_number(first.get(name)) for name in ("score", "stability_score"))
    return Mask(
        render,
        size,
        label=_text(first.get("label")),
        score=score,
        stability=stability,
        annotation=_annotation_of(first),
        source_shape=SourceShape(
            "labelme", {"shapes": [each.shape for each in shapes]}, rings if len(rings) == len(shapes) else ()
        ),
    )


def _box_of(shape: dict[str, Any], size: tuple[int, int]) -> BoxAnnotation:
    """The object of a rectangle that was written for a box without a mask."""
    corners = parse_ring(as_list(shape.get("points"), "points"), size, least=2)
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if not (x0 < x1 and y0 < y1):
        raise InputError(f"its box has a width of {x1 - x0:g} and a height of {y1 - y0:g}")
    return BoxAnnotation(
        (x0, y0, x1, y1), _text(shape.get("label")), known_number(shape.get("score")), _annotation_of(shape)
    )


def _annotation_of(shape: Mapping[str, Any]) -> Annotation:
    """What a shape says beyond its form: X-AnyLabeling has attributes, others have flags and a description."""
    types = {name: shape.get(name) for name in ("group_id", *_DETAILS)}
    known: dict[str, Any] = {name: value for name, value in types.items() if type(value) is _DETAILS.get(name, int)}
    return Annotation(**known, extra=filled(shape, (*_SHAPE_KEYS, *known)))


def _paint_all(painters: list[_Painter], size: tuple[int, int]) -> NDArray[np.bool_]:
    array = np.zeros(size[::-1], np.bool_)
    for paint in painters:
        paint(array)
    return array


@dataclass(frozen=True)
class _Drawn:
    """A shape of a file.

    Attributes:
        shape: as the file has it.
        paint: paints it.
        ring: x, y, x, y … of a polygon; empty for anything else.
    """

    shape: dict[str, Any]
    paint: _Painter
    ring: tuple[float, ...] = ()


def _drawn(kind: str, shape: dict[str, Any], size: tuple[int, int]) -> _Drawn:
    """A shape that can be painted; it is checked now."""
    points = as_list(shape.get("points"), "points")
    if kind == "mask":
        return _Drawn(shape, _mask_painter(shape, np.asarray(points, np.float64), size))
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise InputError("its points are not pairs of x and y")
    if kind == "circle" and corners.shape == (2, 2):
        radius = np.hypot(*(corners[1] - corners[0]))
        corners = np.stack([corners[0] - radius, corners[0] + radius])
    elif kind == "rectangle" and _is_upright(corners):
        corners = np.stack([corners.min(axis=0), corners.max(axis=0)])
    elif kind == "circle":
        raise InputError(f"a circle takes two points, not {len(points)}")
    else:
        kind = "polygon"
    parse_ring(
        corners + 0.5, size, least=3 if kind == "polygon" else 2
    )  # here pixels have their centres at whole numbers
    ring = tuple(corners.reshape(-1).tolist()) if kind == "polygon" else ()
    return _Drawn(shape, partial(_paint, kind, corners.tolist()), ring)


def _is_upright(corners: NDArray[np.float64]) -> bool:
    """Whether points, float64 [N, 2], are two opposite corners of an upright rectangle, or its four."""
    if corners.shape == (4, 2):
        return all(len(set(corners[:, axis])) <= 2 for axis in (0, 1)) and bool((corners[0] != corners[2]).all())
    return corners.shape == (2, 2)


def _paint(kind: str, corners: list[list[float]], array: NDArray[np.bool_]) -> None:
    """Paint a polygon, or by opposite corners a rectangle or a circle, as `labelme.utils.shape_to_mask` does."""
    import PIL.Image
    import PIL.ImageDraw

    image = PIL.Image.new("1", array.shape[::-1])
    draw = PIL.ImageDraw.Draw(image)
    paint = {"polygon": draw.polygon, "rectangle": draw.rectangle, "circle": draw.ellipse}[kind]
    paint([(x, y) for x, y in corners], outline=1, fill=1)
    array |= np.asarray(image)


def _mask_painter(shape: dict[str, Any], corners: NDArray[np.float64], size: tuple[int, int]) -> _Painter:
    """What paints a mask shape; ``corners`` are the first and the last pixel of its box, float64 [2, 2] of (x, y)."""
    if corners.shape != (2, 2) or not isinstance(shape.get("mask"), str):
        raise InputError("a mask shape needs two corners and an image")
    (x0, y0), (x1, y1) = corners.astype(int).tolist()
    if not (0 <= x0 <= x1 < size[0] and 0 <= y0 <= y1 < size[1]):
        raise InputError(f"a mask shape from {[x0, y0]} to {[x1, y1]} lies outside the image of {size}")
    image = load_stored_image(base64.b64decode(shape["mask"], validate=True))
    if image.size != (x1 - x0 + 1, y1 - y0 + 1):
        raise InputError(f"a mask shape's image is {image.size}, its corners are {[[x0, y0], [x1, y1]]}")
    pixels = np.asarray(image) != 0
    if pixels.ndim != 2:
        raise InputError("a mask shape's image has colours")
    return partial(_paste, pixels, (slice(y0, y1 + 1), slice(x0, x1 + 1)))


def _paste(pixels: NDArray[np.bool_], place: tuple[slice, slice], array: NDArray[np.bool_]) -> None:
    """Add the pixels of a box, bool [h, w], to an array, bool [H, W]."""
    array[place] |= pixels


FORMAT = Format(
    name="labelme",
    title="LabelMe (JSON)",
    summary="LabelMe JSON: polygons, holes joined by bridges, parts by group_id; or exact mask shapes",
    holds=Holds(
        holes="bridged",
        parts="by group_id",
        scores=("confidence", "stability"),
        vertices="yes",
        attributes=True,
        details=True,
        boxes=True,
        further_fields="all",
    ),
    suffix=".json",
    media_type="application/json",
    options=(
        TOLERANCE,
        FormatOption(
            name="shapes",
            flag="--mask-shapes",
            value="mask",
            help="Exact masks instead of polygons.",
            holds=Holds(
                scores=("confidence", "stability"), attributes=True, details=True, boxes=True, further_fields="all"
            ),
        ),
    ),
    signature=Signature(extensions=(".json",), json_keys=frozenset({"shapes"})),
    names_images_beside=True,
    image_folder="",
    menu_position=30,
    write=write,
    read=read,
)
