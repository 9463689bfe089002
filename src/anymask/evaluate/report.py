"""Sum up what was measured: a table, JSON, and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anymask.evaluate.protocols import Row

TARGETS = (0.85, 0.90, 0.95)
Summary = dict[str, dict[str, float]]


def summary(rows: Iterable[Row], protocol: str, most_clicks: int = 20) -> Summary:
    """Mean figures of each way to answer, over all objects.

    For clicks: `first click`, `best of three` (where the official answer was measured), boundary IoU of the first
    click, `clicks to 0.90` (those never reached count as the most allowed) and `never 0.90` (share of objects). For
    boxes: IoU and boundary IoU of the tight and of the jittered box. Seconds are the median of one answer.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row)
    sum_up = _clicks if protocol == "clicks" else _boxes
    return {method: {"objects": len(own), **sum_up(own, most_clicks)} for method, own in found.items()}


def _clicks(rows: Sequence[Row], most: int) -> dict[str, float]:
    figures = {
        "first click": _mean(row["iou"][0] for row in rows),
        "first click, boundary": _mean(row["boundary"][0] for row in rows),
    }
    if all("best" in row for row in rows):
        figures["best of three"] = _mean(row["best"] for row in rows)
    for clicks in (2, 3, 5):
        if most >= clicks:
            figures[f"{clicks} clicks"] = _mean(row["iou"][min(clicks, len(row["iou"])) - 1] for row in rows)
    for target in TARGETS:
        needed = [clicks_to(row["iou"], target, most) for row in rows]
        figures[f"clicks to {target:.2f}"] = _mean(needed)
        figures[f"never {target:.2f}"] = _mean(max(row["iou"]) < target for row in rows)
    figures["seconds per click"] = float(np.median([second for row in rows for second in row["seconds"]]))
    return figures


def _boxes(rows: Sequence[Row], most: int) -> dict[str, float]:
    return {
        "box": _mean(row["iou"] for row in rows),
        "box, boundary": _mean(row["boundary"] for row in rows),
        "jittered box": _mean(row["iou_jittered"] for row in rows),
        "jittered box, boundary": _mean(row["boundary_jittered"] for row in rows),
        "seconds per box": float(np.median([row["seconds"] for row in rows])),
    }


def clicks_to(ious: Sequence[float], target: float, most: int) -> int:
    """Number of clicks until an IoU is reached; `most` if it never was."""
    reached = np.flatnonzero(np.asarray(ious) >= target)
    return int(reached[0]) + 1 if len(reached) else most


def table(figures: Summary) -> str:
    """The summary as lines of text: one row per figure, one column per way to answer."""
    methods = list(figures)
    names = list(dict.fromkeys(name for method in methods for name in figures[method]))
    width = max(map(len, names))
    columns = [max(len(method), 8) for method in methods]
    lines = [" " * width + "".join(f"  {m:>{c}}" for m, c in zip(methods, columns, strict=True))]
    for name in names:
        cells = [_cell(figures[method].get(name)) for method in methods]
        lines.append(f"{name:<{width}}" + "".join(f"  {v:>{c}}" for v, c in zip(cells, columns, strict=True)))
    return "\n".join(lines)


def plot(rows: Sequence[Row], protocol: str, path: str | Path) -> None:
    """Draw mean IoU by number of clicks, or the boxes' IoU from worst to best, one line per way to answer.

    Raises:
        InputError: matplotlib is not installed.
    """
    from anymask.errors import InputError

    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('a plot needs matplotlib: pip install "anymask[notebook]"') from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row["iou"] for row in rows if row["method"] == method]
        if protocol == "clicks":
            most = max(len(ious) for ious in own)
            line = np.mean([[*ious, *[ious[-1]] * (most - len(ious))] for ious in own], axis=0)
            axes.plot(range(1, most + 1), line, marker="o", label=method)
        else:
            axes.plot(np.linspace(0, 1, len(own)), sorted(own), label=method)
    axes.set_xlabel("clicks" if protocol == "clicks" else "share of objects")
    axes.set_ylabel("mean IoU" if protocol == "clicks" else "IoU")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def _mean(values: Iterable[Any]) -> float:
    return float(np.mean([float(value) for value in values]))


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
