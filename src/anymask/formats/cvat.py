"""CVAT for images 1.1: one XML for a whole task; shapes as CVAT drew them, every other object a mask of run lengths.

CVAT's runs go along the rows of the object's box and start with what is outside; the box is `left`, `top`, `width`,
`height`. Holes, parts and overlaps survive. Polygons, ellipses, rotated boxes and the frames of tracks are read as
well; upright boxes are objects without a mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import known_scores, label_or_default
from anymask.formats.helpers.coco_numbers import FreeIds
from anymask.formats.helpers.cvat_reading import STATED, Frame, dataset_of, frames_of, read_frame
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.outlines import drawn_ring
from anymask.formats.helpers.spool import spooled_file
from anymask.formats.helpers.validation import load_xml, only_image, reading, with_image
from anymask.structures.annotation import BoxAnnotation, DatasetRecord
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
    names, ids, labels = ImageNames(keep_paths=True), FreeIds(first=0), _Labels()
    with spooled_file(path, lists=1) as (target, (images,)):
        for masks in sets:
            labels.add(masks.dataset)
            record = masks.record
            number = ids.take(record.id if isinstance(record.id, int) else None)
            extra = record.extra if masks.dataset is not None and masks.dataset.format == FORMAT.name else {}
            stated = {"id": number, "name": names.name(record), **extra, "width": record.width, "height": record.height}
            about = " ".join(f"{name}={_quote(str(value))}" for name, value in stated.items())
            text = "".join([f"  <image {about}>\n", *_elements(masks, labels), "  </image>\n"])
            images.add(text.encode("utf-8", "backslashreplace"))
            if check is not None:
                frame = Frame(record, [(shape, {}) for shape in ElementTree.fromstring(text)])
                check(masks, read_frame(frame, masks.dataset, str(path)))
        target.write(labels.header(images.count).encode("utf-8", "backslashreplace"))
        images.pour(target)
        target.write(b"</annotations>\n")
    return [path]


class _Labels:
    """The labels of a file with the attributes of each; CVAT drops the values of attributes that are not declared."""

    def __init__(self) -> None:
        self._attributes: dict[str, dict[str, None]] = {}
        self._meta: str | None = None
        self._last: DatasetRecord | None = None

    def add(self, dataset: DatasetRecord | None) -> None:
        """Take over the labels of a dataset, and the whole header of the first that comes from CVAT."""
        if dataset is None or dataset == self._last:
            return
        self._last = dataset
        for each in dataset.categories:
            self.declare(each.name, ())
        if self._meta is None and dataset.format == FORMAT.name:
            self._meta = dataset.extra.get("meta")

    def declare(self, label: str, attributes: Iterable[str]) -> None:
        """Note a label, and attributes that its objects have."""
        self._attributes.setdefault(_replace_controls(label), {}).update(
            dict.fromkeys(map(_replace_controls, attributes))
        )

    def header(self, image_count: int) -> str:
        """The file's text up to its first image."""
        meta = self._meta or (
            "<meta><task><name>anymask</name>"
            f"<size>{image_count}</size><mode>annotation</mode><overlap>0</overlap><labels></labels></task></meta>"
        )
        root = ElementTree.fromstring(meta)
        labels = root.find(".//labels")
        if labels is None:
            place = next((each for each in root if each.tag in ("task", "job", "project")), root)
            labels = ElementTree.SubElement(place, "labels")
        known = {label.findtext("name"): label for label in labels.iterfind("label")}
        for name, attributes in self._attributes.items():
            label = known[name] if name in known else _new_label(labels, name)
            _add_attributes(label, attributes)
        if self._meta is None:
            ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  {text}\n'


def _new_label(labels: ElementTree.Element, name: str) -> ElementTree.Element:
    label = ElementTree.SubElement(labels, "label")
    for tag, text in (("name", name), ("type", "any")):
        ElementTree.SubElement(label, tag).text = text
    ElementTree.SubElement(label, "attributes")
    return label


