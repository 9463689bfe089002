"""Splits of a dataset into images for training, validation and test, in which each class has its share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import InputError
from anymask.formats.base import RoundTripCheck
from anymask.formats.datasets import write_dataset
from anymask.formats.helpers.annotations import label_or_default
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.io.atomic import publish, staged_folder
from anymask.structures.annotation import Category, DatasetRecord, Id
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

SPLIT_NAMES = ("train", "val", "test")
_FOLDERS_OF_PARTS = frozenset((*SPLIT_NAMES, "valid", "validation", "minival"))


def parse_split(text: str) -> dict[str, float]:
    """Read the shares of train, val and test: "0.8,0.1,0.1", "0.8,0.2" or "80,10,10".

    Returns:
        Part → share; they add up to 1. Parts with a share of 0 are left out.

    Raises:
        InputError: other numbers.
    """
    takes = "it takes the shares of train, val and test, such as 0.8,0.1,0.1 or 0.9,0.1"
    try:
        shares = [float(each) for each in text.split(",")]
    except ValueError:
        raise InputError(f"the split {text!r} has something that is not a number: {takes}") from None
    total = math.fsum(shares)
    if not 2 <= len(shares) <= len(SPLIT_NAMES) or not all(0 <= each < math.inf for each in shares):
        raise InputError(f"the split is {text!r}: {takes}")
    if not any(math.isclose(total, whole, rel_tol=1e-3) for whole in (1, 100)):
        raise InputError(f"the split {text!r} adds up to {total:g}, not to 1: {takes}")
    return {part: share / total for part, share in zip(SPLIT_NAMES, shares, strict=False) if share}


def choose_parts(images: Sequence[Collection[str]], shares: Mapping[str, float], seed: int = 0) -> list[str]:
    """The part of each image, at random, such that every class has its share of images in every part.

    Classes are dealt with from the rarest to the most frequent, as in the iterative stratification of Sechidis,
    Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (2011). An image goes to one of the parts that
    lack images of its class: to the one that lacks the greatest share of all of its classes. Where a class lacks less
    than one image everywhere, the part that lacks images of any kind has it. If no image has several classes, each
    class has its share of each part, rounded up or down.

    Args:
        images: the classes of each image.
        shares: part → share; they add up to 1.
        seed: of the random order.

    Raises:
        InputError: a part would have no image.
    """
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    frequency = Counter(name for classes in images for name in set(classes))
    lacks = {name: {part: share * count for part, share in shares.items()} for name, count in frequency.items()}
    lacks_images = {part: share * len(images) for part, share in shares.items()}
    rarest_first = sorted(frequency, key=lambda name: (frequency[name], name))
    members: dict[str | None, list[int]] = {**{name: [] for name in rarest_first}, None: order}
    for place in order:
        for name in images[place]:
            members[name].append(place)
    chosen: dict[int, str] = {}
    for name, places in members.items():
        for place in places:
            if place in chosen:
                continue
            still = {
                part: sum(lacks[each][part] / frequency[each] for each in sorted(images[place])) / share
                for part, share in shares.items()
            }
            part = chosen[place] = _part(lacks_images if name is None else lacks[name], lacks_images, still)
            lacks_images[part] -= 1
            for each in set(images[place]):
                lacks[each][part] -= 1
    if empty := [part for part in shares if part not in chosen.values()]:
        raise InputError(f"{len(images)} images are too few for this split: {' and '.join(empty)} would have none")
    return [chosen[place] for place in range(len(images))]


def _part(lacks: Mapping[str, float], lacks_images: Mapping[str, float], still: Mapping[str, float]) -> str:
    """The part for an image; one that has an image more than its share gets no more.

    Args:
        lacks: part → number of images that the class lacks there.
        lacks_images: part → number of images of any kind.
        still: part → share of its images that each class of the image lacks there, in all.
    """
    free = [part for part in lacks if lacks_images[part] > -1]
    if able := [part for part in free if lacks[part] >= 1 - 1e-9]:
        return max(able, key=lambda part: (still[part], lacks_images[part]))
    return max([part for part in free if lacks[part] > 1e-9] or free, key=lambda part: lacks_images[part])


@dataclass(frozen=True)
class SplitPlan:
    """The part of each image of a dataset, and its classes, which are the same in all parts.

    Attributes:
        parts: one for each image, in the order of the dataset.
        categories: all classes.
    """

    parts: Sequence[str]
    categories: tuple[Category, ...]

    @classmethod
    def of(cls, sets: Iterable[MaskSet], shares: Mapping[str, float], seed: int = 0) -> SplitPlan:
        """Plan the split of a dataset, which is read once; only the classes of its images are remembered.

        Raises:
            InputError: a part would have no image.
        """
        images, categories, ids = list[frozenset[str]](), dict[str, Category](), set[Id]()
        known: dict[frozenset[str], frozenset[str]] = {}
        for masks in sets:
            for each in masks.dataset.categories if masks.dataset is not None else ():
                if each.name not in categories:
                    categories[each.name] = replace(each, id=None) if each.id in ids else each
                    ids |= {each.id} if each.id is not None else set()
            labels = [label_or_default(each) for each in (*masks, *masks.box_annotations)]
            for label in labels:
                categories.setdefault(label, Category(label))
            images.append(known.setdefault(frozenset(labels), frozenset(labels)))
        return cls(choose_parts(images, shares, seed), tuple(categories.values()))

    def apply(self, sets: Iterable[MaskSet]) -> Iterator[MaskSet]:
        """The same images, each with its part in `record.split`."""
        before: DatasetRecord | None = None
        dataset = DatasetRecord(categories=self.categories)
        for part, masks in zip(self.parts, sets, strict=True):
            if masks.dataset is not before:
                before = masks.dataset
                dataset = replace(before or DatasetRecord(), categories=self.categories)
            yield masks.replace(image=replace(masks.record, split=part), dataset=dataset)


def without_old_parts(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records of a dataset that was split before, without the folders of its parts where names stay different."""
    names = [_plain_name(record) for record in records]
    count = Counter(names)
    return [
        record if name is None or count[name] > 1 else replace(record, path=name)
        for record, name in zip(records, names, strict=True)
    ]


