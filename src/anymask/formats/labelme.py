"""LabelMe: one JSON per image, a polygon per part, or exact mask shapes.

Holes are joined to their outline by bridges of no width, and the parts of one object share a `group_id`. With
`shapes="mask"` objects are written as LabelMe's own mask shapes (since its version 5.3), which hold everything.
"""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Signature
from anymask.formats.helpers.annotations import encode_json, known_scores, label_or_default
from anymask.formats.helpers.crops import paste_crop
from anymask.formats.helpers.outlines import TOLERANCE, bridge_holes, check_tolerance, parts_of, polygon_mask
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    image_size,
    load_json,
    load_stored_image,
    optional_float,
    reading,
    with_image,
)
from anymask.io.atomic import write_file
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

_VERSION = "5.5.0"
"""Of LabelMe, whose layout this is: it has mask shapes."""


def write(masks: MaskSet, path: Path, *, tolerance: float = 0, shapes: str = "polygon") -> list[Path]:
    """Write one image's file. An empty mask has no shape and is left out.

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
    record = masks.record
    entries: list[dict[str, Any]] = []
    for group, mask in enumerate(iter_bounded(masks), start=1):
        if mask.area:
            made = [_mask_shape(mask)] if shapes == "mask" else _polygon_shapes(mask, tolerance)
            about = _shape_fields(mask, group if len(made) > 1 else None)
            entries += [{**about, **shape} for shape in made]
    content: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": entries,
        "imagePath": Path(record.path.replace("\\", "/")).name if record.path else "",
        "imageData": None,
        "imageHeight": record.height,
        "imageWidth": record.width,
        **({"sha256": record.sha256} if record.sha256 else {}),
    }
    write_file(path, encode_json(content, indent=1))
    return [path]


def _shape_fields(mask: Mask, group: int | None) -> dict[str, Any]:
    about = {"label": label_or_default(mask), "group_id": group}
    return {**about, **known_scores(mask), "description": "", "flags": {}}


def _polygon_shapes(mask: Mask, tolerance: float) -> list[dict[str, Any]]:
    rings = [bridge_holes(part) for part in parts_of(mask, tolerance)]
    return [{"shape_type": "polygon", "points": ring.tolist(), "mask": None} for ring in rings]


def _mask_shape(mask: Mask) -> dict[str, Any]:
    """A mask as the image of its box, whose corners are pixels, the last one included."""
    from anymask.formats import png

    x0, y0, x1, y1 = mask.box
    image = png.encode_png(np.ascontiguousarray(mask.array[y0:y1, x0:x1]))
    corners = [[x0, y0], [x1 - 1, y1 - 1]]
    return {"shape_type": "mask", "points": corners, "mask": base64.b64encode(image).decode()}


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a file of LabelMe: polygons, rectangles, circles and masks; shapes with one label and group are one object.

    Raises:
        InputError: not such a file, damaged, or a shape without area (a line, a point).
    """
    with reading(path, "LabelMe"):
        content = load_json(path)
        if not isinstance(content.get("shapes"), list):
            raise KeyError("shapes")
        size = image_size(content["imageWidth"], content["imageHeight"])
        objects: dict[Any, list[dict[str, Any]]] = {}
        for count, shape in enumerate(as_list(content["shapes"], "shapes")):
            group = as_object(shape, "shapes").get("group_id")
            key = (str(shape["label"]), group) if isinstance(group, int) else count
            objects.setdefault(key, []).append(shape)
        masks = [_read_object(shapes, size) for shapes in objects.values()]
        sha256 = content.get("sha256")
        name = content.get("imagePath") or None
        record = ImageRecord(*size, None if name is None else str(name), sha256 if isinstance(sha256, str) else None)
        return with_image(MaskSet(masks, image=record), image)


def _read_object(shapes: list[dict[str, Any]], size: tuple[int, int]) -> Mask:
    first, parts = shapes[0], [_read_shape(shape, size) for shape in shapes]
    about: dict[str, Any] = {
        "score": optional_float(first.get("score")),
        "stability": optional_float(first.get("stability_score")),
    }
    return Mask(partial(_union, parts), size, label=str(first["label"]), **about)


def _union(parts: list[Mask]) -> NDArray[np.bool_]:
    """The pixels of all parts, bool [H, W]; the parts release theirs."""
    array: NDArray[np.bool_] = parts[0].array.copy()
    for part in parts[1:]:
        array |= part.array
    for part in parts:
        part.release()
    return array


def _read_shape(shape: dict[str, Any], size: tuple[int, int]) -> Mask:
    """The mask of one shape, which is checked now and filled when its pixels are needed."""
    kind, points = shape.get("shape_type") or "polygon", as_list(shape["points"], "points")
    if kind == "mask":
        return _read_mask_shape(shape, np.asarray(points, np.float64), size)
    if kind in ("polygon", "oriented_rectangle"):
        return polygon_mask([points], size)
    corners = np.asarray(points, np.float64)
    if kind in ("rectangle", "circle") and corners.shape == (2, 2) and np.isfinite(corners).all():
        if kind == "rectangle":
            (x0, y0), (x1, y1) = corners
            return polygon_mask([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size)
        angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
        radius = float(np.hypot(*(corners[1] - corners[0])))
        return polygon_mask([corners[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)], size)
    raise InputError(f"a shape of type {kind!r} with {len(points)} points is no area")


def _read_mask_shape(shape: dict[str, Any], corners: NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """The mask of a mask shape; ``corners`` are the first and the last pixel of its box, float64 [2, 2] of (x, y)."""
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
    return Mask(partial(paste_crop, pixels, (x0, y0), size), size)


FORMAT = Format(
    name="labelme",
    title="LabelMe (JSON)",
    summary="LabelMe JSON: polygons, holes joined by bridges, parts by group_id; or exact mask shapes",
    suffix=".json",
    media_type="application/json",
    options=(
        TOLERANCE,
        FormatOption(name="shapes", flag="--mask-shapes", value="mask", help="Exact masks instead of polygons."),
    ),
    signature=Signature(extensions=(".json",), json_keys=frozenset({"shapes"})),
    menu_position=30,
    write=write,
    read=read,
)
