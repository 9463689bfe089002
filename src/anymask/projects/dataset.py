"""The objects of a project as a dataset, in any format, with the numbers that its classes and images have for good."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymask.errors import InputError
from anymask.formats.base import Format
from anymask.formats.datasets import write_dataset
from anymask.formats.image_files import ImagePlacement
from anymask.formats.skipped import skip
from anymask.formats.splits import SplitPlan, write_split
from anymask.projects.classes import ProjectClasses
from anymask.projects.database import ProjectDatabase
from anymask.projects.images import ImageFilter, ProjectImage, ProjectImages
from anymask.projects.places import DATABASE, home_of
from anymask.projects.project import images_folder_of
from anymask.projects.sessions import ProjectSessions
from anymask.structures.annotation import Category, DatasetRecord
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord


class ProjectReader:
    """Reads a project, which another process may have open, as a dataset; each time the same images.

    Args:
        path: the folder of its images, or that of its own files.
        only_done: leave out images that are in work; see `chosen_images`.

    Attributes:
        folder: of its images.

    Raises:
        InputError: it is damaged, or there is nothing to read; also in `read`.
    """

    def __init__(self, path: Path, only_done: bool = False) -> None:
        self.folder = images_folder_of(path)
        self._database = ProjectDatabase(home_of(path) / DATABASE)
        self._images = ProjectImages(self._database, self.folder)
        self._classes = ProjectClasses(self._database)
        self._sessions = ProjectSessions(self._database, self._images, self._classes)
        self._chosen = chosen_images(self._images, only_done)
        if not self._chosen:
            what = "no image is done" if only_done else "no image has objects or is done"
            raise InputError(f"there is nothing in the project of {self.folder} yet: {what}")

    def read(self) -> Iterator[MaskSet]:
        """The objects of each image."""
        return read_sets(self._images, self._sessions, self._classes, self._chosen)


def chosen_images(images: ProjectImages, only_done: bool) -> list[ProjectImage]:
    """The images that belong in a dataset, in the order of names.

    An image that is done counts also without objects, as a background. Others count with objects, unless they were
    skipped.
    """
    if only_done:
        return images.listed(ImageFilter(("done",)))
    listed = images.listed(ImageFilter(("done", "in_work", "todo")))
    return [each for each in listed if each.objects or each.state == "done"]


def read_sets(
    images: ProjectImages, sessions: ProjectSessions, classes: ProjectClasses, chosen: Iterable[ProjectImage]
) -> Iterator[MaskSet]:
    """The objects of each of these images; suggestions that nobody accepted are none."""
    names = classes.numbered_names()
    dataset = DatasetRecord(categories=tuple(Category(name, id) for id, name in enumerate(names)))
    for listed in chosen:
        image = listed if listed.width is not None else images.read_head(listed.number)
        objects = sessions.objects(image.number)
        height, width = objects[0].rle["size"] if image.width is None and objects else (image.height, image.width)
        if width is None or height is None:
            skip("image", image.name, image.problem)
            continue
        masks = []
        for each in objects:
            if each.rle["size"] != [height, width]:
                skip("object of another size", f"{image.name}, object {each.id}", "the file of the image has changed")
                continue
            masks.append(each.mask(None if each.class_id is None else names[each.class_id]))
        yield MaskSet(masks, image=ImageRecord(width, height, image.name, id=image.number), dataset=dataset)


def write_project_dataset(
    read: Callable[[], Iterable[MaskSet]],
    images: Path,
    out: Path,
    format: Format,
    *,
    with_images: bool = False,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    **options: Any,
) -> list[Path]:
    """Write a dataset into a folder, with its images and a split if wanted.

    Args:
        read: reads the dataset anew each time.
        images: the folder that the names of its images count from.
        out: an empty folder.
        format: of the dataset.
        with_images: copy the image files.
        shares: of the parts of a split, see `anymask.formats.splits.parse_split`; None for no split.
        seed: of the split.
        options: of the format.

    Returns:
        The files written.

    Raises:
        InputError: images have no place in the format, or a part of the split would have no image.
        AnymaskError: the disk is full or failed.
    """
    placement = ImagePlacement(format, link=False) if with_images else None
    records: list[ImageRecord] = []
    sets = _noted(read() if placement is None else placement.locate(iter(read()), images), records)
    plan = SplitPlan.of(sets, shares, seed) if shares else None
    deque(sets, maxlen=0)  # without a split nothing has read them yet
    if plan is not None:
        records = [replace(record, split=part) for record, part in zip(records, plan.parts, strict=True)]
    if placement is not None:
        records = placement.plan(records, out)

    def again() -> Iterator[MaskSet]:
        sets = iter(read())
        for masks, record in zip(sets if plan is None else plan.apply(sets), records, strict=True):
            yield masks.replace(image=replace(masks.record, path=record.path))

    if plan is not None:
        files = write_split(again, out, format.name, **options)
    else:
        is_file = format.holds_many and format.suffix
        files = write_dataset(again(), out / f"annotations{format.suffix}" if is_file else out, format.name, **options)
    return files + (placement.place(out) if placement is not None else [])


def _noted(sets: Iterable[MaskSet], records: list[ImageRecord]) -> Iterator[MaskSet]:
    """The same images; their records are added to a list."""
    for masks in sets:
        records.append(masks.record)
        yield masks
