"""Pascal VOC: palette images `SegmentationObject` and `SegmentationClass`, and an XML with the boxes.

Pixel value n of `SegmentationObject` is the n-th object of the XML. A pixel belongs to one object: where masks overlap
the smaller one lies on top. Nothing is marked as void (255) on writing; on reading it belongs to no object.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import DEFAULT_LABEL, label_or_default
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.label_images import masks_of_labels
from anymask.formats.helpers.validation import (
    image_record,
    image_size,
    load_stored_image,
    load_xml,
    only_image,
    reading,
    safe_name,
    with_image,
)
from anymask.io.atomic import publish, staged_folder, write_file
from anymask.io.text import decode_text
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded

if TYPE_CHECKING:
    from anymask.io.image import Image

_MAX_VALUE = 254
_VOID = 255
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
    for index in sorted(present, key=lambda index: -masks[index].area):
        mask = masks[index]
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


def palette() -> NDArray[np.uint8]:
    """VOC's colours, uint8 [256, 3]: three bits of a number at a time become high bits of red, green, blue."""
    colours = np.zeros((256, 3), np.uint8)
    for shift in range(8):
        for channel in range(3):
            bits = (np.arange(256) >> (3 * shift + channel)) & 1
            colours[:, channel] |= (bits << (7 - shift)).astype(np.uint8)
    return colours


def _palette_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of palette indices, uint8 [H, W], with VOC's colours."""
    import PIL.Image

    image = PIL.Image.fromarray(pixels)
    image.putpalette(palette().tobytes())
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
    for index in present:
        entry = ElementTree.SubElement(root, "object")
        _add(entry, "name", "".join(letter if letter >= " " else " " for letter in label_or_default(masks[index])))
        for tag, known in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
            _add(entry, tag, known)
        x0, y0, x1, y1 = masks[index].box
        box = ElementTree.SubElement(entry, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), (x0 + 1, y0 + 1, x1, y1), strict=True):
            _add(box, tag, edge)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text


def _add(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)


def _label_map(classes: dict[str, int]) -> str:
    """The list of classes that CVAT puts beside its VOC files: `name:r,g,b:parts:actions`."""
    colours = palette().tolist()
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    lines += [f"{name.replace(':', ' ')}:{','.join(map(str, colours[kind]))}::" for name, kind in classes.items()]
    return "\n".join(lines) + "\n"


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image: as listed in `ImageSets/Segmentation/default.txt`, or all of `SegmentationObject`.

    Raises:
        InputError: not such a dataset, or damaged.
    """
    folder = path / _OBJECTS
    if not folder.is_dir():
        raise InputError(f"cannot read {path} as Pascal VOC: it has no folder {_OBJECTS}")
    listed = path / _LIST
    if listed.is_file():
        with reading(listed, "list of images"):
            stems = [safe_name(line.strip()) for line in decode_text(listed.read_bytes()).splitlines() if line.strip()]
    else:
        stems = [file.relative_to(folder).with_suffix("").as_posix() for file in sorted(folder.rglob("*.png"))]
    for stem in stems:
        yield _read_image(path, stem)


def _read_image(root: Path, stem: str) -> MaskSet:
    file, about = root / _OBJECTS / f"{stem}.png", root / _XML / f"{stem}.xml"
    with reading(file, "Pascal VOC"):
        objects = _load_labels(file)
    name, labels = f"{stem}.jpg", list[str]()
    if about.is_file():
        with reading(about, "Pascal VOC"):
            xml = load_xml(about)
            labels = [entry.findtext("name") or DEFAULT_LABEL for entry in xml.iterfind("object")]
            name = xml.findtext("filename") or name
            size = image_size(xml.findtext("size/width"), xml.findtext("size/height"))
            if size != objects.shape[::-1]:
                raise InputError(f"it states {size}, the image in {_OBJECTS} is {objects.shape[::-1]}")
    masks = []
    for value, mask in masks_of_labels(objects):
        if value != _VOID:
            masks.append(mask.replace(label=labels[value - 1] if value <= len(labels) else None))
    with reading(about, "Pascal VOC"):
        record = image_record(name, (objects.shape[1], objects.shape[0]))
    return MaskSet(masks, image=record)


def _load_labels(file: Path) -> NDArray[np.uint8]:
    """The palette indices of a PNG, uint8 [H, W]."""
    image = load_stored_image(file)
    if image.mode not in ("P", "L"):
        raise InputError(f"it has mode {image.mode}; it takes a palette, pixel value n for object n")
    return np.asarray(image)


FORMAT = Format(
    name="voc",
    title="Pascal VOC (ZIP)",
    summary="Pascal VOC: SegmentationObject and SegmentationClass (palette PNG) with Annotations (XML)",
    holds=Holds(overlaps="smaller on top", most_objects=254),
    suffix="",
    signature=Signature(folder_entries=(_OBJECTS,)),
    menu_position=80,
    write=write,
    read=read,
    image_suffix=".png",
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
