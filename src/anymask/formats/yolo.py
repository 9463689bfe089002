"""YOLO segmentation: a folder with `data.yaml` and, for each image, a text file of one polygon per object.

A line is the class and one ring, `0 x y x y …`, in parts of the image's width and height. Holes and parts are joined
by bridges of no width, so that one object stays one line. Images belong into `images/`, next to `labels/`, under the
same names; `photos.jsonl` notes their sizes, so that the labels can be read without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import Format, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import label_or_default
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
from anymask.io.atomic import publish, staged_folder, write_file
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


_INDEX = "photos.jsonl"
_DATA = "data.yaml"
_IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


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
    if any((path / name).exists() for name in (_DATA, "labels")):
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
        (stage / _DATA).write_text(_data_yaml(classes), encoding="utf-8")
        publish(stage, ["labels", _INDEX, _DATA])
    return [path / name for name in (*files, _INDEX, _DATA)]


def _polygon_line(mask: Mask, classes: dict[str, int], tolerance: float) -> str:
    number = classes.setdefault(label_or_default(mask), len(classes))
    ring = bridge_parts([bridge_holes(part) for part in parts_of(mask, tolerance)]) / mask.size
    # Seven digits place a corner to a hundredth of a pixel even in an image 100,000 pixels wide.
    return f"{number} " + " ".join(f"{value:.7f}".rstrip("0").rstrip(".") for value in ring.reshape(-1)) + "\n"


def _data_yaml(classes: dict[str, int]) -> str:
    """Quoted as in JSON, which YAML takes as it is."""
    lines = ["path: .", "train: images", "val: images", "names:"]
    lines += [f"  {number}: {json.dumps(name)}" for name, number in classes.items()]
    return "\n".join(lines if classes else [*lines[:-1], "names: {}"]) + "\n"


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image that has a label file.

    Args:
        path: the folder, or its `data.yaml`. Sizes come from `photos.jsonl`, or from the images in `images/`.

    Raises:
        InputError: not such a dataset, a damaged line, or an image of unknown size.
    """
    folder = path.parent if path.name.endswith((".yaml", ".yml")) else path
    data = path if path != folder else folder / _DATA
    with reading(data, "YOLO dataset"):
        labels = _class_names(data)
        if not (folder / "labels").is_dir():
            raise InputError("there is no folder 'labels' beside it")
    for record, file in _image_records(folder):
        with reading(file, "YOLO labels"):
            masks = _read_lines(file.read_text(encoding="utf-8"), record, labels)
        yield masks


def _class_names(data: Path) -> dict[int, str]:
    import yaml

    try:
        content = yaml.safe_load(data.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(" ".join(str(error).split())) from None
    names = as_object(content, "data.yaml").get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    return {int(number): str(name) for number, name in as_object(names, "names").items()}


def _image_records(folder: Path) -> Iterator[tuple[ImageRecord, Path]]:
    """Each image with its label file: as listed, or else every text file with the image of the same name."""
    index = folder / _INDEX
    if index.is_file():
        with reading(index, "list of images"), index.open("rb") as lines:
            for line in lines:
                entry = as_object(json.loads(line), "photo")
                name = safe_name(entry["photo"])
                size = image_size(entry["width"], entry["height"])
                yield image_record(name, size, entry.get("sha256")), (folder / "labels" / name).with_suffix(".txt")
        return
    for file in sorted((folder / "labels").rglob("*.txt")):
        relative = file.relative_to(folder / "labels")
        images = [
            image
            for ending in _IMAGE_EXTENSIONS
            if (image := (folder / "images" / relative).with_suffix(ending)).is_file()
        ]
        if not images:
            raise InputError(
                f"cannot tell the size of the image of {file}: there is no {relative.with_suffix('.jpg')} (or .png …) "
                f"in {folder / 'images'}, and no {_INDEX}"
            )
        yield ImageRecord(*_displayed_size(images[0]), images[0].relative_to(folder / "images").as_posix()), file


def _displayed_size(image: Path) -> tuple[int, int]:
    """(width, height) as displayed, from the file's head."""
    from anymask.io.decoding import displayed_size

    with reading(image, "an image"), image.open("rb") as file:
        return displayed_size(file, MAX_MASK_PIXELS)


def _read_lines(text: str, record: ImageRecord, labels: dict[int, str]) -> MaskSet:
    size = (record.width, record.height)
    masks = []
    for count, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            number, *values = line.split()
            ring: Any = np.array(values, np.float64)
            if len(values) < 6 or len(values) % 2:
                raise InputError(f"{len(values)} numbers after the class; a polygon takes pairs, at least 3")
            masks.append(polygon_mask([ring.reshape(-1, 2) * size], size, label=_label(number, labels)))
        except (ValueError, InputError) as error:
            raise InputError(f"line {count}: {error}") from None
    return MaskSet(masks, image=record)


def _label(number: str, labels: dict[int, str]) -> str:
    if int(number) not in labels:
        raise InputError(f"class {number} is not among the names of data.yaml")
    return labels[int(number)]


FORMAT = Format(
    name="yolo",
    title="YOLO segmentation (TXT)",
    summary="YOLO segmentation: labels/*.txt and data.yaml; holes and parts joined by bridges",
    suffix="",
    options=(TOLERANCE,),
    signature=Signature(folder_entry=_DATA, extensions=(".yaml", ".yml"), counts_in_folder=False),
    menu_position=40,
    write=write,
    read=read,
    image_suffix=".txt",
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
