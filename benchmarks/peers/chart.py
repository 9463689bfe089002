"""A chart of the measurements: one panel per task, one bar per tool."""

from __future__ import annotations

from pathlib import Path

from anymask.errors import AnymaskError
from benchmarks.peers.measure import Measured
from benchmarks.peers.peers import OWN, TASKS
from benchmarks.peers.report import ratio_to_own
from benchmarks.peers.spread import spread_of

TITLES = {
    "encode": "encode an image",
    "click": "one more click",
    "boxes": "ten boxes",
    "cold": "whole command",
    "everything": "everything",
}
COLOURS = ("#1e6fd9", "#9aa4b2")
"""Of anymask, and of the others."""

COLUMNS = 3


def draw_chart(measured: Measured, path: Path) -> None:
    """Draw the medians with their middle halves into a PNG or SVG file.

    Raises:
        AnymaskError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise AnymaskError("matplotlib is not installed; get it with: pip install 'anymask[notebook]'") from None
    tasks = [task for task in TASKS if task in measured.seconds]
    names = list(measured.environments)
    columns = min(len(tasks), COLUMNS)
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(3.6 * columns + 1, (0.36 * len(names) + 1.2) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    for axes, task in zip(panels, tasks, strict=False):
        for row, name in enumerate(names):
            if values := measured.seconds[task].get(name):
                spread = spread_of(values)
                error = [[spread.median - spread.quartiles[0]], [spread.quartiles[1] - spread.median]]
                colour = COLOURS[0] if name.startswith(OWN.name) else COLOURS[1]
                axes.barh(row, spread.median, color=colour, xerr=error, ecolor="#333333", capsize=2)
                ratio = ratio_to_own(measured, task, name)
                label = f" {ratio.median:.1f}×" if ratio else f" {spread.median:.2g} s"
                axes.annotate(label, (spread.quartiles[1], row), va="center", fontsize=8)
        axes.set_title(TITLES[task], fontsize=10)
        axes.set_xlabel("seconds", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.margins(x=0.2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(names)), names)
    figure.axes[0].invert_yaxis()
    where = measured.machine
    title = f"{where['processor']}, {where['threads']} threads, {where['date']}; behind the bars: times anymask"
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=150)
