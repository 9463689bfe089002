"""Annotations that lie in a project's folder already, opened as objects of its images."""

from __future__ import annotations

import itertools
import json
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.errors import InputError, one_line, quantity
from anymask.formats.datasets import read_dataset
from anymask.formats.registry import recognise_format
from anymask.formats.skipped import collect_skipped
from anymask.projects.classes import ProjectClasses, clean_class_name
from anymask.projects.database import ProjectDatabase
from anymask.projects.images import ProjectImages
from anymask.projects.objects import StoredObject
from anymask.projects.sessions import ProjectSessions
from anymask.structures.annotation import BoxAnnotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet

_AT_ONCE = 32
_MOST_LINES = 100
"""Lines about what was left out that are stored for one file; the last one says how many there are besides."""


@dataclass(frozen=True)
class ImportedFile:
    """What an annotation file, or a folder of them, gave.

    Attributes:
        name: from the folder of the images, with /.
        format: of it; "" if it holds no annotations.
        images: number of images that got objects.
        objects: number of objects.
        boxes: number of boxes without masks; they are suggestions.
        left_out: one line for each thing that was left out.
    """

    name: str
    format: str
    images: int
    objects: int
    boxes: int
    left_out: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the lines."""
        about = asdict(self)
        del about["left_out"]
        return about


class AnnotationImport:
    """Reads the annotations of a project's folder, each file once.

    An image that somebody has worked on stays as it is.
    """

    def __init__(
        self, database: ProjectDatabase, images: ProjectImages, sessions: ProjectSessions, classes: ProjectClasses
    ) -> None:
        self._database, self._images, self._sessions, self._classes = database, images, sessions, classes

    def imported(self) -> list[ImportedFile]:
        """The files that were read, with those that hold no annotations."""
        boxes = "(SELECT count(*) FROM suggestions WHERE job = 'file:' || imports.name) AS boxes"
        return [
            ImportedFile(
                each["name"], each["format"], each["images"], each["objects"], each["boxes"],
                json.loads(each["left_out"]),
            )
            for each in self._database.rows(f"SELECT *, {boxes} FROM imports ORDER BY name")
        ]  # fmt: skip

    def waiting(self, candidates: Iterable[Path]) -> list[Path]:
        """Those files and folders that were not read before."""
        known = {row["name"] for row in self._database.rows("SELECT name FROM imports")}
        return [each for each in candidates if self._name(each) not in known]

    def run(
        self, candidates: Sequence[Path], stop: Callable[[], bool], on_image: Callable[[int], None]
    ) -> Iterator[ImportedFile]:
        """Read files that were not read before, one after the other.

        Args:
            candidates: files and folders that may hold annotations.
            stop: whether to end early; the file that is being read is read again from its beginning the next time.
            on_image: called with the number of each image that got objects.
        """
        by_stem: dict[str, list[tuple[int, PurePosixPath]]] = defaultdict(list)
        for number, name in self._images.names().items():
            by_stem[PurePosixPath(name).stem.casefold()].append((number, PurePosixPath(name)))
        for path in candidates:
            if stop():
                return
            result = self._read(path, by_stem, stop, on_image)
            if stop():
                return
            row = (result.name, "", result.format, result.images, result.objects, json.dumps(list(result.left_out)))
            self._database.run("INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?, ?)", *row)
            yield result

    def _read(
        self,
        path: Path,
        by_stem: dict[str, list[tuple[int, PurePosixPath]]],
        stop: Callable[[], bool],
        on_image: Callable[[int], None],
    ) -> ImportedFile:
        name, format = self._name(path), ""
        lines: list[str] = []
        counted = [0, 0, 0]
        with collect_skipped() as skipped:
            try:
                found = recognise_format(path)
                format = found.name if found is not None else "png" if path.is_dir() else ""
                sets = read_dataset(path) if format else iter(())
                while not stop() and (some := list(itertools.islice(sets, _AT_ONCE))):
                    with self._database.transaction():
                        added = [self._add(masks, path, by_stem, lines) for masks in some]
                    for number, objects, boxes in filter(None, added):
                        counted = [counted[0] + 1, counted[1] + objects, counted[2] + boxes]
                        on_image(number)
            except InputError as error:
                if format:
                    lines.append(f"{name}: {one_line(error)}")
        lines += [str(each) for each in skipped.entries]
        if not any(counted) and not lines:
            format = ""
        more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        images, objects, boxes = counted
        return ImportedFile(name, format, images, objects, boxes, lines[:_MOST_LINES] + more)

    def _add(
        self, masks: MaskSet, path: Path, by_stem: dict[str, list[tuple[int, PurePosixPath]]], lines: list[str]
    ) -> tuple[int, int, int] | None:
        """Add the objects of an image; returns its number, and how many objects and boxes; None if it got none."""
        source = self._name(path)
        number = self._match(masks, path, by_stem)
        if isinstance(number, str):
            lines += [number] if number else []
            return None
        image = self._images.get(number)
        names = self._class_names(masks)
        ids = self._classes.add_missing(list(names.values())) if names else {}
        objects = []
        for mask in masks:
            class_id = ids[names[mask.label]] if mask.label in names else None
            objects.append(StoredObject.of_mask("", mask, class_id, f"file:{source}"))
            mask.release()
        added = self._sessions.add(number, objects) if objects else 0
        if added is None:
            lines.append(
                f"{image.name}: somebody has worked on it; left out: {quantity(len(objects), 'object')} of {source}"
            )
        elif added < len(objects):
            lines.append(f"{image.name}: there already: {quantity(len(objects) - added, 'object')} of {source}")
        boxes = [replace(box, label=names.get(box.label or "", "")) for box in masks.box_annotations]
        suggested = self._sessions.suggest_boxes(number, boxes, masks.size, f"file:{source}") if boxes else 0
        if suggested < len(boxes):
            lines.append(f"{image.name}: there already: {quantity(len(boxes) - suggested, 'box', 'boxes')} of {source}")
        return (number, added or 0, suggested) if added or suggested else None

    def _class_names(self, masks: MaskSet) -> dict[str, str]:
        """Label of an object → name of its class, in the order of the file's own list."""
        categories = masks.dataset.categories if masks.dataset is not None else ()
        objects: list[Mask | BoxAnnotation] = [*masks, *masks.box_annotations]
        labels = [each.name for each in categories] + [each.label for each in objects if each.label is not None]
        return {label: clean_class_name(label) for label in dict.fromkeys(labels) if label.strip()}

    def _match(self, masks: MaskSet, path: Path, by_stem: dict[str, list[tuple[int, PurePosixPath]]]) -> int | str:
        """The image that masks belong to, or why there is none, in one line."""
        stated = (masks.record.path or path.name).replace("\\", "/")
        here = PurePosixPath(self._name(path)).parent
        wanted = PurePosixPath(posixpath.normpath(posixpath.join(here.as_posix(), stated)))
        same = by_stem.get(wanted.stem.casefold(), [])
        sizes = {number: self._size(number) for number, _ in same}
        fitting = [each for each in same if sizes[each[0]] == masks.size]
        if not fitting:
            size = f"{masks.size[0]} x {masks.size[1]} pixels"
            has_objects = len(masks) or masks.box_annotations
            return f"{self._name(path)}: there is no image {stated} of {size}" if has_objects or not same else ""
        likeness = {number: _likeness(wanted, name, here) for number, name in fitting}
        best = [number for number, like in likeness.items() if like == max(likeness.values())]
        if len(best) > 1:
            return f"{self._name(path)}: {stated} may be any of {len(best)} images"
        return best[0]

    def _size(self, number: int) -> tuple[int, int] | None:
        image = self._images.get(number)
        if image.width is None and image.problem is None:
            image = self._images.read_head(number)
        return None if image.width is None or image.height is None else (image.width, image.height)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._images.folder).as_posix() if path != self._images.folder else "./"


def _likeness(wanted: PurePosixPath, name: PurePosixPath, here: PurePosixPath) -> tuple[bool, int, bool, bool]:
    """How likely a name is the wanted one: the same path, then as many folders at the end, here, the same suffix."""
    if wanted == name:
        return True, 0, True, True
    count = 0
    for one, other in zip(reversed(wanted.parent.parts), reversed(name.parent.parts), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return False, count, name.parent == here, wanted.suffix.casefold() == name.suffix.casefold()
