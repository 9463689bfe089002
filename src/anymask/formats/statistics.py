"""What a dataset consists of: its classes, the sizes of its objects, overlaps, and images that are not there."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anymask.formats.helpers.annotations import label_or_default
from anymask.structures.annotation import BoxAnnotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.overlap import box_iou
from anymask.structures.provenance import ImageRecord

OBJECT_SIZES = ("small", "medium", "large")
_SIDES = (32, 96)
"""Sides of squares that separate the sizes, as in COCO's evaluation, in pixels."""
OVERLAP_IOU, DUPLICATE_IOU = 0.5, 0.9
"""Above the first a pair of objects is listed; from the second on, objects of one class are taken for the same one."""
_QUANTILES = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True)
class Overlap:
    """Two objects of an image that share most of their pixels.

    Attributes:
        image: its name.
        objects: their indices: masks first, then boxes without a mask.
        labels: their classes.
        iou: of the masks, or of the boxes of objects without one.
    """

    image: str
    objects: tuple[int, int]
    labels: tuple[str, str]
    iou: float

    @property
    def is_duplicate(self) -> bool:
        """Whether it is probably one object that was annotated twice."""
        return self.labels[0] == self.labels[1] and self.iou >= DUPLICATE_IOU


@dataclass
class ClassCounts:
    """How often a class occurs.

    Attributes:
        objects: with a mask, or with a box alone.
        images: with such an object.
        sizes: "small", "medium" or "large" → number of objects.
    """

    objects: int = 0
    images: int = 0
    sizes: Counter[str] = field(default_factory=Counter)


@dataclass
class DatasetStatistics:
    """Counts of a dataset; see `measure_dataset`.

    Attributes:
        images: in all.
        masks: in all.
        boxes: objects with a box and no mask.
        empty_masks: masks without pixels.
        crowds: masks of a crowd.
        classes: name → counts; those without objects have zeros.
        areas: of all objects, in pixels; of one without a mask that of its box.
        objects_per_image: one number for each image.
        overlaps: pairs of objects with an IoU above `OVERLAP_IOU`; crowds do not count.
        missing: names of the images whose file was not found; None if nobody looked.
    """

    images: int = 0
    masks: int = 0
    boxes: int = 0
    empty_masks: int = 0
    crowds: int = 0
    classes: dict[str, ClassCounts] = field(default_factory=dict)
    areas: array[float] = field(default_factory=lambda: array("d"))
    objects_per_image: array[int] = field(default_factory=lambda: array("l"))
    overlaps: list[Overlap] = field(default_factory=list)
    missing: list[str] | None = None

    @property
    def images_without_objects(self) -> int:
        """Images without masks and boxes."""
        return sum(not count for count in self.objects_per_image)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        duplicates = sum(each.is_duplicate for each in self.overlaps)
        pairs = [
            {"image": each.image, "objects": list(each.objects), "labels": list(each.labels), "iou": round(each.iou, 4)}
            for each in self.overlaps
        ]
        return {
            "images": self.images,
            "images_without_objects": self.images_without_objects,
            "masks": self.masks,
            "boxes_without_masks": self.boxes,
            "empty_masks": self.empty_masks,
            "crowds": self.crowds,
            "classes": {
                name: {"objects": each.objects, "images": each.images, **dict.fromkeys(OBJECT_SIZES, 0), **each.sizes}
                for name, each in self.classes.items()
            },
            "areas": quantiles(self.areas),
            "objects_per_image": quantiles(self.objects_per_image),
            "overlaps": {"above_iou": OVERLAP_IOU, "duplicates": duplicates, "pairs": pairs},
            "missing_images": self.missing,
        }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Percent → value, from "0%", the least, to "100%", the greatest; empty without values."""
    if not len(values):
        return {}
    found = np.percentile(np.asarray(values, np.float64), _QUANTILES)
    return {f"{percent}%": round(float(value), 2) for percent, value in zip(_QUANTILES, found, strict=True)}


def size_of(area: float) -> str:
    """One of `OBJECT_SIZES`, as COCO's evaluation has it."""
    return OBJECT_SIZES[sum(area >= side * side for side in _SIDES)]


def measure_dataset(
    sets: Iterable[MaskSet], find_image: Callable[[ImageRecord], Path | None] | None = None
) -> DatasetStatistics:
    """Count what is in a dataset, of which one image at a time is in memory.

    Args:
        sets: one per image.
        find_image: finds the file of an image, such as `anymask.formats.image_files.ImageFinder.find`; None to count
            no missing images.
    """
    found = DatasetStatistics(missing=None if find_image is None else [])
    for masks in sets:
        found.images += 1
        record = masks.record
        name = record.path or f"image {found.images}"
        if find_image is not None and found.missing is not None and find_image(record) is None:
            found.missing.append(name)
        for category in masks.dataset.categories if masks.dataset is not None else ():
            found.classes.setdefault(category.name, ClassCounts())
        objects: list[Mask | BoxAnnotation] = [*masks, *masks.box_annotations]
        for mask in iter_bounded(masks):
            _count(mask, found)
        for box in masks.box_annotations:
            _count(box, found)
        for label in {label_or_default(each) for each in objects}:
            found.classes[label].images += 1
        found.objects_per_image.append(len(objects))
        found.overlaps += [
            Overlap(name, (first, second), (label_or_default(objects[first]), label_or_default(objects[second])), iou)
            for first, second, iou in _overlapping(masks)
        ]
    return found


def _count(each: Mask | BoxAnnotation, found: DatasetStatistics) -> None:
    if isinstance(each, Mask):
        area: float = each.area
        found.masks += 1
        found.empty_masks += not area
        found.crowds += each.annotation.crowd
    else:
        x0, y0, x1, y1 = each.box
        area = (x1 - x0) * (y1 - y0)
        found.boxes += 1
    found.areas.append(area)
    counts = found.classes.setdefault(label_or_default(each), ClassCounts())
    counts.objects += 1
    counts.sizes[size_of(area)] += 1


def _overlapping(masks: MaskSet) -> list[tuple[int, int, float]]:
    """Indices of two objects and their IoU, for all pairs above the limit: masks with masks, boxes with boxes."""
    from pycocotools import mask as coco

    single = [index for index, mask in enumerate(masks) if not mask.annotation.crowd]
    runs = [masks[index].rle for index in single]
    pairs = _above(coco.iou(runs, runs, [0] * len(runs)), single) if len(runs) > 1 else []
    boxes = np.array([each.box for each in masks.box_annotations], np.float64).reshape(-1, 4)
    places = list(range(len(masks), len(masks) + len(boxes)))
    return pairs + (_above(box_iou(boxes[:, None], boxes), places) if len(boxes) > 1 else [])


def _above(ious: Any, places: Sequence[int]) -> list[tuple[int, int, float]]:
    """Pairs above the limit in a square array of IoUs, float64 [N, N], by the places of its rows."""
    upper = np.triu(np.asarray(ious), 1)
    return [
        (places[first], places[second], float(upper[first, second]))
        for first, second in np.argwhere(upper > OVERLAP_IOU).tolist()
    ]
