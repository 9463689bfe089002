"""The options of `anymask convert` for whole datasets: several inputs, classes, and which objects are taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import add_options
from anymask.formats.datasets import read_dataset
from anymask.formats.merging import merge
from anymask.formats.selection import ObjectFilter, parse_classes, rename_classes

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

_options = add_options(
    click.option("--classes", metavar="MAP", help="New names and order of classes: a file, or 'old=new, b=c'."),
    click.option("--only", multiple=True, metavar="CLASS", help="Take this class, by its new name. Repeatable."),
    click.option("--drop", multiple=True, metavar="CLASS", help="Leave this class out, by its new name. Repeatable."),
    click.option("--min-area", type=click.FloatRange(min=0), default=0, metavar="PX", help="Drop smaller objects."),
)  # fmt: skip


@dataclass
class DatasetChanges:
    """What happens to a dataset between reading and writing.

    Attributes:
        classes: old name → new name.
        filter: the objects to take.
        changed: what had to change because two inputs have it: in words → number.
    """

    classes: dict[str, str]
    filter: ObjectFilter
    changed: Counter[str] = field(default_factory=Counter)

    def read(self, sources: Sequence[Path], origin: str | None) -> Iterator[MaskSet]:
        """The images of all inputs, changed."""
        inputs = [(_label(source), read_dataset(source, origin)) for source in sources]
        sets = merge(inputs, self.changed) if len(inputs) > 1 else inputs[0][1]
        if self.classes:
            sets = rename_classes(sets, self.classes)
        return self.filter.apply(sets) if self.filter.is_needed else sets

    def summary(self) -> dict[str, Any]:
        """What changed, as JSON values; nothing if nothing did."""
        found = {"changed": dict(self.changed), "dropped": dict(self.filter.dropped)}
        return {name: counts for name, counts in found.items() if counts}

    def report(self) -> None:
        """Print what changed."""
        if self.filter.dropped:
            click.echo(f"dropped: {_counts(self.filter.dropped)}")
        if self.changed:
            click.echo(f"new in the output: {_counts(self.changed)}")


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as `dataset`, a `DatasetChanges`."""

    @wraps(command)
    def with_changes(
        classes: str | None, only: tuple[str, ...], drop: tuple[str, ...], min_area: float, **rest: Any
    ) -> Any:
        names = parse_classes(classes) if classes is not None else {}
        return command(dataset=DatasetChanges(names, ObjectFilter(only, drop, min_area)), **rest)

    return _options(with_changes)


def _label(source: Path) -> str:
    """The name of an input."""
    path = source.resolve()
    return (path.name if path.is_dir() else path.stem) or "input"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {words}" for words, count in counted.most_common())
