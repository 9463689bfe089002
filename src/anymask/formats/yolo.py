"""YOLO segmentation: a folder with `data.yaml` and, for each image, a text file of one polygon per object.

A line is the class and one ring, `0 x y x y …`, in parts of the image's width and height. Holes and parts are joined
by bridges of no width, so that one object stays one line. Images belong into `images/`, next to `labels/`, under the
same names; `photos.jsonl` notes their sizes, so that the labels can be read without them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import label_or_default
from anymask.formats.helpers.curves import rectangle_ring
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
    MAX_MASK_PIXELS,
    as_object,
    image_record,
    image_size,
    only_image,
    reading,
    safe_name,
    with_image,
)
from anymask.formats.helpers.yolo_folder import CLASSES, DATA, LabelledImage, YoloFolder
from anymask.formats.skipped import skip
from anymask.io.atomic import publish, staged_folder, write_file
from anymask.io.decoding import displayed_size
from anymask.io.text import decode_text
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


_INDEX = "photos.jsonl"


def write(masks: MaskSet, path: Path, *, tolerance: float = 0) -> list[Path]:
    """Write one image; see `write_dataset`."""
    return write_dataset([masks], path, tolerance=tolerance)


def write_dataset(
    sets: Iterable[MaskSet],
    path: Path,
    *,
    check: RoundTripCheck | None = None,
    tolerance: float = 0,
) -> list[Path]:
    """Write many images, one in memory at a time. An empty mask has no polygon and is left out.

    Args:
        sets: one per image.
        path: a folder, new or without labels.
        check: called for each image with its masks as they were and as they read from the file.
        tolerance: how far outlines may leave the pixels' edges, in pixels.

    Returns:
        The files written, `data.yaml` last.

    Raises:
        InputError: the folder holds a dataset already, or cannot be written.
    """
    check_tolerance(tolerance)
    if any((path / name).exists() for name in (DATA, "labels")):
        raise InputError(f"{path} holds a dataset already: give a new folder")
    names, classes = ImageNames(suffix=".txt"), dict[str, int]()
    files: list[str] = []
    with staged_folder(path) as stage:
        (stage / "labels").mkdir()
        with (stage / _INDEX).open("wb") as index:
            for masks in sets:
                record = masks.record
                name = names.name(record)
                text = "".join(_polygon_line(mask, classes, tolerance) for mask in iter_bounded(masks) if mask.area)
                file = Path("labels") / Path(name).with_suffix(".txt")
                write_file(stage / file, text.encode())
                files.append(str(file))
                about = {"photo": name, "width": record.width, "height": record.height, "sha256": record.sha256}
                index.write(json.dumps(about).encode() + b"\n")
                if check is not None:
                    check(masks, _read_lines(text, record, {number: label for label, number in classes.items()}))
        (stage / DATA).write_bytes(_data_yaml(classes))
        publish(stage, path, ["labels", _INDEX, DATA])
    return [path / name for name in (*files, _INDEX, DATA)]


def _polygon_line(mask: Mask, classes: dict[str, int], tolerance: float) -> str:
    number = classes.setdefault(label_or_default(mask), len(classes))
    ring = bridge_parts([bridge_holes(part) for part in parts_of(mask, tolerance)]) / mask.size
    # Seven digits place a corner to a hundredth of a pixel even in an image 100,000 pixels wide.
    return f"{number} " + " ".join(f"{value:.7f}".rstrip("0").rstrip(".") for value in ring.reshape(-1)) + "\n"


def _data_yaml(classes: dict[str, int]) -> bytes:
    """The description, which counts paths from its own folder, wherever that is."""
    import yaml

    names = {number: name for name, number in classes.items()}
    content = {"train": "images", "val": "images", "names": names}
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=math.inf)
    return text.encode("utf-8", "replace")


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image, also those without objects.

    Args:
        path: the folder, or its YAML file; see `anymask.formats.helpers.yolo_folder` for the layouts. Sizes come from
            `photos.jsonl`, or from the images.

    Raises:
        InputError: not such a dataset, or a damaged list of images.
    """
    with reading(path, "YOLO dataset"):
        folder = YoloFolder.open(path)
        images = list(folder.images())
        if not images and not (folder.root / _INDEX).is_file():
            raise InputError("there are no images and no labels beside it")
    listed = set[PurePosixPath]()
    for record in _listed_images(folder.root / _INDEX):
        name = PurePosixPath(str(record.path))
        listed.add(name.with_suffix(""))
        yield _read_labels((folder.root / "labels" / name).with_suffix(".txt"), record, folder)
    for each in images:
        if PurePosixPath(each.name).with_suffix("") not in listed:
            record_or_none = _record_of(each)
            if record_or_none is not None:
                yield _read_labels(each.labels, record_or_none, folder)


