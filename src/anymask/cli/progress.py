"""What the command line shows while it works, on standard error: bars on a terminal alone, lines, and the log of -v.

There is one display for all bars of a command, and each line is printed above it, so that no two end up in one line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from anymask.weights.licences import carrier_line, licence_line
from anymask.weights.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from anymask.weights.model_entry import ModelEntry

_SHOWN_AFTER = 0.5
"""Seconds before the bar of a task appears; most tasks have ended by then."""
_PACKAGE = 1.2
"""A transfer that is so much larger than the files to be fetched is stated."""
_open_bars: Bars | None = None
_tasks = 0


def say(line: str) -> None:
    """Print a line on standard error, above the bars while there are some."""
    if _open_bars is None:
        click.echo(line, err=True)
    else:
        _open_bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


def hint(line: str, quiet: bool) -> None:
    """Name the next useful command, to people at a terminal."""
    if not quiet and sys.stderr.isatty():
        say(f"next: {line}")


@contextmanager
def waiting(what: str, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show that something is being done, and for how long, unless it is done at once.

    Yields:
        A callback that says how far it is.
    """
    with _task(what, None, quiet) as update:
        yield lambda amount: update(amount=amount)


@contextmanager
def count_progress(quiet: bool, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a callback that shows how many of `total` are done, on a terminal and unless quiet."""
    with _task(what, total, quiet) as update:
        yield lambda done: update(completed=done, amount=f"{done}/{total}")


@contextmanager
def counts_progress(quiet: bool, what: str) -> Iterator[Callable[[int, int, str], None]]:
    """The same where the total may change: the callback takes what is done, the total, and words about it."""
    with _task(what, None, quiet) as update:
        yield lambda done, total, words: update(completed=done, total=total, amount=f"{done}/{total} {words}")


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
def shown_log() -> Iterator[None]:
    """Print what the library logs: models, engines, times and files."""
    logger, handler = logging.getLogger("anymask"), _LogLines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


class _LogLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


class _FetchProgress(Progress):
    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._announced = 0
        self._tasks: dict[str, tuple[TaskID, str]] = {}

    def licence(self, entry: ModelEntry) -> None:
        self._announced = entry.size
        say(f"fetching {entry.size / 1e6:,.1f} MB, {licence_line(entry)}")
        if line := carrier_line(entry):
            say(line)

    def note(self, line: str) -> None:
        if not self._quiet:
            say(line)

    def begin(self, file: str, size: int | None, source: str) -> None:
        if size is not None and size > _PACKAGE * self._announced and not self._quiet:
            say(f"they come in a package of {size / 1e6:,.1f} MB")
        if not self._quiet and sys.stderr.isatty():
            total = "" if size is None else f" of {size / 1e6:,.1f}"
            self._tasks[file] = _begin_task(f"{file} from {source}", size), total

    def advance(self, file: str, done: int) -> None:
        if file in self._tasks and _open_bars is not None:
            task, total = self._tasks[file]
            _open_bars.update(task, completed=done, amount=f"{done / 1e6:,.1f}{total} MB")

    def end(self, file: str) -> None:
        if file in self._tasks:
            _end_task(self._tasks.pop(file)[0])

    def close(self) -> None:
        """Remove the bars."""
        for file in list(self._tasks):
            self.end(file)


@contextmanager
def _task(what: str, total: int | None, quiet: bool) -> Iterator[Callable[..., Any]]:
    """A bar while the block runs, on a terminal and unless quiet; yields what changes it."""
    if quiet or not sys.stderr.isatty():
        yield lambda **changes: None
        return
    task = _begin_task(what, total)
    bars = _open_bars
    assert bars is not None
    try:
        yield lambda **changes: bars.update(task, **changes)
    finally:
        _end_task(task)


def _begin_task(what: str, total: int | None) -> TaskID:
    global _open_bars, _tasks
    if _open_bars is None:
        _open_bars = _start_bars()
    _tasks += 1
    return _open_bars.add_task(what, total=total, amount="")


def _end_task(task: TaskID) -> None:
    """Remove a bar, and the display with the last one."""
    global _open_bars, _tasks
    assert _open_bars is not None
    _open_bars.remove_task(task)
    _tasks -= 1
    if not _tasks:
        _open_bars.stop()
        _open_bars = None


def _start_bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class LateBars(Bars):
        """Bars that appear late."""

        def get_renderables(self) -> Any:
            late = [task for task in self.tasks if (task.elapsed or 0.0) > _SHOWN_AFTER]
            return [self.make_tasks_table(late)] if late else []

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Standard output may be a file: it is never redirected to the console of the bars.
    bars = LateBars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    bars.start()
    return bars
