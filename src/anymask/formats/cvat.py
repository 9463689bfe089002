"""CVAT for images 1.1: one XML for a whole task, every object a mask of run lengths.

CVAT's runs go along the rows of the object's box and start with what is outside; the box is `left`, `top`, `width`,
`height`. Holes, parts and overlaps survive. Read as well: polygons and upright boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import known_scores, label_or_default
from anymask.formats.helpers.crops import paste_crop
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.outlines import polygon_mask
from anymask.formats.helpers.spool import spooled_file
from anymask.formats.helpers.validation import (
    image_record,
    image_size,
    load_xml,
    only_image,
    optional_float,
    reading,
    with_image,
)
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded

if TYPE_CHECKING:
    from anymask.io.image import Image


def write(masks: MaskSet, path: Path) -> list[Path]:
    """Write one image; see `write_dataset`."""
    return write_dataset([masks], path)


def write_dataset(sets: Iterable[MaskSet], path: Path, *, check: RoundTripCheck | None = None) -> list[Path]:
    """Write many images into one file, one in memory at a time. CVAT has no empty masks; they are left out.

    Args:
        sets: one per image; CVAT finds images of a task by the names written here.
        path: of the XML.
        check: called for each image with its masks as they were and as they read from the file.

    Raises:
        InputError: a path that cannot be written, or two images of one name.
    """
    names, labels = ImageNames(), dict[str, dict[str, None]]()
    with spooled_file(path, lists=1) as (target, (images,)):
        for count, masks in enumerate(sets):
            record = masks.record
            shapes = []
            for mask in iter_bounded(masks):
                if mask.area:
                    label, scores = label_or_default(mask), known_scores(mask)
                    labels.setdefault(label, {}).update(dict.fromkeys(scores))
                    shapes.append(_mask_element(mask, label, scores))
            about = f'id="{count}" name={_quote(names.name(record))} width="{record.width}" height="{record.height}"'
            text = "".join([f"  <image {about}>\n", *shapes, "  </image>\n"])
            images.add(text.encode("utf-8", "backslashreplace"))
            if check is not None:
                back = [_read_shape(shape, masks.size) for shape in ElementTree.fromstring(text)]
                check(masks, MaskSet(back, image=record))
        target.write(_header(labels, images.count).encode("utf-8", "backslashreplace"))
        images.pour(target)
        target.write(b"</annotations>\n")
    return [path]


def _header(labels: Mapping[str, Iterable[str]], image_count: int) -> str:
    entries = "".join(
        f"     <label><name>{escape(_replace_controls(name))}</name><type>mask</type>"
        f"<attributes>{''.join(map(_declaration, attributes))}</attributes></label>\n"
        for name, attributes in labels.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n   <task>\n'
        f"    <name>anymask</name>\n    <size>{image_count}</size>\n"
        "    <mode>annotation</mode>\n    <overlap>0</overlap>\n"
        f"    <labels>\n{entries}    </labels>\n   </task>\n  </meta>\n"
    )


def _declaration(attribute: str) -> str:
    """The declaration of an attribute of a label; CVAT drops the values of attributes that are not declared."""
    return (
        f"<attribute><name>{attribute}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
    )


def _mask_element(mask: Mask, label: str, scores: Mapping[str, float]) -> str:
    x0, y0, x1, y1 = mask.box
    runs = ", ".join(map(str, _row_runs(mask.array[y0:y1, x0:x1])))
    return (
        f'    <mask label={_quote(label)} source="auto" occluded="0" '
        f'rle="{runs}" left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}" z_order="0">'
        + "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in scores.items())
        + "</mask>\n"
    )


def _quote(text: str) -> str:
    return quoteattr(_replace_controls(text))


def _replace_controls(text: str) -> str:
    """The same text with spaces for the control characters, which XML cannot hold in any way."""
    return "".join(character if character >= " " else " " for character in text)


def _row_runs(pixels: NDArray[np.bool_]) -> list[int]:
    """Run lengths of pixels, bool [h, w]: outside, inside, outside … along the rows."""
    flat = pixels.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], [0] if flat[0] else [], changes, [flat.size])).astype(np.int64)
    runs: list[int] = np.diff(edges).tolist()
    return runs


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a task of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image of a task.

    Raises:
        InputError: not such a file, or damaged; a shape that is no area.
    """
    with reading(path, "CVAT XML"):
        root = load_xml(path)
        if root.tag != "annotations":
            raise InputError(f"it begins with <{root.tag}>, not <annotations>")
        if root.find("track") is not None:
            raise InputError("it holds tracks of a video; export it as 'CVAT for images'")
    for image in root.iterfind("image"):
        with reading(path, "CVAT XML"):
            size = image_size(image.attrib["width"], image.attrib["height"])
            shapes = [shape for shape in image if shape.tag != "tag"]
            masks = MaskSet(
                [_read_shape(shape, size) for shape in shapes], image=image_record(image.attrib["name"], size)
            )
        image.clear()
        yield masks


def _read_shape(shape: ElementTree.Element, size: tuple[int, int]) -> Mask:
    attributes = {entry.get("name"): entry.text for entry in shape.iterfind("attribute")}
    about: dict[str, Any] = {
        "label": shape.attrib["label"],
        "score": optional_float(attributes.get("score")),
        "stability": optional_float(attributes.get("stability_score")),
    }
    if shape.tag == "mask":
        return _decode_mask(shape.attrib, size, about)
    if shape.tag == "polygon":
        points = [[float(value) for value in pair.split(",")] for pair in shape.attrib["points"].split(";")]
        return polygon_mask([points], size, **about)
    if shape.tag == "box" and float(shape.get("rotation", 0)) == 0:
        x0, y0, x1, y1 = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        return polygon_mask([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size, **about)
    raise InputError(f"a <{shape.tag}> is not read: it takes masks, polygons and upright boxes")


def _decode_mask(attributes: dict[str, str], size: tuple[int, int], about: dict[str, Any]) -> Mask:
    left, top, width, height = (int(attributes[name]) for name in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(width, height) < 1 or left + width > size[0] or top + height > size[1]:
        raise InputError(f"a mask of {width}x{height} at {left}, {top} lies outside the image of {size}")
    runs = np.array([int(run) for run in attributes["rle"].split(",")], np.int64)
    if (runs < 0).any() or (runs > width * height).any() or int(runs.sum()) != width * height:
        raise InputError(f"a mask's runs do not add up to its box of {width}x{height}")
    return Mask(partial(_decode_runs, runs, (left, top, width, height), size), size, **about)


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


FORMAT = Format(
    name="cvat",
    title="CVAT (XML)",
    summary="CVAT for images 1.1 (XML): masks of run lengths, many images in one file",
    holds=Holds(scores=("score", "stability")),
    suffix=".xml",
    media_type="application/xml",
    signature=Signature(extensions=(".xml",)),
    menu_position=90,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
