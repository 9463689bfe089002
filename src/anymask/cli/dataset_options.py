"""The options of `anymask convert` for whole datasets: several inputs, classes, and which objects are taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import add_options
from anymask.formats.datasets import read_dataset
from anymask.formats.merging import merge
from anymask.formats.selection import ObjectFilter, parse_classes, rename_classes
from anymask.formats.splits import SplitPlan, parse_split

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet

_options = add_options(
    click.option("--classes", metavar="MAP", help="New names and order of classes: a file, or 'old=new, b=c'."),
    click.option("--only", multiple=True, metavar="CLASS", help="Take this class, by its new name. Repeatable."),
    click.option("--drop", multiple=True, metavar="CLASS", help="Leave this class out, by its new name. Repeatable."),
    click.option("--min-area", type=click.FloatRange(min=0), default=0, metavar="PX", help="Drop smaller objects."),
    click.option("--split", metavar="SHARES", help="Train, val and test, by image, such as 0.8,0.1,0.1."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random split."),
)  # fmt: skip


@dataclass
class DatasetChanges:
    """What happens to a dataset between reading and writing.

    Attributes:
        classes: old name → new name.
        filter: the objects to take.
        shares: of the parts of a split; empty for no split.
        seed: of the split.
        changed: what had to change because two inputs have it: in words → number.
        parts: number of images in each part of the split.
    """

    classes: dict[str, str]
    filter: ObjectFilter
    shares: dict[str, float]
    seed: int
    changed: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)

    def read(self, sources: Sequence[Path], origin: str | None) -> Iterator[MaskSet]:
        """The images of all inputs, changed; what changes is counted anew."""
        self.changed.clear()
        self.filter.dropped.clear()
        inputs = [(_label(source), read_dataset(source, origin)) for source in sources]
        sets = merge(inputs, self.changed) if len(inputs) > 1 else inputs[0][1]
        if self.classes:
            sets = rename_classes(sets, self.classes)
        return self.filter.apply(sets) if self.filter.is_needed else sets

    def plan(self, sets: Iterable[MaskSet]) -> SplitPlan:
        """The split of a dataset, for which it is read once.

        Raises:
            InputError: a part would have no image.
        """
        plan = SplitPlan.of(sets, self.shares, self.seed)
        self.parts = Counter({part: plan.parts.count(part) for part in self.shares})
        return plan

    def summary(self) -> dict[str, Any]:
        """What changed, as JSON values; nothing if nothing did."""
        found = {"changed": dict(self.changed), "dropped": dict(self.filter.dropped), "split": dict(self.parts)}
        return {name: counts for name, counts in found.items() if counts}

    def report(self) -> None:
        """Print what changed."""
        if self.parts:
            click.echo(f"split: {', '.join(f'{count} {part}' for part, count in self.parts.items())}")
        if self.filter.dropped:
            click.echo(f"dropped: {_counts(self.filter.dropped)}")
        if self.changed:
            click.echo(f"new in the output: {_counts(self.changed)}")


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
        **rest: Any,
    ) -> Any:
        names = parse_classes(classes) if classes is not None else {}
        shares = parse_split(split) if split is not None else {}
        return command(dataset=DatasetChanges(names, ObjectFilter(only, drop, min_area), shares, seed), **rest)

    return _options(with_changes)


def _label(source: Path) -> str:
    """The name of an input."""
    path = source.resolve()
    return (path.name if path.is_dir() else path.stem) or "input"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {words}" for words, count in counted.most_common())