def _listed_images(index: Path) -> Iterator[ImageRecord]:
    """The images that we listed when we wrote the dataset."""
    if not index.is_file():
        return
    with reading(index, "list of images"), index.open("rb") as lines:
        for line in lines:
            entry = as_object(json.loads(line), "photo")
            size = image_size(entry["width"], entry["height"])
            yield image_record(safe_name(entry["photo"]), size, entry.get("sha256"))


def _record_of(image: LabelledImage) -> ImageRecord | None:
    """The record of an image that lies in the dataset, with the size of the file; None if that is not there."""
    if image.image is None:
        skip("labels without image", image.labels, "the image, which tells the size, is not there")
        return None
    try:
        with reading(image.image, "an image"), image.image.open("rb") as file:
            size = displayed_size(file, MAX_MASK_PIXELS)
    except InputError as error:
        skip("unreadable image", image.image, error)
        return None
    return image_record(image.name, size)


def _read_labels(file: Path | None, record: ImageRecord, folder: YoloFolder) -> MaskSet:
    """The masks of one image; without a file there are none."""
    if file is None or not file.is_file():
        return MaskSet([], image=record)
    try:
        with reading(file, "YOLO labels"):
            text = decode_text(file.read_bytes())
    except InputError as error:
        skip("unreadable labels", file, error)
        text = ""
    return _read_lines(text, record, folder.names, folder.has_keypoints, str(file))


def _read_lines(
    text: str, record: ImageRecord, names: Mapping[int, str] | None, has_keypoints: bool = False, where: str = ""
) -> MaskSet:
    masks = []
    for count, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            masks.append(_read_line(line, (record.width, record.height), names, has_keypoints))
        except (ValueError, OverflowError) as error:
            skip("broken line", f"{where}, line {count}", error)
    return MaskSet(masks, image=record)


def _read_line(line: str, size: tuple[int, int], names: Mapping[int, str] | None, has_keypoints: bool) -> Mask:
    """The object of one line: a class, then a polygon or a box, then a confidence where a model wrote it.

    Raises:
        InputError: neither, or an unknown class.
        ValueError: no numbers.
    """
    first, *values = np.array(line.split(), np.float64).tolist()
    if first != int(first):
        raise InputError(f"class {first} is no whole number")
    label = str(int(first)) if names is None else names.get(int(first))
    if label is None:
        raise InputError(f"class {int(first)} is not among the {len(names or ())} names")
    if len(values) in (4, 5) or has_keypoints:
        x, y, width, height = values[:4]
        score = values[4] if len(values) == 5 else None
        ring = rectangle_ring((x - width / 2, y - height / 2), (width, height))
        return polygon_mask([ring * size], size, label=label, score=score)
    if len(values) < 6:
        raise InputError(f"{len(values)} numbers after the class; a box takes 4, a polygon pairs, at least 3")
    score = values.pop() if len(values) % 2 else None
    return polygon_mask([np.reshape(values, (-1, 2)) * size], size, label=label, score=score)


FORMAT = Format(
    name="yolo",
    title="YOLO segmentation (TXT)",
    summary="YOLO segmentation: labels/*.txt and data.yaml; holes and parts joined by bridges",
    holds=Holds(holes="bridged", parts="bridged"),
    suffix="",
    options=(TOLERANCE,),
    signature=Signature(folder_entries=(DATA, CLASSES), extensions=(".yaml", ".yml"), counts_in_folder=False),
    menu_position=40,
    write=write,
    read=read,
    image_suffix=".txt",
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
