"""Reading the shapes of CVAT's XML, as CVAT's own exports turn them into masks.

Polygons and rotated boxes are filled by pycocotools, ellipses by OpenCV, both as `transformations.py` of CVAT does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.helpers.crops import paste_crop
from anymask.formats.helpers.outlines import filled_as_coco, parse_ring
from anymask.formats.helpers.validation import MAX_MASK_PIXELS, image_record, image_size
from anymask.formats.skipped import skip
from anymask.io.decoding import displayed_size
from anymask.io.identification import readable_suffixes
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

Element = ElementTree.Element

STATED = ("occluded", "z_order", "group_id", "source")
"""What an element states besides its shape, as `Annotation` calls it."""
GEOMETRY = {
    "mask": ("rle", "left", "top", "width", "height"),
    "polygon": ("points",),
    "box": ("xtl", "ytl", "xbr", "ybr", "rotation"),
    "ellipse": ("cx", "cy", "rx", "ry", "rotation"),
}
"""Elements that are areas, and the attributes that make their shape."""


def dataset_of(root: Element) -> DatasetRecord:
    """What the file states about all images; `extra["meta"]` is its element `meta` as text."""
    meta = root.find("meta")
    if meta is None:
        return DatasetRecord("cvat")
    names = dict.fromkeys(label.findtext("name") or "" for label in meta.iter("label"))
    text = ElementTree.tostring(meta, encoding="unicode").strip()
    return DatasetRecord("cvat", tuple(Category(name) for name in names if name), {"meta": text})


@dataclass
class Frame:
    """An image of a file, or a frame of a video with the shapes that tracks have there.

    Attributes:
        record: of the image.
        shapes: elements, each with what its track states.
    """

    record: ImageRecord
    shapes: list[tuple[Element, Mapping[str, str]]] = field(default_factory=list)


def frames_of(root: Element, path: Path) -> Iterator[Frame]:
    """The images of the file at a path, and then the frames of its tracks."""
    where = str(path)
    for place, image in enumerate(root.iterfind("image")):
        try:
            size = image_size(image.attrib.get("width"), image.attrib.get("height"))
            id = image.attrib.get("id", "")
            extra = {k: v for k, v in image.attrib.items() if k not in ("id", "name", "width", "height")}
            number = int(id) if id.isascii() and id.isdigit() else None
            record = image_record(image.attrib.get("name"), size, id=number, extra=extra)
        except InputError as error:
            skip("broken image", f"{where}, image {place}", error)
            continue
        yield Frame(record, [(shape, {}) for shape in image])
        image.clear()
    yield from _frames_of_tracks(root, path)


def _frame_images(folder: Path) -> dict[int, Path]:
    """The images of a video's frames beside its file or in `images`, as CVAT exports them: number → file."""
    found: dict[int, Path] = {}
    for each in sorted((*folder.glob("frame_*"), *folder.glob("images/frame_*"))):
        number = each.stem.removeprefix("frame_")
        if number.isascii() and number.isdigit() and each.suffix.lower() in readable_suffixes():
            found.setdefault(int(number), each)
    return found


def _size_of_frames(root: Element, images: Mapping[int, Path]) -> tuple[int, int]:
    """(width, height) as the file states it, else that of the first image of a frame.

    Raises:
        InputError: neither is there, or it is damaged.
    """
    stated = root.find("meta//original_size")
    if stated is not None:
        return image_size(stated.findtext("width"), stated.findtext("height"))
    if not images:
        raise InputError(
            "it states no size of its frames: put one of them beside it as images/frame_000000.png, or write "
            "<original_size><width>…</width><height>…</height></original_size> into <meta>"
        )
    with images[min(images)].open("rb") as file:
        return displayed_size(file, MAX_MASK_PIXELS)


def _frames_of_tracks(root: Element, path: Path) -> Iterator[Frame]:
    tracks, where = root.findall("track"), str(path)
    if not tracks:
        return
    images = _frame_images(path.parent)
    try:
        size = _size_of_frames(root, images)
    except InputError as error:
        if root.find("image") is None:
            raise InputError(f"cannot read {where} as CVAT XML: {error}") from None
        for track in tracks:
            skip("track", f"{where}, track {track.get('id')}", error)
        return
    shapes: dict[int, list[tuple[Element, Mapping[str, str]]]] = {}
    for track in tracks:
        names = ("id", "label", "source", "group_id")
        about: dict[str, str] = {name: track.attrib[name] for name in names if name in track.attrib}
        for shape in track:
            frame = shape.attrib.get("frame", "")
            if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
                skip(f"broken {shape.tag}", f"{where}, track {track.get('id')}", f"its frame is {frame!r:.60}")
            elif shape.attrib.get("outside") != "1":
                shapes.setdefault(int(frame), []).append((shape, about))
    for number in sorted(shapes):
        name = images[number].name if number in images else f"frame_{number:06d}.png"
        yield Frame(ImageRecord(*size, name, id=number), shapes[number])


