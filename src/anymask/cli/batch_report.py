"""How `anymask batch` shows its progress, what it has done, and how an earlier job stands."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from anymask.errors import quantity

if TYPE_CHECKING:
    from anymask.batch.job import BatchStatus, Summary

_FAILURES_SHOWN = 10
_LINE_SECONDS = 30.0


def next_command(summary: Summary, kind: str, folder: str, inputs: tuple[str, ...]) -> str:
    """The command that is most likely wanted after a job, for people at a terminal."""
    if summary.counts.failed:
        return "the same command with --retry-failed, once the images are repaired"
    if kind == "embed":
        return f"anymask label {quote(inputs[0])}" if Path(inputs[0]).is_dir() else "anymask serve"
    return f"anymask {'batch --status' if '://' in folder else 'stats'} {quote(folder)}"


@contextmanager
def show_batch_progress(quiet: bool) -> Iterator[Callable[[BatchStatus], None]]:
    """Show the progress of the job: a bar on a terminal, else a line every 30 seconds."""
    if quiet:
        yield lambda status: None
        return
    if not sys.stderr.isatty():
        yield _LogLines().show
        return
    from anymask.cli.progress import counts_progress

    with counts_progress(quiet, "images") as update:

        def show(status: BatchStatus) -> None:
            counts = status.counts
            update(counts.images - counts.waiting, counts.images, _progress_text(status))

        yield show


class _LogLines:
    """Progress for a log file."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_SECONDS

    def show(self, status: BatchStatus) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_SECONDS
        counts = status.counts
        click.echo(
            f"{counts.images - counts.waiting} of {quantity(counts.images, 'image')}: {_progress_text(status)}",
            err=True,
        )


def _progress_text(status: BatchStatus) -> str:
    parts = []
    if status.rate:
        parts.append(f"{status.rate:.2f} images/s")
    if status.seconds_left is not None:
        parts.append(f"{_duration(status.seconds_left)} left")
    if status.counts.failed:
        parts.append(f"{status.counts.failed} failed")
    return ", ".join(parts) or "starting"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def report_batch(summary: Summary, folder: str, quiet: bool) -> None:
    """Print what a job has done: failures and problems on standard error, the rest unless quiet."""
    from anymask.batch.dataset_export import FAILURES

    counts = summary.counts
    for key, reason in summary.failures[:_FAILURES_SHOWN]:
        click.echo(f"failed: {reason if key in reason else f'{key}: {reason}'}", err=True)
    if counts.failed > _FAILURES_SHOWN:
        click.echo(f"… and {counts.failed - _FAILURES_SHOWN} more, see {folder}/{FAILURES}", err=True)
    for problem in summary.problems:
        click.echo(problem, err=True)
    if quiet:
        return
    for note in summary.notes:
        click.echo(f"note: {note}")
    waiting = f", {counts.waiting} not processed" if counts.waiting else ""
    click.echo(
        f"{quantity(counts.images, 'image')}: {counts.done} done, {counts.failed} failed{waiting}; "
        f"{quantity(counts.masks, 'mask')}"
    )
    before = counts.images - counts.waiting - summary.now
    earlier = f", {before} before" if before else ""
    rate = f", {summary.now / summary.seconds:.2f} images/s" if summary.now and summary.seconds > 0 else ""
    click.echo(f"now {summary.now} in {_duration(summary.seconds)}{rate}{earlier}")
    for path in summary.datasets:
        click.echo(path)
    click.echo(folder)


def batch_json(summary: Summary, folder: str) -> dict[str, Any]:
    """The same for --json."""
    counts = summary.counts
    return {
        "out": folder,
        "images": counts.images,
        "done": counts.done,
        "failed": counts.failed,
        "waiting": counts.waiting,
        "masks": counts.masks,
        "now": summary.now,
        "found_ready": summary.found_ready,
        "seconds": round(summary.seconds, 3),
        "failures": [{"image": key, "reason": reason} for key, reason in summary.failures],
        "notes": list(summary.notes),
        "files": list(summary.datasets),
        "problems": list(summary.problems),
    }


def print_job_state(folder: str, as_json: bool) -> int:
    """Print how the job in a folder of results stands.

    Raises:
        InputError: there is no job.
    """
    from anymask.batch.report import job_state

    state = job_state(folder)
    counts, settings = state.counts, state.settings
    if as_json:
        content = {
            "out": folder, "running": state.is_running, "begun": state.begun, "images": counts.images,
            "done": counts.done, "failed": counts.failed, "waiting": counts.waiting, "masks": counts.masks,
            "kind": settings.get("kind"), "model": settings.get("model"), "engine": settings.get("engine"),
            "precision": settings.get("precision"), "formats": list(state.formats),
            "failures": [{"image": key, "reason": reason} for key, reason in state.failures],
        }  # fmt: skip
        click.echo(json.dumps(content, ensure_ascii=False))
        return 0
    formats = f", also as {', '.join(state.formats)}" if state.formats else ""
    running = ", running" if state.is_running else ""
    click.echo(
        f"{quantity(counts.images, 'image')}: {counts.done} done, {counts.failed} failed, {counts.waiting} waiting; "
        f"{quantity(counts.masks, 'mask')}{running}"
    )
    click.echo(
        f"{settings.get('kind')} with {settings.get('model')}, {settings.get('engine')} {settings.get('precision')}"
        f"{formats}; begun {state.begun}"
    )
    for key, reason in state.failures[:_FAILURES_SHOWN]:
        click.echo(f"failed: {reason if key in reason else f'{key}: {reason}'}")
    return 0
