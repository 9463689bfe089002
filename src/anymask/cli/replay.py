"""`anymask replay`: the masks of an earlier result made again, and compared."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import (
    debug_option,
    json_option,
    out_option,
    quiet_option,
    threads_option,
)
from anymask.cli.completion import complete_files
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.engines.registry import ENGINES, PRECISIONS
from anymask.errors import quantity

if TYPE_CHECKING:
    from anymask.batch.replay import ReplayResult


@click.command(cls=GroupedCommand)
@click.argument("result", type=click.Path(path_type=Path))
@command_option(
    "--image", type=click.Path(path_type=Path), metavar="FILE", help="The image, or the folder where images are now."
)
@command_option("--engine", type=click.Choice(tuple(ENGINES)), help="Instead of the one that made the masks.")
@command_option("--precision", type=click.Choice(PRECISIONS[1:]), help="Instead of the one that made the masks.")
@command_option(
    "--detector", shell_complete=complete_files, metavar="FILE", help="Where a detector of your own is now."
)
@command_option("--classes", shell_complete=complete_files, metavar="FILE", help="Its class names.")
@command_option("--min-iou", type=click.FloatRange(0, 1), metavar="F", help="Fail if a mask overlaps less.")
@threads_option
@out_option
@json_option
@quiet_option
@debug_option
def command(result: Path, out: Path | None, as_json: bool, quiet: bool, min_iou: float | None, **options: Any) -> int:
    """Make the masks of an earlier result again and compare.

    RESULT is a masks.json, a folder with one, or that as a ZIP, as the browser saves it, or the folder of a batch. On
    the engine and the precision that made them the masks have to be the same bit for bit, or the command fails; on
    others it prints how much they overlap. What a batch has no result of is listed.

    \b
    anymask replay anymask-out/cat
    anymask replay anymask-out/cat/masks.json --out again
    anymask replay masks --engine onnxruntime --precision f32 --min-iou 0.5
    """  # noqa: D301 - click wants the control character itself
    if zipfile.is_zipfile(result):
        with _unpacked(result) as folder:
            options["image"] = options["image"] or result.parent
            return _replay(folder, out, as_json, quiet, min_iou, options)
    return _replay(result, out, as_json, quiet, min_iou, options)


@contextlib.contextmanager
def _unpacked(archive: Path) -> Iterator[Path]:
    """A scratch folder with the `masks.json` of a ZIP; of other entries nothing is needed."""
    from anymask.errors import InputError

    with zipfile.ZipFile(archive) as entries, tempfile.TemporaryDirectory(prefix="anymask-replay-") as scratch:
        names = [name for name in entries.namelist() if PurePosixPath(name).name == "masks.json"]
        if len(names) != 1:
            raise InputError(f"there are {len(names)} masks.json in {archive}: unpack it and name one of them")
        folder = Path(scratch) / archive.name
        folder.mkdir()
        try:
            (folder / "masks.json").write_bytes(entries.read(names[0]))
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise InputError(f"cannot read {names[0]} in {archive}: {error}") from None
        yield folder


def _replay(
    result: Path, out: Path | None, as_json: bool, quiet: bool, min_iou: float | None, options: dict[str, Any]
) -> int:
    """Make the results of a path again; returns the exit code."""
    from anymask.batch.replay import Replayer, results_in
    from anymask.cli.progress import fetch_progress, waiting
    from anymask.errors import InputError, one_line
    from anymask.formats.folder import write_outputs

    results = results_in(result)
    files, missing = results.files, results.missing
    if out is not None and len(files) > 1:
        raise click.UsageError("--out takes the masks of one result: name one of them")
    reports = []
    failed = False
    with waiting("segmenting again", quiet), fetch_progress(quiet) as progress:
        replayer = Replayer(**options, progress=progress)
        for file in files:
            try:
                replay = replayer(file)
            except InputError as error:
                if len(files) == 1 and not missing:
                    raise
                failed = True
                missing.append((str(file), one_line(error)))
                continue
            differs = replay.least_iou < min_iou if min_iou is not None else replay.alike and not replay.same
            failed |= differs
            reports.append(_as_json(replay))
            if not as_json and (not quiet or differs):
                click.echo(_line(replay), err=quiet)
            if out is not None:
                write_outputs(replay.now, out)
    for name, reason in missing:
        click.echo(f"not made again: {reason if name in reason else f'{name}: {reason}'}", err=True)
    if as_json:
        lost = [{"file": name, "reason": reason} for name, reason in missing]
        click.echo(json.dumps(reports[0] if len(files) == 1 and not missing else [*reports, *lost]))
    elif (len(files) > 1 or missing) and not quiet:
        same = sum(each["same"] for each in reports)
        least = f"; least IoU of a mask {min(each['least_iou'] for each in reports):.4f}" if reports else ""
        others = f"; {len(missing)} not made again" if missing else ""
        click.echo(f"{same} of {quantity(len(reports), 'result')} the same bit for bit{least}{others}")
    return 1 if failed else 0


def _line(replay: ReplayResult) -> str:
    run, before = replay.now.provenance, replay.before.provenance
    here = f"{run.engine} {run.precision}"
    count = quantity(len(replay.before), "mask")
    if replay.same:
        return f"{replay.file}: {count}, the same bit for bit on {here}"
    made_on = f"{before.engine} {before.precision}"
    where = f"{here}, made on {made_on}" if here != made_on else f"{here}"
    if before.engine_version != run.engine_version and here == made_on:
        where += f" {run.engine_version}, made with {before.engine_version}"
    ious = replay.ious
    mean = sum(ious) / len(ious) if ious else 0.0
    extra = f", {replay.extra} more" if replay.extra else ""
    return f"{replay.file}: {count}{extra}: IoU {mean:.4f} on average, least {replay.least_iou:.4f}, on {where}"


def _as_json(replay: ReplayResult) -> dict[str, Any]:
    run = replay.now.provenance
    return {
        "file": str(replay.file),
        "same": replay.same,
        "alike": replay.alike,
        "masks": len(replay.before),
        "masks_now": len(replay.now),
        "ious": [round(value, 6) for value in replay.ious],
        "least_iou": round(replay.least_iou, 6),
        "engine": run.engine,
        "precision": run.precision,
        "device": run.device,
        "version": run.version,
    }
