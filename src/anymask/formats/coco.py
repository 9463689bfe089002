"""COCO dataset JSON: images, categories and annotations in one file, masks as run lengths or polygons.

Run lengths are exact. An object with a hole or of several parts is as little a crowd as any other: `iscrowd` is 1 only
on request. Area and box come from the mask, boxes are `[x, y, width, height]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import encode_json, known_scores, label_or_default
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.outlines import TOLERANCE, bridge_holes, check_tolerance, parts_of, polygon_mask
from anymask.formats.helpers.spool import spooled_file
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    image_record,
    image_size,
    load_json,
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


def write(
    masks: MaskSet, path: Path, *, polygons: bool = False, tolerance: float = 0, crowd: bool = False
) -> list[Path]:
    """Write one image; options are those of `write_dataset`."""
    return write_dataset([masks], path, polygons=polygons, tolerance=tolerance, crowd=crowd)


def write_dataset(
    sets: Iterable[MaskSet],
    path: Path,
    *,
    check: RoundTripCheck | None = None,
    polygons: bool = False,
    tolerance: float = 0,
    crowd: bool = False,
) -> list[Path]:
    """Write many images into one file; only one of them is in memory at a time.

    Args:
        sets: one per image.
        path: of the JSON.
        check: called for each image with its masks as they were and as they read from the file.
        polygons: outlines instead of run lengths; holes are joined to their outline by bridges of no width.
        tolerance: how far polygons may leave the pixels' edges, in pixels.
        crowd: mark every annotation as a crowd.

    Raises:
        InputError: a path that cannot be written, or two images of one name.
    """
    check_tolerance(tolerance)
    if tolerance and not polygons:
        raise InputError("a tolerance is for polygons; run lengths are exact")
    names, categories, count = ImageNames(), _Categories(), 0
    with spooled_file(path, lists=2, separator=b",\n  ") as (target, (images, annotations)):
        for image_id, masks in enumerate(sets, start=1):
            entries = []
            for mask in iter_bounded(masks):
                count += 1
                entry = _annotation_entry(mask, polygons, tolerance, crowd)
                category = categories.number(label_or_default(mask))
                entries.append({"id": count, "image_id": image_id, "category_id": category, **entry})
            record = masks.record
            about: dict[str, Any] = {"id": image_id, "file_name": names.name(record)}
            about |= {"width": record.width, "height": record.height}
            images.add(encode_json({**about, **({"sha256": record.sha256} if record.sha256 else {})}))
            for entry in entries:
                annotations.add(encode_json(entry))
            if check is not None:
                check(
                    masks,
                    MaskSet([_read_mask(entry, masks.size, categories.by_number) for entry in entries], image=record),
                )
        target.write(b'{"info": {"description": "made by anymask"}, "licenses": [],\n "categories": ')
        target.write(encode_json(categories.entries))
        for name, spool in ((b"images", images), (b"annotations", annotations)):
            target.write(b',\n "' + name + b'": [\n  ')
            spool.pour(target)
            target.write(b"\n ]")
        target.write(b"\n}\n")
    return [path]


class _Categories:
    """Category numbers, in the order in which labels first appear."""

    def __init__(self) -> None:
        self.by_number: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers) + 1
            self.by_number[self._numbers[name]] = name
        return self._numbers[name]

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [{"id": number, "name": name, "supercategory": ""} for number, name in self.by_number.items()]


def _annotation_entry(mask: Mask, polygons: bool, tolerance: float, crowd: bool) -> dict[str, Any]:
    x0, y0, x1, y1 = mask.box
    segmentation: Any = mask.rle
    if polygons and mask.area:  # pycocotools takes no empty list of polygons
        segmentation = [bridge_holes(part).reshape(-1).tolist() for part in parts_of(mask, tolerance)]
    return {
        "segmentation": segmentation,
        "area": mask.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": int(crowd),
        **known_scores(mask),
    }


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


@dataclass(frozen=True)
class CocoIndex:
    """A COCO file with its annotations sorted by image; all entries are as they stand in the file.

    Attributes:
        categories: id → name.
        images: the entries of `images`, in their order.
        annotations: id of an image → its entries of `annotations`, in their order.
    """

    categories: dict[Any, str]
    images: list[dict[str, Any]]
    annotations: dict[Any, list[dict[str, Any]]]


def load_index(path: Path) -> CocoIndex:
    """Load a COCO file; masks are not decoded.

    Raises:
        InputError: not such a file, or damaged: two images with one id, or an annotation of an image that is not there.
    """
    with reading(path, "COCO"):
        content = load_json(path)
        categories = {
            entry["id"]: str(entry["name"])
            for entry in (
                as_object(each, "categories") for each in as_list(content.get("categories", []), "categories")
            )
        }
        images = [as_object(each, "images") for each in as_list(content["images"], "images")]
        annotations: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
        if len(annotations) != len(images):
            raise InputError("two images have the same id")
        for entry in (as_object(each, "annotations") for each in as_list(content["annotations"], "annotations")):
            image = entry["image_id"]
            if image not in annotations:
                raise InputError(f"annotation {entry.get('id')!r} is about image {image!r}, which is not in 'images'")
            annotations[image].append(entry)
    return CocoIndex(categories, images, annotations)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image of a dataset, in the order of its `images`; masks are decoded when their pixels are needed.

    Raises:
        InputError: not such a file, or damaged.
    """
    index = load_index(path)
    for image in index.images:
        with reading(path, "COCO"):
            size = image_size(image["width"], image["height"])
            record = image_record(image["file_name"], size, image.get("sha256"))
            masks = [_read_mask(entry, size, index.categories) for entry in index.annotations.pop(image["id"])]
        yield MaskSet(masks, image=record)


def _read_mask(entry: dict[str, Any], size: tuple[int, int], labels: dict[Any, str]) -> Mask:
    about = {
        "score": optional_float(entry.get("score", entry.get("predicted_iou"))),
        "stability": optional_float(entry.get("stability_score")),
        "label": labels.get(entry.get("category_id")),
    }
    shape = entry.get("segmentation")
    if isinstance(shape, dict):
        if list(shape.get("size", ())) != [size[1], size[0]]:
            raise InputError(f"annotation {entry.get('id')!r} has the size {shape.get('size')}, its image {size}")
        return Mask.from_rle(shape, **about)
    if isinstance(shape, list):
        return polygon_mask(shape, size, **about)
    raise InputError(f"annotation {entry.get('id')!r} has no segmentation")


FORMAT = Format(
    name="coco",
    title="COCO (JSON)",
    summary="COCO dataset JSON: images, categories, masks as RLE (exact) or polygons",
    holds=Holds(empty_masks=True, scores=("score", "stability")),
    suffix=".json",
    media_type="application/json",
    options=(
        FormatOption(
            name="polygons",
            flag="--polygons",
            value=True,
            help="Outlines instead of run lengths.",
            holds=Holds(holes="bridged", empty_masks=True, scores=("score", "stability")),
        ),
        FormatOption(name="crowd", flag="--crowd", value=True, help="Mark every annotation as a crowd."),
        TOLERANCE,
    ),
    signature=Signature(extensions=(".json",), json_keys=frozenset({"images", "annotations"})),
    menu_position=20,
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