def read_frame(frame: Frame, dataset: DatasetRecord | None, where: str) -> MaskSet:
    """The objects of an image; what has no area or is broken is skipped."""
    masks, boxes = [], []
    size = (frame.record.width, frame.record.height)
    where = f"{where}, image {frame.record.path}"
    for place, (shape, track) in enumerate(frame.shapes):
        at = f"{where}, shape {place}"
        if shape.tag not in GEOMETRY:
            skip(shape.tag, at, f"{shape.attrib.get('label', track.get('label'))!r:.60} has no area")
            continue
        try:
            found = _read_shape(shape, track, size)
        except (InputError, KeyError, ValueError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            skip(f"broken {shape.tag}", at, reason)
            continue
        if isinstance(found, Mask):
            masks.append(found)
        else:
            boxes.append(found)
    return MaskSet(masks, image=frame.record, box_annotations=boxes, dataset=dataset)


def _read_shape(shape: Element, track: Mapping[str, str], size: tuple[int, int]) -> Mask | BoxAnnotation:
    given = {str(entry.get("name")): entry.text or "" for entry in shape.iterfind("attribute")}
    scores = {name: _number(given.get(name)) for name in ("score", "stability_score")}
    attributes: dict[str, Any] = {name: text for name, text in given.items() if scores.get(name) is None}
    if "id" in track:
        attributes["track_id"] = track["id"]
    stated = {**track, **shape.attrib}
    annotation = Annotation(
        occluded=stated.get("occluded") == "1",
        z_order=int(stated.get("z_order") or 0),
        group_id=int(stated["group_id"]) if stated.get("group_id") else None,
        source=stated.get("source"),
        attributes=attributes,
    )
    about: dict[str, Any] = {"label": stated["label"], "score": scores["score"], "annotation": annotation}
    fields = {name: shape.attrib[name] for name in GEOMETRY[shape.tag] if name in shape.attrib}
    source = SourceShape("cvat", {"tag": shape.tag, **fields})
    if shape.tag == "box" and not _turned(shape):
        return BoxAnnotation(_corners(shape), **about, source_shape=source)
    mask, rings = _mask_of(shape, size)
    source = SourceShape("cvat", source.fields, rings, "coco")
    return mask.replace(**about, stability=scores["stability_score"], source_shape=source)


def _mask_of(shape: Element, size: tuple[int, int]) -> tuple[Mask, tuple[tuple[float, ...], ...]]:
    """The mask of a shape, and its polygon if it is one."""
    if shape.tag == "mask":
        return _decode_mask(shape.attrib, size), ()
    if shape.tag == "ellipse":
        return _ellipse(shape, size), ()
    if shape.tag == "polygon":
        points = [[float(value) for value in pair.split(",")] for pair in shape.attrib["points"].split(";")]
        ring = parse_ring(points, size)
    else:
        ring = parse_ring(_turned_box(shape), size)
    mask, is_exact = filled_as_coco([ring], size)
    return mask, ((tuple(ring.reshape(-1).tolist()),) if is_exact else ())


def _number(text: str | None) -> float | None:
    """A score; None for text that is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _turned(shape: Element) -> float:
    angle = float(shape.attrib.get("rotation") or 0)
    if not math.isfinite(angle):
        raise InputError(f"its rotation is {angle}")
    return angle


def _corners(shape: Element) -> tuple[float, float, float, float]:
    """(x_min, y_min, x_max, y_max) of a box."""
    x0, y0, x1, y1 = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    if not (x0 < x1 and y0 < y1 and math.isfinite(x1 - x0 + y1 - y0)):
        raise InputError(f"its corners are {x0:g}, {y0:g} and {x1:g}, {y1:g}")
    return x0, y0, x1, y1


def _turned_box(shape: Element) -> list[tuple[float, float]]:
    """The corners of a box that is turned about its centre, in degrees, clockwise on the screen."""
    x0, y0, x1, y1 = _corners(shape)
    cx, cy, angle = x0 + (x1 - x0) / 2, y0 + (y1 - y0) / 2, math.radians(_turned(shape))
    cos, sin = math.cos(angle), math.sin(angle)
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return [(cx + cos * (x - cx) - sin * (y - cy), cy + sin * (x - cx) + cos * (y - cy)) for x, y in corners]


def _ellipse(shape: Element, size: tuple[int, int]) -> Mask:
    cx, cy, rx, ry = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    reach = max(rx, ry)
    if not (min(rx, ry) > 0 and reach < 2 * max(size)):
        raise InputError(f"its radii are {rx:g} and {ry:g}")
    if not (-reach < cx < size[0] + reach and -reach < cy < size[1] + reach):
        raise InputError("it lies outside the image")
    centre, axes = (round(cx), round(cy)), (round(rx), round(ry))
    return Mask(partial(_fill_ellipse, centre, axes, _turned(shape), size), size)


def _fill_ellipse(
    centre: tuple[int, int], axes: tuple[int, int], angle: float, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """An ellipse as CVAT fills it, bool [H, W]: centre and half axes in whole pixels, angle in degrees."""
    import cv2

    pixels = np.zeros(size[::-1], np.uint8)
    cv2.ellipse(pixels, centre, axes, angle, 0, 360, 1, thickness=-1)
    return pixels.view(np.bool_)


def _decode_mask(attributes: Mapping[str, str], size: tuple[int, int]) -> Mask:
    left, top, width, height = (int(attributes[name]) for name in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(width, height) < 1 or left + width > size[0] or top + height > size[1]:
        raise InputError(f"a mask of {width}x{height} at {left}, {top} lies outside the image of {size}")
    runs = np.array([int(run) for run in attributes["rle"].split(",")], np.int64)
    if (runs < 0).any() or (runs > width * height).any() or int(runs.sum()) != width * height:
        raise InputError(f"a mask's runs do not add up to its box of {width}x{height}")
    return Mask(partial(_decode_runs, runs, (left, top, width, height), size), size)


def _decode_runs(runs: NDArray[np.int64], box: tuple[int, int, int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a mask.

    Args:
        runs: int64 [N], lengths outside, inside, outside … along the rows of the box.
        box: (left, top, width, height) in pixels.
        size: (width, height) of the image.

    Returns:
        bool [height, width] of the image.
    """
    left, top, width, height = box
    inside = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    return paste_crop(inside.reshape(height, width), (left, top), size)
