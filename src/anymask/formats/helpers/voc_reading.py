"""Reading the parts of a Pascal VOC dataset: label images with a palette or in colours, objects, names of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.helpers.annotations import DEFAULT_LABEL
from anymask.formats.helpers.validation import load_stored_image, reading
from anymask.formats.skipped import skip
from anymask.io.text import decode_text
from anymask.structures.annotation import Annotation

VOID = 255
"""The value of pixels along borders that belong to no object."""

VOC_DEFAULTS = {"pose": "Unspecified", "truncated": "0", "difficult": "0"}
"""What an object states besides name and box, with the value that says nothing."""


@dataclass(frozen=True)
class VocObject:
    """An object as the XML has it.

    Attributes:
        label: name of its class.
        box: (x_min, y_min, x_max, y_max) in pixel edges; None if it has none.
        annotation: its attributes.
    """

    label: str
    box: tuple[float, float, float, float] | None = None
    annotation: Annotation = field(default_factory=Annotation)


def voc_palette() -> NDArray[np.uint8]:
    """VOC's colours, uint8 [256, 3]: three bits of a number at a time become high bits of red, green, blue."""
    colours = np.zeros((256, 3), np.uint8)
    for shift in range(8):
        for channel in range(3):
            bits = (np.arange(256) >> (3 * shift + channel)) & 1
            colours[:, channel] |= (bits << (7 - shift)).astype(np.uint8)
    return colours


def load_voc_labels(file: Path) -> NDArray[np.uint8]:
    """The values of a label image, uint8 [H, W]: palette indices, or numbers of VOC's colours, as datumaro writes them.

    Raises:
        InputError: other colours, or no image.
    """
    image = load_stored_image(file)
    if image.mode in ("P", "L"):
        return np.asarray(image)
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(f"it has mode {image.mode}; it takes a palette, pixel value n for object n, or VOC's colours")
    wanted = _codes(voc_palette())
    order = np.argsort(wanted)
    codes = _codes(np.asarray(image)[:, :, :3])
    places = order[np.clip(np.searchsorted(wanted[order], codes), 0, 255)]
    if not (wanted[places] == codes).all():
        raise InputError("it has colours that are not in Pascal VOC's palette")
    return places.astype(np.uint8)


def _codes(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """One number for each colour: uint8 [..., 3] → int64 [...]."""
    codes: NDArray[np.int64] = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return codes


def read_voc_objects(xml: ElementTree.Element, where: str) -> list[VocObject]:
    """The objects of an image in their order, which is that of the values of its label image."""
    found = []
    for place, entry in enumerate(xml.iterfind("object")):
        texts = {tag: entry.findtext(tag) for tag in VOC_DEFAULTS}
        attributes = {tag: text for tag, text in texts.items() if text and text != VOC_DEFAULTS[tag]}
        annotation = Annotation(occluded=entry.findtext("occluded") == "1", attributes=attributes)
        box = None
        if entry.find("bndbox") is not None:
            try:
                box = _box(entry)
            except InputError as error:
                skip("broken box", f"{where}, object {place}", error)
        found.append(VocObject(entry.findtext("name") or DEFAULT_LABEL, box, annotation))
    return found


def _box(entry: ElementTree.Element) -> tuple[float, float, float, float]:
    """The box of an object; VOC counts pixels from 1, the last one included."""
    try:
        x0, y0, x1, y1 = (float(entry.findtext(f"bndbox/{tag}") or "") for tag in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        raise InputError("its box needs xmin, ymin, xmax, ymax as numbers") from None
    if not (x0 - 1 < x1 and y0 - 1 < y1 and math.isfinite(x0 + y0 + x1 + y1)):
        raise InputError(f"its box goes from {x0:g}, {y0:g} to {x1:g}, {y1:g}")
    return x0 - 1, y0 - 1, x1, y1


def read_label_map(path: Path) -> dict[int, str]:
    """The names of classes by colour, red << 16 | green << 8 | blue, of `labelmap.txt`; empty without such a file."""
    if not path.is_file():
        return {}
    found = {}
    with reading(path, "label map"):
        for line in decode_text(path.read_bytes()).splitlines():
            name, _, rest = line.partition(":")
            colour = rest.partition(":")[0].split(",")
            if name and not name.startswith("#") and len(colour) == 3:
                red, green, blue = map(int, colour)
                found[red << 16 | green << 8 | blue] = name
    return found


def objects_of_classes(objects: NDArray[np.uint8], file: Path, colours: Mapping[int, str]) -> list[VocObject]:
    """Objects that no XML names, by the image of their classes.

    Args:
        objects: uint8 [H, W], the number of the object of each pixel.
        file: the image in `SegmentationClass`.
        colours: of `read_label_map`.

    Raises:
        InputError: an image of another size.
    """
    codes = _codes(np.asarray(load_stored_image(file).convert("RGB")))
    if codes.shape != objects.shape:
        raise InputError(f"it is {codes.shape[::-1]}, the image of the objects {objects.shape[::-1]}")
    found = []
    last = int(objects[objects != VOID].max(initial=0))
    for value in range(1, last + 1):
        values, counts = np.unique(codes[objects == value], return_counts=True)
        name = colours.get(int(values[counts.argmax()])) if values.size else None
        found.append(VocObject(name or DEFAULT_LABEL))
    return found
