"""YOLO segmentation: a folder with `data.yaml` and, for each image, a text file of one polygon per object.

A line is the class and one ring, `0 x y x y …`, in parts of the image's width and height. Holes and parts are joined
by bridges of no width, so that one object stays one line. Images belong into `images/`, next to `labels/`, under the
same names; `photos.jsonl` notes their sizes, so that the labels can be read without them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import DEFAULT_LABEL, label_or_default
from anymask.formats.helpers.curves import rectangle_ring
from anymask.formats.helpers.image_names import ImageNames
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
    MAX_MASK_PIXELS,
    as_list,
    as_object,
    image_record,
    image_size,
    only_image,
    reading,
    safe_name,
    with_image,
)
from anymask.formats.helpers.yolo_folder import CLASSES, DARKNET_NAMES, DATA, LabelledImage, YoloFolder, image_folders
from anymask.formats.skipped import skip
from anymask.io.atomic import publish, staged_folder, write_file
from anymask.io.decoding import displayed_size
from anymask.io.text import decode_text
from anymask.structures.annotation import BoxAnnotation, Category, DatasetRecord, SourceShape
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.polygons import Ring
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
    names, classes = ImageNames(suffix=".txt", split_folders=True), dict[str, int]()
    parts: dict[str, str] = {}
    files: list[str] = []
    with staged_folder(path) as stage:
        (stage / "labels").mkdir()
        with (stage / _INDEX).open("wb") as index:
            for masks in sets:
                for category in masks.dataset.categories if masks.dataset is not None else ():
                    classes.setdefault(category.name, len(classes))
                record = masks.record
                name = names.name(record)
                parts |= {record.split: f"images/{record.split}"} if record.split else {}
                lines = [_polygon_line(mask, classes, tolerance) for mask in iter_bounded(masks) if _has_outline(mask)]
                boxes = list(range(len(lines), len(lines) + len(masks.box_annotations))) if lines else []
                lines += [_box_line(box, masks.size, classes, as_polygon=bool(boxes)) for box in masks.box_annotations]
                text = "".join(f"{line}\n" for line in lines)
                file = Path("labels") / Path(name).with_suffix(".txt")
                write_file(stage / file, text.encode())
                files.append(str(file))
                about: dict[str, Any] = {
                    "photo": name,
                    "width": record.width,
                    "height": record.height,
                    "sha256": record.sha256,
                }
                about |= ({"boxes": boxes} if boxes else {}) | ({"split": record.split} if record.split else {})
                index.write(json.dumps(about).encode() + b"\n")
                if check is not None:
                    check(masks, _read_lines(text, record, {number: label for label, number in classes.items()}, boxes))
        (stage / DATA).write_bytes(_data_yaml(classes, parts))
        publish(stage, path, ["labels", _INDEX, DATA])
    return [path / name for name in (*files, _INDEX, DATA)]


def _has_outline(mask: Mask) -> bool:
    return bool(mask.area) or drawn_ring(mask, within=mask.size) is not None


def _polygon_line(mask: Mask, classes: dict[str, int], tolerance: float) -> str:
    number = classes.setdefault(label_or_default(mask), len(classes))
    if mask.source_shape is not None and mask.source_shape.format == "yolo" and not tolerance:
        return f"{number} {mask.source_shape.fields['line']}"
    drawn = None if tolerance else drawn_ring(mask, within=mask.size)
    if drawn is not None:
        return f"{number} {_numbers(drawn / mask.size, 12)}"
    ring = bridge_parts([bridge_holes(part) for part in parts_of(mask, tolerance)]) / mask.size
    # Seven digits place a corner to a hundredth of a pixel even in an image 100,000 pixels wide.
    return f"{number} {_numbers(ring, 7)}"


def _box_line(box: BoxAnnotation, size: tuple[int, int], classes: dict[str, int], as_polygon: bool) -> str:
    """A box by centre and sides, or by its corners: ultralytics skips images of which only some lines are polygons."""
    number = classes.setdefault(box.label or DEFAULT_LABEL, len(classes))
    if box.source_shape is not None and box.source_shape.format == "yolo" and not as_polygon:
        return f"{number} {box.source_shape.fields['line']}"
    x0, y0, x1, y1 = box.box
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) / size
    middle = np.array([((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)]) / size
    return f"{number} {_numbers(corners if as_polygon else middle, 12)}"


def _numbers(pairs: Ring, digits: int) -> str:
    """Pairs of numbers, float64 [N, 2], without zeros at their ends."""
    return " ".join(f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in pairs.reshape(-1))


def _data_yaml(classes: dict[str, int], parts: Mapping[str, str]) -> bytes:
    """The description, which counts paths from its own folder, wherever that is; train and val have to be there."""
    import yaml

    names = {number: name for name, number in classes.items()}
    train = parts.get("train", next(iter(parts.values()), "images"))
    content = {"train": train, "val": train, **parts, "names": names}
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
    for record, boxes in _listed_images(folder.root / _INDEX):
        name = PurePosixPath(str(record.path))
        listed.add(name.with_suffix(""))
        yield _read_labels((folder.root / "labels" / name).with_suffix(".txt"), record, folder, boxes)
    for each in images:
        if PurePosixPath(each.name).with_suffix("") not in listed:
            record_or_none = _record_of(each)
            if record_or_none is not None:
                yield _read_labels(each.labels, record_or_none, folder)


def _listed_images(index: Path) -> Iterator[tuple[ImageRecord, list[int]]]:
    """The images that we listed when we wrote the dataset, and which of their lines are boxes by their corners."""
    if not index.is_file():
        return
    with reading(index, "list of images"), index.open("rb") as lines:
        for line in lines:
            entry = as_object(json.loads(line), "photo")
            size = image_size(entry["width"], entry["height"])
            split = entry.get("split") if entry.get("split") in ("train", "val", "test") else None
            record = image_record(safe_name(entry["photo"]), size, entry.get("sha256"), split=split)
            yield record, as_list(entry.get("boxes", []), "boxes")


def _record_of(image: LabelledImage) -> ImageRecord | None:
    """The record of an image that lies in the dataset, with the size of the file; None if that is not there."""
    if image.image is None:
        skip("labels without image", image.labels, "the image is missing or cannot be read, so its size is unknown")
        return None
    try:
        with reading(image.image, "an image"), image.image.open("rb") as file:
            size = displayed_size(file, MAX_MASK_PIXELS)
    except InputError as error:
        skip("unreadable image", image.image, error)
        return None
    return image_record(image.name, size, split=image.split)


def _read_labels(file: Path | None, record: ImageRecord, folder: YoloFolder, boxes: Sequence[int] = ()) -> MaskSet:
    """The objects of one image; without a file there are none."""
    text = ""
    if file is not None and file.is_file():
        try:
            with reading(file, "YOLO labels"):
                text = decode_text(file.read_bytes())
        except InputError as error:
            skip("unreadable labels", file, error)
    return _read_lines(text, record, folder.names, boxes, folder.has_keypoints, str(file))


def _read_lines(
    text: str,
    record: ImageRecord,
    names: Mapping[int, str] | None,
    boxes: Sequence[int] = (),
    has_keypoints: bool = False,
    where: str = "",
) -> MaskSet:
    """The objects of a label file; ``boxes`` are the places of lines that are boxes, though they have four corners."""
    objects: list[Mask | BoxAnnotation] = []
    for place, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        try:
            size = (record.width, record.height)
            objects.append(_read_line(line, size, names, place in boxes, has_keypoints))
        except (ValueError, OverflowError) as error:
            skip("broken line", f"{where}, line {place + 1}", error)
    categories = tuple(Category(name, number) for number, name in sorted((names or {}).items()))
    return MaskSet(
        [each for each in objects if isinstance(each, Mask)],
        image=record,
        box_annotations=[each for each in objects if isinstance(each, BoxAnnotation)],
        dataset=DatasetRecord("yolo", categories),
    )


def _read_line(
    line: str, size: tuple[int, int], names: Mapping[int, str] | None, is_box: bool, has_keypoints: bool
) -> Mask | BoxAnnotation:
    """The object of one line: a class, then a polygon or a box, then a confidence where a model wrote it.

    Raises:
        InputError: neither, or an unknown class.
        ValueError: no numbers.
    """
    first, *values = np.array(line.split(), np.float64).tolist()
    if first != int(first):
        raise InputError(f"class {first} is not an integer")
    label = str(int(first)) if names is None else names.get(int(first))
    if label is None:
        raise InputError(f"class {int(first)} is not among the {len(names or ())} names")
    words = line.split()[1:]
    if len(values) in (4, 5) or has_keypoints:
        x, y, width, height = values[:4]
        score, words = values[4] if len(values) == 5 else None, words[:4]
        ring, is_box = rectangle_ring((x - width / 2, y - height / 2), (width, height)), True
    elif len(values) < 6:
        raise InputError(f"{len(values)} numbers after the class; a box takes 4, a polygon pairs, at least 3")
    else:
        score = values.pop() if len(values) % 2 else None
        words, ring = words[: len(values)], np.reshape(values, (-1, 2))
    drawn = () if is_box else (tuple((ring * size).round(6).reshape(-1).tolist()),)
    shape = SourceShape("yolo", {"line": " ".join(words)}, drawn)
    if not is_box:
        return polygon_mask([ring * size], size, label=label, score=score, source_shape=shape)
    corners = parse_ring(ring * size, size)
    (x0, y0), (x1, y1) = corners.min(axis=0).round(6).tolist(), corners.max(axis=0).round(6).tolist()
    return BoxAnnotation((x0, y0, x1, y1), label, score, source_shape=shape if len(words) == 4 else None)


FORMAT = Format(
    name="yolo",
    title="YOLO segmentation (TXT)",
    summary="YOLO segmentation: labels/*.txt and data.yaml; holes and parts joined by bridges",
    holds=Holds(holes="bridged", parts="bridged", vertices="of one polygon within the image", boxes=True),
    suffix="",
    options=(TOLERANCE,),
    signature=Signature(
        folder_entries=(DATA, CLASSES, DARKNET_NAMES),
        weak_entries=("labels/*.txt", "labels/*/*.txt"),
        extensions=(".yaml", ".yml"),
        counts_in_folder=False,
    ),
    menu_position=40,
    write=write,
    read=read,
    image_suffix=".txt",
    image_folder="images",
    find_image_folders=image_folders,
    has_split_folders=True,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
