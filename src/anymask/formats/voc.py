"""Pascal VOC: palette images `SegmentationObject` and `SegmentationClass`, and an XML with the boxes.

Pixel value n of `SegmentationObject` is the n-th object of the XML. A pixel belongs to one object: where masks overlap
the smaller one lies on top. Nothing is marked as void (255) on writing; on reading it belongs to no object. Objects of
the XML without pixels are boxes without masks, and so are all of a dataset, or a file, that has XML alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import label_or_default
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.label_images import masks_of_labels
from anymask.formats.helpers.validation import (
    MAX_MASK_PIXELS,
    image_record,
    image_size,
    load_xml,
    only_image,
    reading,
    safe_name,
    with_image,
)
from anymask.formats.helpers.voc_reading import (
    VOC_DEFAULTS,
    VOID,
    VocObject,
    load_voc_labels,
    objects_of_classes,
    read_label_map,
    read_voc_objects,
    voc_palette,
)
from anymask.formats.skipped import skip
from anymask.io.atomic import publish, staged_folder, write_file
from anymask.io.decoding import displayed_size
from anymask.io.text import decode_text
from anymask.structures.annotation import BoxAnnotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded

if TYPE_CHECKING:
    from anymask.io.image import Image

_MAX_VALUE = 254
_OBJECTS, _CLASSES, _XML = "SegmentationObject", "SegmentationClass", "Annotations"
_LISTS = "ImageSets/Segmentation"
_LIST = f"{_LISTS}/default.txt"
_LABEL_MAP = "labelmap.txt"


def write(masks: MaskSet, path: Path) -> list[Path]:
    """Write one image; see `write_dataset`."""
    return write_dataset([masks], path)


def write_dataset(sets: Iterable[MaskSet], path: Path, *, check: RoundTripCheck | None = None) -> list[Path]:
    """Write many images, one in memory at a time. Empty masks have no box and are left out.

    Args:
        sets: one per image.
        path: a folder, new or without such a dataset.
        check: called for each image with its masks as they were and as they read from the files.

    Raises:
        InputError: more than 254 objects in an image, or labels in all; a dataset that is there already.
    """
    if any((path / name).exists() for name in (_OBJECTS, _CLASSES, _XML)):
        raise InputError(f"{path} holds a dataset already: give a new folder")
    names, classes, files = ImageNames(suffix=".png"), dict[str, int](), list[str]()
    with staged_folder(path) as stage:
        lists: dict[str, list[str]] = {}
        for masks in sets:
            name = names.name(masks.record)
            stem = str(Path(name).with_suffix("").as_posix())
            lists.setdefault(f"{_LISTS}/{masks.record.split}.txt" if masks.record.split else _LIST, []).append(stem)
            files += _write_image(masks, name, stem, stage, classes)
            if check is not None:
                check(masks, _read_image(stage, stem))
        for folder in (_OBJECTS, _CLASSES, _XML):
            (stage / folder).mkdir(exist_ok=True)
        for file, stems in (lists or {_LIST: []}).items():
            write_file(stage / file, "".join(f"{stem}\n" for stem in stems).encode())
        write_file(stage / _LABEL_MAP, _label_map(classes).encode())
        publish(stage, path, [_OBJECTS, _CLASSES, _XML, "ImageSets", _LABEL_MAP])
    return [path / name for name in (*files, *lists, _LABEL_MAP)]


def _write_image(masks: MaskSet, name: str, stem: str, stage: Path, classes: dict[str, int]) -> list[str]:
    present = [index for index, mask in enumerate(iter_bounded(masks)) if mask.area]
    if len(present) > _MAX_VALUE:
        raise InputError(
            f"{name} has {len(present)} objects; Pascal VOC numbers at most {_MAX_VALUE}: use label-map or coco"
        )
    width, height = masks.size
    objects, kinds = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    numbers = {index: number for number, index in enumerate(present, start=1)}
    order = sorted(present, key=lambda index: -masks[index].area)
    for index, mask in zip(order, iter_bounded(masks[index] for index in order), strict=True):
        kind = classes.setdefault(label_or_default(mask), len(classes) + 1)
        if kind > _MAX_VALUE:
            raise InputError(f"more than {_MAX_VALUE} labels do not fit Pascal VOC: use coco")
        x0, y0, x1, y1 = mask.box
        inside = mask.array[y0:y1, x0:x1]
        objects[y0:y1, x0:x1][inside] = numbers[index]
        kinds[y0:y1, x0:x1][inside] = kind
    files = [f"{_OBJECTS}/{stem}.png", f"{_CLASSES}/{stem}.png", f"{_XML}/{stem}.xml"]
    contents = (_palette_png(objects), _palette_png(kinds), _xml(masks, present, name))
    for file, content in zip(files, contents, strict=True):
        write_file(stage / file, content)
    return files


def _palette_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of palette indices, uint8 [H, W], with VOC's colours."""
    import PIL.Image

    image = PIL.Image.fromarray(pixels)
    image.putpalette(voc_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _xml(masks: MaskSet, present: list[int], name: str) -> bytes:
    """Boxes count pixels from 1, the last one included."""
    root = ElementTree.Element("annotation")
    _add(root, "folder", str(Path(name).parent) if "/" in name else "")
    _add(root, "filename", name)
    size = ElementTree.SubElement(root, "size")
    for tag, length in zip(("width", "height", "depth"), (*masks.size, 3), strict=True):
        _add(size, tag, length)
    _add(root, "segmented", int(bool(present)))
    objects: list[Mask | BoxAnnotation] = [*(masks[index] for index in present), *masks.box_annotations]
    for each in objects:
        entry = ElementTree.SubElement(root, "object")
        _add(entry, "name", "".join(letter if letter >= " " else " " for letter in label_or_default(each)))
        for tag, known in VOC_DEFAULTS.items():
            _add(entry, tag, each.annotation.attributes.get(tag, known))
        x0, y0, x1, y1 = each.box
        box = ElementTree.SubElement(entry, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True):
            _add(box, tag, int(edge) if edge == int(edge) else edge)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text


def _add(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)


def _label_map(classes: dict[str, int]) -> str:
    """The list of classes that CVAT puts beside its VOC files: `name:r,g,b:parts:actions`."""
    colours = voc_palette().tolist()
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    lines += [f"{name.replace(':', ' ')}:{','.join(map(str, colours[kind]))}::" for name, kind in classes.items()]
    return "\n".join(lines) + "\n"


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image: as listed in `ImageSets/Segmentation/default.txt`, or all that have masks or boxes.

    Images that are damaged are skipped.

    Args:
        path: the folder, or the XML file of one image, as LabelImg writes it.

    Raises:
        InputError: not such a dataset.
    """
    if path.is_file():
        yield _boxes_of(path)
        return
    if not ((path / _OBJECTS).is_dir() or (path / _XML).is_dir()):
        raise InputError(f"cannot read {path} as Pascal VOC: it has neither a folder {_OBJECTS} nor {_XML}")
    listed = path / _LIST
    if listed.is_file():
        with reading(listed, "list of images"):
            stems = [safe_name(line.strip()) for line in decode_text(listed.read_bytes()).splitlines() if line.strip()]
    else:
        files = [*sorted((path / _OBJECTS).rglob("*.png")), *sorted((path / _XML).rglob("*.xml"))]
        stems = list(
            dict.fromkeys(Path(*file.relative_to(path).parts[1:]).with_suffix("").as_posix() for file in files)
        )
    colours = read_label_map(path / _LABEL_MAP)
    for stem in stems:
        try:
            with reading(path, "Pascal VOC"):
                found = _read_image(path, stem, colours)
        except InputError as error:
            skip("broken image", f"{path}, {stem}", error)
            continue
        yield found


def _read_image(root: Path, stem: str, colours: Mapping[int, str] | None = None) -> MaskSet:
    """One image; ``colours`` are the names of the classes, for objects that the XML does not name."""
    file, about = root / _OBJECTS / f"{stem}.png", root / _XML / f"{stem}.xml"
    objects = None
    if file.is_file() or not about.is_file():
        with reading(file, "Pascal VOC"):
            objects = load_voc_labels(file)
    name, size, entries = f"{stem}.jpg", None if objects is None else objects.shape[::-1], list[VocObject]()
    if about.is_file():
        with reading(about, "Pascal VOC"):
            xml = load_xml(about)
            name = xml.findtext("filename") or name
            stated = _size_of(xml, name, (root / "JPEGImages", about.parent)) or size
            if stated is None:
                raise InputError("it states no size, and the image is not there")
            if size is not None and size != stated:
                raise InputError(f"it states {stated}, the image in {_OBJECTS} is {size}")
            size = stated
            entries = read_voc_objects(xml, str(about))
    assert size is not None
    if objects is None:
        objects = np.zeros(size[::-1], np.uint8)
    classes = root / _CLASSES / f"{stem}.png"
    if colours and not entries and classes.is_file():
        with reading(classes, "Pascal VOC"):
            entries = objects_of_classes(objects, classes, colours)
    found = {value: mask for value, mask in masks_of_labels(objects) if value != VOID}
    numbered = dict(enumerate(entries, start=1))
    masks = [
        mask
        if value not in numbered
        else mask.replace(label=numbered[value].label, annotation=numbered[value].annotation)
        for value, mask in found.items()
    ]
    boxes = [
        BoxAnnotation(each.box, each.label, annotation=each.annotation)
        for number, each in numbered.items()
        if number not in found and each.box is not None
    ]
    with reading(about, "Pascal VOC"):
        record = image_record(name, (objects.shape[1], objects.shape[0]))
    return MaskSet(masks, image=record, box_annotations=boxes)


def _size_of(xml: ElementTree.Element, name: str, folders: Iterable[Path]) -> tuple[int, int] | None:
    """(width, height) as the XML states it, else of the image; None where neither is there."""
    width, height = xml.findtext("size/width"), xml.findtext("size/height")
    if (width or "0") != "0" and (height or "0") != "0":
        return image_size(width, height)
    for file in (folder / PurePosixPath(name.replace("\\", "/")).name for folder in folders):
        if file.is_file():
            with file.open("rb") as stream:
                return displayed_size(stream, MAX_MASK_PIXELS)
    return None


def _boxes_of(file: Path) -> MaskSet:
    """The objects of an XML file that lies by itself."""
    with reading(file, "Pascal VOC"):
        xml = load_xml(file)
        if xml.tag != "annotation":
            raise InputError(f"it begins with <{xml.tag}>, not <annotation>")
        name = xml.findtext("filename") or f"{file.stem}.jpg"
        size = _size_of(xml, name, (file.parent, file.parent.parent / "JPEGImages"))
        if size is None:
            raise InputError("it states no size, and the image is not beside it")
        found = read_voc_objects(xml, str(file))
        boxes = [BoxAnnotation(each.box, each.label, annotation=each.annotation) for each in found if each.box]
        return MaskSet([], image=image_record(name, size), box_annotations=boxes)


def _is_annotation(path: Path) -> bool:
    """Whether an XML file is of one image."""
    with path.open("rb") as file:
        return re.search(rb"<annotation[\s>]", file.read(4096)) is not None


FORMAT = Format(
    name="voc",
    title="Pascal VOC (ZIP)",
    summary="Pascal VOC: SegmentationObject and SegmentationClass (palette PNG) with Annotations (XML)",
    holds=Holds(overlaps="smaller on top", boxes=True, most_objects=254),
    suffix="",
    signature=Signature(folder_entries=(_OBJECTS, f"{_XML}/*.xml"), extensions=(".xml",), matches=_is_annotation),
    menu_position=80,
    write=write,
    read=read,
    image_suffix=".png",
    image_folder="JPEGImages",
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