def _plain_name(record: ImageRecord) -> str | None:
    """The name of an image without the folder of its part."""
    folder, slash, name = (record.path or "").partition("/")
    return name if slash and record.split and folder.lower() in _FOLDERS_OF_PARTS else record.path


def write_split(
    read: Callable[[], Iterable[MaskSet]],
    path: Path,
    format: str,
    *,
    check: RoundTripCheck | None = None,
    **options: Any,
) -> list[Path]:
    """Write a dataset with its split: formats with one file for all images get a file for each part in a folder.

    Args:
        read: reads the dataset, for each such file again; each image has its part in `record.split`.
        path: a folder, new or empty.
        format: its name.
        check: called for each image with its masks as they were and as they read again.
        options: of the format.

    Returns:
        The files written.

    Raises:
        InputError: a folder that is not empty, or as `anymask.formats.datasets.write_dataset`.
    """
    chosen = find_format(format)
    with collect_skipped():  # they were collected when the split was planned
        if not (chosen.holds_many and chosen.suffix):
            return write_dataset(read(), path, format, check=check, **options)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} already exists: give a new or empty folder, for a file of each part")
        present = {masks.record.split for masks in read()}
        names = [f"{part}{chosen.suffix}" for part in SPLIT_NAMES if part in present]
        with staged_folder(path) as stage:
            for name in names:
                part = name.removesuffix(chosen.suffix)
                own = (masks for masks in read() if masks.record.split == part)
                write_dataset(own, stage / name, format, check=check, **options)
            return publish(stage, path, names)
