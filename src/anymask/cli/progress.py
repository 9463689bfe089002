"""How the command line shows a fetch: licence and notes as lines, bars only on a terminal; all on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from anymask.weights.licences import licence_line
from anymask.weights.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from anymask.weights.model_entry import ModelEntry


@contextmanager
def fetch_progress(quiet: bool = False) -> Iterator[Progress]:
    """Yield callbacks for `anymask.weights` that show a fetch on the command line.

    Args:
        quiet: show the licence before a download and nothing else.
    """
    listener = _FetchProgress(quiet)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def count_progress(quiet: bool, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a callback that shows how many of `total` are done, on a terminal and unless quiet."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


class _FetchProgress(Progress):
    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._with_bars = not quiet and sys.stderr.isatty()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def licence(self, entry: ModelEntry) -> None:
        self._say(f"fetching {licence_line(entry)}")

    def note(self, line: str) -> None:
        if not self._quiet:
            self._say(line)

    def begin(self, file: str, size: int | None, source: str) -> None:
        if self._with_bars:
            self._bars = self._bars or _start_bars()
            self._tasks[file] = self._bars.add_task(f"{file} from {source}", total=size)

    def advance(self, file: str, done: int) -> None:
        if self._bars and file in self._tasks:
            self._bars.update(self._tasks[file], completed=done)

    def end(self, file: str) -> None:
        if self._bars and file in self._tasks:
            self._bars.remove_task(self._tasks.pop(file))

    def close(self) -> None:
        """Remove the bars."""
        if self._bars:
            self._bars.stop()

    def _say(self, line: str) -> None:
        """Print above the bars while there are some: a bare write would break them."""
        if self._bars:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)


def _start_bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=Console(stderr=True), transient=True)
    bars.start()
    return bars
