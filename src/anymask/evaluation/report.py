"""What an evaluation tells: the figures as JSON, and as a table of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anymask.evaluation.compare import Interval, differences, intervals
from anymask.evaluation.datasets.ground_truth import Photograph
from anymask.evaluation.protocols import MOST_CLICKS
from anymask.evaluation.runner import Variant
from anymask.evaluation.summary import Figures, summary

ROLES = ("measured", "against")
_LEFT_OUT = ("answer", "ranks")
"""Of an object, in the JSON of an evaluation: the records hold it."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        dataset: its folder or file.
        photographs: in order.
        contestants: one setting, or two: the one that was measured, then the one it is held against.
        clicks: how many were allowed.
        words: of the protocol text: only these categories.
        seed: of the random choices.
    """

    dataset: Path
    photographs: Sequence[Photograph]
    contestants: Sequence[Variant]
    clicks: int = MOST_CLICKS
    words: Sequence[str] = ()
    seed: int = 0

    @property
    def protocol(self) -> str:
        """How was asked."""
        return self.contestants[0].setting.protocol

    @cached_property
    def figures(self) -> list[Figures]:
        """The figures of each contestant."""
        return [summary(each.found, self.protocol, self.clicks) for each in self.contestants]

    @cached_property
    def intervals(self) -> list[list[Interval]]:
        """For each contestant, its figures with their confidence intervals."""
        return [intervals(each.found, self.protocol, self.clicks, self.seed) for each in self.contestants]

    @cached_property
    def differences(self) -> list[Interval]:
        """Of two contestants the paired differences, first minus second; none of one."""
        if len(self.contestants) < 2:
            return []
        first, second = (each.found for each in self.contestants)
        return differences(first, second, self.protocol, self.clicks, self.seed)

    @property
    def headings(self) -> list[str]:
        """What tells the contestants apart, in words."""
        settings = [each.setting for each in self.contestants]
        if len(settings) < 2:
            return ["measured"]
        return [settings[0].differing(settings[1]), settings[1].differing(settings[0])]

    @property
    def names(self) -> list[str]:
        """Of all figures, in order; times last."""
        every = dict.fromkeys(name for own in self.figures for name in own)
        return sorted(every, key=lambda name: name.startswith("seconds"))

    def as_json(self) -> dict[str, Any]:
        """All of it but the masks."""
        return {
            "dataset": str(self.dataset), "protocol": self.protocol, "photographs": len(self.photographs),
            "clicks": self.clicks, "words": list(self.words), "seed": self.seed,
            "settings": self._each(lambda i: dict(self.contestants[i].setting.values)),
            "figures": self._each(lambda i: self.figures[i]),
            "intervals": self._each(lambda i: {each.name: [each.low, each.high] for each in self.intervals[i]}),
            "differences": [each.as_json() for each in self.differences],
            "records": self._each(lambda i: str(record.path) if (record := self.contestants[i].record) else None),
            "objects": [
                {"image": image, "setting": role, **{name: row[name] for name in row if name not in _LEFT_OUT}}
                for role, contestant in zip(ROLES, self.contestants, strict=False)
                for image, found in contestant.found.items()
                for row in found.rows
            ],
        }  # fmt: skip

    def _each(self, value: Any) -> dict[str, Any]:
        return {role: value(index) for index, role in enumerate(ROLES[: len(self.contestants)])}

    def table(self) -> str:
        """The figures as lines of text: one row for each, one column for each setting, and the difference.

        The first line says what was measured.
        """
        rows = [["", *self.headings, "difference, 95 % interval"][: 2 + 2 * (len(self.contestants) - 1)]]
        told = {each.name: each.words for each in self.differences}
        for name in self.names:
            cells = [name, *(cell(own.get(name)) for own in self.figures)]
            rows.append([*cells, told.get(name, "")] if len(self.contestants) > 1 else cells)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        last = len(widths) - 1 if len(self.contestants) > 1 else len(widths)
        lines = [
            "  ".join(
                f"{text:<{width}}" if column in (0, last) else f"{text:>{width}}"
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([f"{self.dataset.resolve().name}: {self.protocol}, {self.contestants[0].setting}", *lines])


def cell(value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
