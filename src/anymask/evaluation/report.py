"""The figures of an evaluation as JSON, and as a table of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anymask.evaluation.compare import Interval, differences, intervals
from anymask.evaluation.datasets.ground_truth import AnnotatedImage
from anymask.evaluation.protocols import MAX_CLICKS
from anymask.evaluation.runner import Variant
from anymask.evaluation.summary import Figures, summary

ROLES = ("measured", "against")
_RECORD_ONLY = ("mask", "ranks")
"""Values of an object that only the records hold, not the JSON of an evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """The results of one variant or two on a dataset.

    Attributes:
        dataset: its folder or file.
        images: in order.
        variants: one, or two: the measured one, then the one it is compared with.
        clicks: maximum for each object.
        categories: of the protocol text: only these.
        seed: of the random choices.
    """

    dataset: Path
    images: Sequence[AnnotatedImage]
    variants: Sequence[Variant]
    clicks: int = MAX_CLICKS
    categories: Sequence[str] = ()
    seed: int = 0

    @property
    def protocol(self) -> str:
        """The protocol of all variants."""
        return self.variants[0].setting.protocol

    @cached_property
    def figures(self) -> list[Figures]:
        """The figures of each variant."""
        return [summary(each.results, self.protocol, self.clicks) for each in self.variants]

    @cached_property
    def intervals(self) -> list[list[Interval]]:
        """For each variant, its figures with their confidence intervals."""
        return [intervals(each.results, self.protocol, self.clicks, self.seed) for each in self.variants]

    @cached_property
    def differences(self) -> list[Interval]:
        """The paired differences of two variants, first minus second; empty for one variant."""
        if len(self.variants) < 2:
            return []
        first, second = (each.results for each in self.variants)
        return differences(first, second, self.protocol, self.clicks, self.seed)

    @property
    def headings(self) -> list[str]:
        """For each variant, the settings in which it differs from the other, as text."""
        settings = [each.setting for each in self.variants]
        if len(settings) < 2:
            return ["measured"]
        return [settings[0].differing(settings[1]), settings[1].differing(settings[0])]

    @property
    def names(self) -> list[str]:
        """Names of all figures, in order; times last."""
        names = dict.fromkeys(name for own in self.figures for name in own)
        return sorted(names, key=lambda name: name.startswith("seconds"))

    def as_json(self) -> dict[str, Any]:
        """All values except the masks."""
        return {
            "dataset": str(self.dataset), "protocol": self.protocol, "images": len(self.images),
            "clicks": self.clicks, "categories": list(self.categories), "seed": self.seed,
            "settings": self._each(lambda i: dict(self.variants[i].setting.values)),
            "figures": self._each(lambda i: self.figures[i]),
            "intervals": self._each(lambda i: {each.name: [each.low, each.high] for each in self.intervals[i]}),
            "differences": [each.as_json() for each in self.differences],
            "records": self._each(lambda i: str(record.path) if (record := self.variants[i].record) else None),
            "objects": [
                {"image": image, "setting": role, **{name: row[name] for name in row if name not in _RECORD_ONLY}}
                for role, variant in zip(ROLES, self.variants, strict=False)
                for image, result in variant.results.items()
                for row in result.rows
            ],
        }  # fmt: skip

    def _each(self, value: Any) -> dict[str, Any]:
        return {role: value(index) for index, role in enumerate(ROLES[: len(self.variants)])}

    def table(self) -> str:
        """The figures as lines of text: one row for each, one column for each setting, and the difference.

        The first line names dataset, protocol and setting.
        """
        rows = [["", *self.headings, "difference, 95 % interval"][: 2 + 2 * (len(self.variants) - 1)]]
        differences = {each.name: each.text for each in self.differences}
        for name in self.names:
            cells = [name, *(cell(own.get(name)) for own in self.figures)]
            rows.append([*cells, differences.get(name, "")] if len(self.variants) > 1 else cells)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        last = len(widths) - 1 if len(self.variants) > 1 else len(widths)
        lines = [
            "  ".join(
                f"{text:<{width}}" if column in (0, last) else f"{text:>{width}}"
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([f"{self.dataset.resolve().name}: {self.protocol}, {self.variants[0].setting}", *lines])


def cell(value: float | None) -> str:
    """A figure as text."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
