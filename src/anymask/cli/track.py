"""`anymask track`: objects followed through the frames of a video, from a run that goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anymask.cli.common_options import RUNTIME_OPTIONS, common_options
from anymask.cli.completion import (
    complete_files,
)
from anymask.cli.image_arguments import DEFAULT_FOLDER
from anymask.cli.model_loading import CommandModels
from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import OPENING, GroupedCommand, command_option
from anymask.cli.prompt_options import PromptedSegmenter, prompt_options
from anymask.errors import quantity
from anymask.prediction.options import SelectionOptions
from anymask.structures.image_options import ImageOptions
from anymask.tracking.options import TrackOptions

if TYPE_CHECKING:
    from anymask.batch.prompt_files import PromptEntry
    from anymask.prediction.encoded_image import EncodedImage
    from anymask.structures.mask_set import MaskSet
    from anymask.tracking.frames import Frames
    from anymask.tracking.run import NameObjects, RunSummary

_OPENING = ("window", "bands", "max_pixels", "background")
_THRESHOLDS = ("min_likeness", "found_likeness")
_NAMES_SHOWN = 5


@click.command(cls=GroupedCommand, first=("include", "boxes", "text", "masks", "out"))
@click.argument("frames", type=click.Path(path_type=Path), metavar="FRAMES")
@prompt_options
@command_option(
    "--mask", "masks", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    group="Prompts", help="A mask of the first frame, or a label map with several objects.",
)  # fmt: skip
@command_option(
    "--prompts",
    shell_complete=complete_files,
    metavar="FILE",
    group="Prompts",
    help="Boxes of a COCO JSON, or points and boxes of a CSV, for named frames.",
)
@command_option(
    "--start", metavar="FRAME", group="Prompts", help="Name or index (from 0) of the frame where objects are named."
)
@command_option(
    "--max-frames",
    type=click.IntRange(min=1),
    metavar="N",
    group="Tracking",
    help="Maximum number of frames to follow objects through.",
)
@options_from(TrackOptions, _THRESHOLDS, group="Tracking")
@command_option("--no-redetect", is_flag=True, group="Tracking", help="Do not look for lost objects.")
@command_option("--no-overlay", is_flag=True, group="Output", help="Write no overlay video.")
@command_option(
    "--fps", type=click.FloatRange(min=0, min_open=True), default=24.0, show_default=True, metavar="F",
    group="Output", help="Frames per second of the overlay of a folder of images.",
)  # fmt: skip
@command_option(
    "--restart",
    is_flag=True,
    group="Output",
    help="Delete the results of an earlier run in the folder, and begin again.",
)
@options_from(ImageOptions, _OPENING, group=OPENING)
@common_options
def command(
    frames: Path, out: Path | None, as_json: bool, quiet: bool, masks: tuple[Path, ...], prompts: str | None,
    start: str | None, max_frames: int | None, no_redetect: bool, no_overlay: bool, fps: float, restart: bool,
    **parameters: Any,
) -> None:  # fmt: skip
    """Follow objects through the frames of a video.

    FRAMES is a folder of images, an image file of several pages, or a video file (pip install 'anymask[video]'). The
    objects are named in the first frame, each --box and each --mask is one. Writes a label map for each frame
    (masks/NAME.png), coco.json with track ids, and overlay.mp4. An object that cannot be found is lost, and has no mask
    until it is found again. The same command goes on where it was interrupted.

    \b
    anymask track frames --box 60,90,300,400 --box 530,180,780,600
    anymask track clip.mp4 --text cat --out tracked
    anymask track frames --mask first-frame.png --out followed
    anymask track frames --prompts objects.csv --start frame_0010
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import count_progress, say
    from anymask.tracking.folder import TrackFolder, free_folder
    from anymask.tracking.frames import open_frames
    from anymask.tracking.run import RunOptions, run_tracking
    from anymask.tracking.tracker import Tracker

    source = open_frames(frames, ImageOptions(**values_of(ImageOptions, parameters, _OPENING)))
    options = TrackOptions(**values_of(TrackOptions, parameters, _THRESHOLDS), redetect=not no_redetect)
    models = CommandModels(parameters, quiet, store=False)
    named = _named_objects(source, models, quiet, masks, prompts, parameters)
    first = _first_frame(source, start, named)
    tracker = Tracker(models.segmenter, options)
    settings = {name: value for name, value in parameters.items() if name not in RUNTIME_OPTIONS}
    settings |= {
        "redetect": not no_redetect,
        "masks": [_hash_of(path) for path in masks],
        "prompts": prompts and _hash_of(Path(prompts)),
    }
    segmenter = models.segmenter
    run = {
        "frames": source.identity, "start": first, "model": segmenter.model, "weights": segmenter.weights,
        "engine": segmenter.engine, "precision": segmenter.precision, "settings": settings,
    }  # fmt: skip
    _check_apart(frames, out)
    folder = TrackFolder(out or free_folder(DEFAULT_FOLDER / source.name, run), run)
    asked = {first if index is None else index: each for index, each in named.items()}
    run_options = RunOptions(first, max_frames, not no_overlay, fps)
    total = min(each for each in (max_frames, (source.count or max_frames or 0) - first) if each is not None)
    with folder.opened(restart), count_progress(quiet, total, "frames") as progress:
        try:
            summary = run_tracking(source, tracker, asked, folder, run_options, progress)
        except KeyboardInterrupt:
            done = folder.resume()
            count = 0 if done is None else done[1] + 1 - first
            say(f"anymask: {quantity(count, 'frame')} done in {folder.path}; the same command goes on from there")
            raise
    if as_json:
        click.echo(json.dumps(_as_json(summary, folder.path), ensure_ascii=False))
    elif not quiet:
        _report(summary, folder.path, no_overlay)


