"""COCO dataset JSON: images, categories and annotations in one file, masks as run lengths or polygons.

Run lengths are exact, and polygons of formats that fill them as pycocotools does, and that nobody has changed, stay as
they were drawn; those of others do with `polygons`. An object with a hole or of several parts is as little a crowd as
any other: `iscrowd` is 1 where it was, and on request. Area and box come from the mask, boxes are
`[x, y, width, height]`. An object with a box and no mask has `"segmentation": []`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, RoundTripCheck, Signature
from anymask.formats.helpers.annotations import encode_json, known_scores, label_or_default
from anymask.formats.helpers.coco_numbers import CocoCategories, FreeIds
from anymask.formats.helpers.coco_panoptic import expanded
from anymask.formats.helpers.coco_reading import box_instead, lists_images, load_index, read_object, read_record
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.helpers.outlines import TOLERANCE, bridge_holes, check_tolerance, parts_of
from anymask.formats.helpers.spool import spooled_file
from anymask.formats.helpers.validation import only_image, reading, with_image
from anymask.formats.skipped import skip
from anymask.structures.annotation import BoxAnnotation, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

_HOLDS = Holds(
    empty_masks=True, scores=("confidence", "stability"), vertices="if filled alike", categories=True, ids="yes",
    attributes=True, details=True, crowd=True, boxes=True, further_fields="its own",
)  # fmt: skip


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
    numbers = _Numbers()
    with spooled_file(path, lists=2, separator=b",\n  ") as (target, (images, annotations)):
        for masks in sets:
            entry, objects = _entries(masks, numbers, polygons, tolerance, crowd)
            images.add(encode_json(entry))
            for each in objects:
                annotations.add(encode_json(each))
            if check is not None:
                check(masks, _image_of(objects, masks.record, numbers.categories.names, masks.dataset, str(path)))
        head = {"info": {"description": "made by anymask"}, "licenses": [], **numbers.extra}
        head["categories"] = numbers.categories.entries
        target.write(b"{" + b",\n ".join(encode_json(name) + b": " + encode_json(head[name]) for name in head))
        for name, spool in ((b"images", images), (b"annotations", annotations)):
            target.write(b',\n "' + name + b'": [\n  ')
            spool.pour(target)
            target.write(b"\n ]")
        target.write(b"\n}\n")
    return [path]


class _Numbers:
    """Names, numbers and further fields of all images of a file."""

    def __init__(self) -> None:
        self.names, self.categories = ImageNames(keep_paths=True), CocoCategories()
        self.images, self.annotations = FreeIds(), FreeIds()
        self.extra: dict[str, Any] = {}


def _entries(
    masks: MaskSet, numbers: _Numbers, polygons: bool, tolerance: float, crowd: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The entries of one image in `images` and `annotations`."""
    record, dataset = masks.record, masks.dataset
    numbers.categories.add(dataset)
    is_own = dataset is not None and dataset.format == FORMAT.name
    if dataset is not None and is_own:
        numbers.extra = {**dataset.extra, **numbers.extra}
    about = {"id": numbers.images.take(record.id), "file_name": numbers.names.name(record)}
    about |= {"width": record.width, "height": record.height, **({"sha256": record.sha256} if record.sha256 else {})}
    objects: Iterator[Mask | BoxAnnotation] = itertools.chain(iter_bounded(masks), masks.box_annotations)
    entries = []
    for each in objects:
        shape = _shape_fields(each, polygons, tolerance) if isinstance(each, Mask) else _box_fields(each)
        category = numbers.categories.number(label_or_default(each), each.annotation.category_id)
        own = {"id": numbers.annotations.take(each.annotation.id), "image_id": about["id"], "category_id": category}
        entries.append({**(each.annotation.extra if is_own else {}), **own, **shape, **_stated_fields(each, crowd)})
    return {**(record.extra if is_own else {}), **about}, entries


