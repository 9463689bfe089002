"""The options of `anymask convert` for whole datasets: several inputs, classes, and which objects are taken."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.option_groups import add_options, command_option
from anymask.errors import quantity_of
from anymask.formats.base import Format
from anymask.formats.datasets import read_dataset
from anymask.formats.image_files import ImagePlacement
from anymask.formats.merging import merge
from anymask.formats.selection import ObjectFilter, parse_classes, rename_classes
from anymask.formats.skipped import collect_skipped
from anymask.formats.splits import SplitPlan, parse_split, without_old_parts
from anymask.io.atomic import publish, staged_folder
from anymask.projects.places import is_project

if TYPE_CHECKING:
    from anymask.projects.dataset import ProjectReader
    from anymask.structures.mask_set import MaskSet
    from anymask.structures.provenance import ImageRecord

Read = Callable[[], Iterator["MaskSet"]]
"""Reads all images of a dataset, each time that it is called."""

_options = add_options(
    command_option("--classes", metavar="MAP", help="New names and order of classes: a file, or 'old=new, b=c'."),
    command_option("--only", multiple=True, metavar="CLASS", help="Keep only this class, by its new name. Repeatable."),
    command_option("--drop", multiple=True, metavar="CLASS", help="Leave this class out, by its new name. Repeatable."),
    command_option("--only-done", is_flag=True, help="With a project: only images marked as done."),
    command_option("--min-area", type=click.FloatRange(min=0), default=0, metavar="PX", help="Drop smaller objects."),
    command_option("--split", metavar="SHARES", help="Shares of train, val and test, such as 0.8,0.1,0.1."),
    command_option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split."),
    command_option("--link", "images", flag_value="link", help="Make symbolic links to the images in the dataset."),
    command_option("--copy", "images", flag_value="copy", help="Copy the images into the dataset."),
    group="Dataset",
)  # fmt: skip


@dataclass
class DatasetChanges:
    """What happens to a dataset between reading and writing.

    Attributes:
        classes: old name → new name.
        filter: the objects to take.
        shares: of the parts of a split; empty for no split.
        seed: of the split.
        only_done: of projects, images that are done alone.
        images: "link" or "copy" of the image files into the dataset; None to leave them.
        changed: what had to change because two inputs have it: in words → number.
        parts: number of images in each part of the split.
        placed: number of image files that were linked or copied, were there already, or are missing.
    """

    classes: dict[str, str]
    filter: ObjectFilter
    shares: dict[str, float]
    seed: int
    images: str | None
    only_done: bool = False
    changed: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    placed: Counter[str] = field(default_factory=Counter)
    _projects: dict[Path, ProjectReader] = field(default_factory=dict)

    def read(
        self, sources: Sequence[Path], origin: str | None, placement: ImagePlacement | None = None
    ) -> Iterator[MaskSet]:
        """The images of all inputs, changed; what changes is counted anew, and files are located for ``placement``."""
        self.changed.clear()
        self.filter.dropped.clear()
        inputs: list[tuple[str, Iterable[MaskSet]]] = []
        for label, source in zip(_labels(sources), sources, strict=True):
            own, folder = self._read_one(source, origin)
            inputs.append((label, own if placement is None else placement.locate(own, folder)))
        sets = merge(inputs, self.changed) if len(inputs) > 1 else iter(inputs[0][1])
        if self.classes:
            sets = rename_classes(sets, self.classes)
        return self.filter.apply(sets) if self.filter.is_needed else sets

    def _read_one(self, source: Path, origin: str | None) -> tuple[Iterator[MaskSet], Path]:
        """The images of an input, and the file or folder that their names count from."""
        if origin is not None or not is_project(source):
            return read_dataset(source, origin), source
        if source not in self._projects:
            from anymask.projects.dataset import ProjectReader

            self._projects[source] = ProjectReader(source, self.only_done)
        return self._projects[source].read(), self._projects[source].folder

    def write(
        self,
        sources: Sequence[Path],
        origin: str | None,
        out: Path,
        format: Format,
        write: Callable[[Read, Path], list[Path]],
    ) -> list[Path]:
        """Write the dataset, and link or copy its images.

        Args:
            sources: the inputs.
            origin: their format; None to recognise it.
            out: the file or folder that is written.
            format: of it.
            write: writes what a function reads, which may be called several times, to a path, and returns the files.

        Returns:
            The files written.

        Raises:
            InputError: a part of the split would have no image, or another file is where an image belongs.
        """
        if not (self.shares or self.images):
            return write(lambda: self.read(sources, origin), out)
        placement = ImagePlacement(format, self.images == "link") if self.images else None
        records: list[ImageRecord] = []
        sets = _noted(self.read(sources, origin, placement), records)
        plan = SplitPlan.of(sets, self.shares, self.seed) if self.shares else None
        deque(sets, maxlen=0)  # without a split nothing has read them yet
        if plan is not None:
            self.parts = Counter({part: plan.parts.count(part) for part in self.shares})
            plain = without_old_parts(records)
            records = [replace(record, split=part) for record, part in zip(plain, plan.parts, strict=True)]
        is_single = bool(format.suffix) and not format.holds_many and len(records) == 1 and bool(out.suffix)
        is_file = not self.shares and (is_single or bool(format.holds_many and format.suffix))
        if placement is not None:
            records = placement.plan(records, out.parent if is_file else out, is_single)

        def read() -> Iterator[MaskSet]:
            sets = self.read(sources, origin)
            for masks, record in zip(sets if plan is None else plan.apply(sets), records, strict=True):
                yield masks.replace(image=replace(masks.record, path=record.path))

        with collect_skipped():  # they were collected when the inputs were read for the first time
            if placement is None:
                return write(read, out)
            if is_file or out.exists():
                return write(read, out) + self._place(placement, out.parent if is_file else out)
            with staged_folder(out.parent) as stage:  # a new folder appears with its images
                draft = stage / out.name
                files = write(read, draft) + self._place(placement, draft)
                publish(stage, out.parent, [out.name])
                return [out / file.relative_to(draft) for file in files]

    def _place(self, placement: ImagePlacement, folder: Path) -> list[Path]:
        """Link or copy the images, and count them."""
        new, missing = placement.place(folder), placement.files.count(None)
        there = len(placement.files) - missing - len(new)
        words = "linked" if self.images == "link" else "copied"
        self.placed = Counter({words: len(new), "there already": there, "missing": missing})
        return new

    def summary(self) -> dict[str, Any]:
        """What changed, as JSON values; nothing if nothing did."""
        found = {"changed": self.changed, "dropped": self.filter.dropped, "split": self.parts, "images": self.placed}
        return {name: dict(counts) for name, counts in found.items() if counts}

    def report(self) -> None:
        """Print what changed."""
        if self.parts:
            click.echo(f"split: {', '.join(f'{count} {part}' for part, count in self.parts.items())}")
        if self.placed:
            click.echo(f"image files: {', '.join(f'{count} {words}' for words, count in self.placed.items() if count)}")
        if self.filter.dropped:
            click.echo(f"dropped: {_counts(self.filter.dropped)}")
        if self.changed:
            click.echo(f"new in the output: {_counts(self.changed)}")


def _noted(sets: Iterable[MaskSet], records: list[ImageRecord]) -> Iterator[MaskSet]:
    """The same images; their records are added to a list."""
    for masks in sets:
        records.append(masks.record)
        yield masks


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as `dataset`, a `DatasetChanges`."""

    @wraps(command)
    def with_changes(
        classes: str | None,
        only: tuple[str, ...],
        drop: tuple[str, ...],
        min_area: float,
        split: str | None,
        seed: int,
        images: str | None,
        only_done: bool,
        **rest: Any,
    ) -> Any:
        names = parse_classes(classes) if classes is not None else {}
        shares = parse_split(split) if split is not None else {}
        objects = ObjectFilter(only, drop, min_area)
        return command(dataset=DatasetChanges(names, objects, shares, seed, images, only_done), **rest)

    return _options(with_changes)


def _labels(sources: Sequence[Path]) -> list[str]:
    """The names of the inputs; of files with one name, as annotations.json, that of their folder."""
    paths = [source.resolve() for source in sources]
    names = [path.name if path.is_dir() else path.stem for path in paths]
    folders = [path.parent.name for path in paths]
    return [(own if names.count(own) == 1 else other) or "input" for own, other in zip(names, folders, strict=True)]


def _counts(counted: Counter[str]) -> str:
    return ", ".join(quantity_of(count, words) for words, count in counted.most_common())