def _named_objects(
    source: Frames, models: CommandModels, quiet: bool, masks: tuple[Path, ...], prompts: str | None,
    parameters: Mapping[str, Any],
) -> dict[int | None, NameObjects]:  # fmt: skip
    """Index of a frame → what names objects in it; None stands for the first frame.

    Raises:
        InputError: nothing names an object, or a file of prompts names no frame.
    """
    from anymask.batch.prompt_files import read_prompts
    from anymask.errors import InputError, PromptError
    from anymask.structures.mask_set import MaskSet
    from anymask.tracking.track import masks_of

    by_options = any(parameters[name] for name in ("include", "exclude", "boxes", "text", "prompt_log"))
    if not (by_options or masks or prompts):
        raise PromptError(
            "nothing to follow: give at least one --box, --point, --mask or --text, or a file of --prompts"
        )
    for path in masks:
        if not path.is_file():
            raise InputError(f"there is no mask {path}")
    prompted = PromptedSegmenter(quiet=quiet, models=models, **parameters) if by_options else None

    def name_first(image: EncodedImage) -> MaskSet:
        found = list(prompted(image.source)) if prompted is not None else []
        if not found and prompted is not None:
            raise InputError("no object was found in the first frame: nothing to follow")
        for path in masks:
            found += masks_of(path, image.source)
        return MaskSet(found, image=image.source)

    named: dict[int | None, NameObjects] = {}
    if by_options or masks:
        named[None] = name_first
    if prompts is not None:
        selection = values_of(SelectionOptions, parameters)
        unknown = []
        for name, entries in read_prompts(prompts).prompts.items():
            index = source.index_of(name)
            if index is None:
                unknown.append(name)
            elif entries:
                named[index] = _from_entries(entries, selection)
        if unknown and (not named or not quiet):
            line = f"no frame for {quantity(len(unknown), 'image')} of {prompts}, such as {unknown[0]}"
            if not named:
                raise InputError(f"{line}; name frames of {source.name}")
            click.echo(f"anymask: {line}; they are left out", err=True)
    return named


def _from_entries(entries: list[PromptEntry], selection: dict[str, Any]) -> NameObjects:
    """Objects of a file of prompts in one frame."""

    def name_objects(image: EncodedImage) -> MaskSet:
        from anymask.structures.mask_set import MaskSet

        found = []
        for each in entries:
            points = {"points": each["points"], "labels": each["labels"]} if each["points"] else {}
            [mask] = image.segment(box=each["box"], **points, **selection)
            found.append(mask.replace(label=each["name"]))
        return MaskSet(found, image=image.source)

    return name_objects


def _first_frame(source: Frames, start: str | None, named: Mapping[int | None, NameObjects]) -> int:
    """The index of the first frame: the one of --start, else the first one in which an object is named.

    Raises:
        InputError: no such frame, or objects are named before it.
    """
    from anymask.errors import InputError

    indices = sorted(index for index in named if index is not None)
    if start is None:
        return 0 if None in named or not indices else indices[0]
    first = source.index_of(start)
    if first is None or (source.count is not None and first >= source.count):
        raise InputError(f"--start {start} is no frame of {source.name}: give the name of a file, or an index from 0")
    if None not in named and first not in indices:
        raise InputError(f"no object is named in frame {start}: give --box, --point, --mask or --text for it")
    if early := [index for index in indices if index < first]:
        raise InputError(f"--prompts names objects in frame {early[0]}, before --start {start}")
    return first


def _check_apart(frames: Path, out: Path | None) -> None:
    """Refuse to write the results between the frames."""
    from anymask.errors import InputError

    if out is not None and frames.is_dir() and out.resolve() == frames.resolve():
        raise InputError(f"--out {out} is the folder of the frames: give another one")


def _hash_of(path: Path) -> str:
    from anymask.errors import InputError
    from anymask.io.atomic import protect_input

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    protect_input(path)
    return hashlib.sha256(content).hexdigest()


def _as_json(summary: RunSummary, out: Path) -> dict[str, Any]:
    return {
        "out": str(out), "frames": summary.frames, "now": summary.now, "objects": list(summary.objects),
        "unreadable": [{"frame": name, "reason": reason} for name, reason in summary.unreadable],
        "files": [str(out / name) for name in summary.files],
    }  # fmt: skip


def _report(summary: RunSummary, out: Path, no_overlay: bool) -> None:
    from anymask.tracking.outputs import VIDEO

    for each in summary.objects:
        name = f"{each['id']} {each['label'] or ''}".strip()
        lost = f", lost in {each['lost']} (from {_listed(each['lost_at'])})" if each["lost"] else ""
        again = f", found again at {_listed(each['found_again_at'])}" if each["found_again_at"] else ""
        click.echo(f"object {name}: visible in {quantity(each['visible'], 'frame')}{lost}{again}")
    if summary.unreadable:
        names = _listed([name for name, _ in summary.unreadable])
        click.echo(f"cannot be read: {quantity(len(summary.unreadable), 'frame')}, {names}; {summary.unreadable[0][1]}")
    click.echo(f"{quantity(summary.frames, 'frame')}, {summary.now} of them now")
    if not no_overlay and VIDEO not in summary.files:
        click.echo("overlay as images: for a video pip install 'anymask[video]'")
    for name in summary.files if no_overlay or VIDEO in summary.files else summary.files[:1]:
        click.echo(out / name)
    click.echo(out)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