def _shape_fields(mask: Mask, polygons: bool, tolerance: float) -> dict[str, Any]:
    """The shape of a mask: as its file had it while that fits, else as outlines or run lengths."""
    source = mask.source_shape
    x0, y0, x1, y1 = mask.box
    measured = {"area": mask.area, "bbox": [x0, y0, x1 - x0, y1 - y0]}  # what readers demand and some files lack
    if source is not None and source.format == FORMAT.name and (source.rings or not polygons):
        return {**measured, **source.fields}
    segmentation: Any = mask.rle
    if source is not None and source.rings and (polygons or source.fill == FORMAT.name):
        segmentation = [list(ring) for ring in source.rings]
    elif polygons and mask.area:  # pycocotools takes no empty list of polygons
        segmentation = [bridge_holes(part).reshape(-1).tolist() for part in parts_of(mask, tolerance)]
    return {"segmentation": segmentation, **measured}


def _box_fields(each: BoxAnnotation) -> dict[str, Any]:
    """The shape of an object without a mask."""
    source = each.source_shape
    x0, y0, x1, y1 = each.box
    fields = {"area": (x1 - x0) * (y1 - y0), "bbox": [x0, y0, x1 - x0, y1 - y0]}
    if source is not None and source.format == FORMAT.name:
        fields |= source.fields
    return {**fields, "segmentation": []}


def _stated_fields(each: Mask | BoxAnnotation, crowd: bool) -> dict[str, Any]:
    """All that is stated of an object but its shape and its class; scores as they are known."""
    about = each.annotation
    stated = {"occluded": about.occluded, "z_order": about.z_order, "group_id": about.group_id, "source": about.source}
    attributes = {**about.attributes, **{name: value for name, value in stated.items() if value not in (None, 0)}}
    scores = known_scores(each)
    return {"iscrowd": int(crowd or about.crowd), **({"attributes": attributes} if attributes else {}), **scores}


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a dataset of one image; see `anymask.formats.base.Format`."""
    return with_image(only_image(read_dataset(path), path), image)


def read_dataset(path: Path) -> Iterator[MaskSet]:
    """Read every image of a dataset, in the order of its `images`, or of a list of results.

    Masks are decoded when their pixels are needed. What cannot be read is skipped: annotations without mask and box, or
    of an image that is not there, and images without size. Of an object with a damaged mask the box remains.

    Raises:
        InputError: not such a file.
    """
    index = load_index(path)
    for image in index.images:
        where = f"{path}, image {image['id']!r:.60}"
        try:
            with reading(path, "COCO"):
                record = read_record(image, index)
        except InputError as error:
            skip("broken image", where, error)
            continue
        entries = expanded(index.annotations.pop(image["id"]), path)
        yield _image_of(entries, record, index.categories, index.dataset, where)


def _image_of(
    entries: Iterable[Mapping[str, Any]],
    record: ImageRecord,
    labels: Mapping[Any, str],
    dataset: DatasetRecord | None,
    where: str,
) -> MaskSet:
    """The objects of an image from its annotations."""
    found: list[Mask | BoxAnnotation] = []
    for place, entry in enumerate(entries):
        try:
            with reading(Path(where), "COCO"):
                found.append(read_object(entry, (record.width, record.height), labels))
        except InputError as error:
            text = str(error).partition(": ")[2]
            box = box_instead(entry, labels)
            at = f"{where}, annotation {entry.get('id', place)!r:.60}"
            skip("broken annotation" if box is None else "mask with a box left", at, text)
            found += [box] if box is not None else []
    return MaskSet(
        [each for each in found if isinstance(each, Mask)],
        image=record,
        box_annotations=[each for each in found if isinstance(each, BoxAnnotation)],
        dataset=dataset,
    )


FORMAT = Format(
    name="coco",
    title="COCO (JSON)",
    summary="COCO dataset JSON: images, categories, masks as RLE (exact) or polygons",
    holds=_HOLDS,
    suffix=".json",
    media_type="application/json",
    options=(
        FormatOption(
            name="polygons",
            flag="--polygons",
            value=True,
            help="Outlines instead of run lengths.",
            holds=replace(_HOLDS, holes="bridged", vertices="yes"),
        ),
        FormatOption(name="crowd", flag="--crowd", value=True, help="Mark every annotation as a crowd."),
        TOLERANCE,
    ),
    signature=Signature(
        extensions=(".json",),
        json_keys=frozenset({"images", "annotations"}),
        item_keys=frozenset({"image_id", "category_id"}),
        matches=lists_images,
    ),
    menu_position=20,
    image_folder="images",
    write=write,
    read=read,
    write_dataset=write_dataset,
    read_dataset=read_dataset,
)