def _add_attributes(label: ElementTree.Element, names: Iterable[str]) -> None:
    """Declare the attributes that a label does not have yet."""
    declared = label.find("attributes")
    declared = ElementTree.SubElement(label, "attributes") if declared is None else declared
    known = {attribute.findtext("name") for attribute in declared.iterfind("attribute")}
    for name in names:
        if name not in known:
            attribute = ElementTree.SubElement(declared, "attribute")
            for tag, text in (("name", name), ("mutable", "False"), ("input_type", "text"), ("default_value", ""),
                              ("values", "")):  # fmt: skip
                ElementTree.SubElement(attribute, tag).text = text


def _elements(masks: MaskSet, labels: _Labels) -> Iterator[str]:
    """The elements of an image's objects."""
    for mask in iter_bounded(masks):
        if geometry := _mask_geometry(mask):
            yield _element(mask, geometry, labels)
    for box in masks.box_annotations:
        yield _element(box, _box_geometry(box), labels)


def _element(each: Mask | BoxAnnotation, geometry: Mapping[str, Any], labels: _Labels) -> str:
    """An element; ``geometry`` has its tag and the attributes of its shape."""
    about, label = each.annotation, label_or_default(each)
    is_own = each.source_shape is not None and each.source_shape.format == FORMAT.name
    source = {"source": about.source} if about.source is not None else {} if is_own else {"source": "auto"}
    group = {} if about.group_id is None else {"group_id": about.group_id}
    shape = {name: value for name, value in geometry.items() if name != "tag"}
    stated = {"label": label, **source, "occluded": int(about.occluded), **shape, "z_order": about.z_order, **group}
    values = {name: _text(value) for name, value in about.attributes.items() if name not in STATED}
    values |= {name: str(value) for name, value in known_scores(each).items()}
    labels.declare(label, values)
    return (
        f"    <{geometry['tag']} {' '.join(f'{name}={_quote(str(value))}' for name, value in stated.items())}>"
        + "".join(f"<attribute name={_quote(name)}>{_escape(text)}</attribute>" for name, text in values.items())
        + f"</{geometry['tag']}>\n"
    )


def _mask_geometry(mask: Mask) -> dict[str, Any]:
    """The shape of a mask: as CVAT had it, the polygon that was drawn, or run lengths; or nothing."""
    source = mask.source_shape
    if source is not None and source.format == FORMAT.name:
        return dict(source.fields)
    if (ring := drawn_ring(mask)) is not None:
        numbers = list(map(_decimal, ring.reshape(-1).tolist()))
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return {"tag": "polygon", "points": ";".join(f"{x},{y}" for x, y in pairs)}
    if not mask.area:
        return {}
    x0, y0, x1, y1 = mask.box
    runs = ", ".join(map(str, _row_runs(mask.array[y0:y1, x0:x1])))
    return {"tag": "mask", "rle": runs, "left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}


def _box_geometry(box: BoxAnnotation) -> dict[str, Any]:
    source = box.source_shape
    if source is not None and source.format == FORMAT.name:
        return dict(source.fields)
    return {"tag": "box", **dict(zip(("xtl", "ytl", "xbr", "ybr"), map(_decimal, box.box), strict=True))}


def _decimal(number: float) -> str:
    """A number as short as it reads back the same."""
    return str(int(number)) if number == int(number) else repr(float(number))


def _text(value: Any) -> str:
    """The text of an attribute; CVAT writes truth in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escape(text: str) -> str:
    return escape(_replace_controls(text))


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
    """Read every image of a task, and every frame on which tracks have a shape.

    Points, lines, skeletons, cuboids and tags have no area and are skipped, and so are shapes that are broken.

    Raises:
        InputError: not such a file.
    """
    with reading(path, "CVAT XML"):
        root = load_xml(path)
        if root.tag != "annotations":
            raise InputError(f"it begins with <{root.tag}>, not <annotations>")
        dataset = dataset_of(root)
    for frame in frames_of(root, path):
        yield read_frame(frame, dataset, str(path))


FORMAT = Format(
    name="cvat",
    title="CVAT (XML)",
    summary="CVAT for images 1.1 (XML): shapes as CVAT drew them, masks of run lengths, many images in one file",
    holds=Holds(
        scores=("confidence", "stability"), vertices="of one polygon", ids="of images", attributes=True, details=True,
        boxes=True, further_fields="its own",
    ),
    suffix=".xml",
    media_type="application/xml",
    signature=Signature(extensions=(".xml",)),
    image_folder="images",
    menu_position=90,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)  # fmt: skip
