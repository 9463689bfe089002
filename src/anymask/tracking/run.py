"""A whole run of tracking into a folder of results: go on where an earlier run stopped, then write COCO and overlay."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anymask.errors import InputError
from anymask.io.atomic import staged_folder
from anymask.prediction.encoded_image import EncodedImage
from anymask.structures.mask_set import MaskSet
from anymask.tracking.folder import TrackFolder
from anymask.tracking.frames import Frames
from anymask.tracking.outputs import COCO, overlay_names, write_coco, write_overlay
from anymask.tracking.result import TrackedFrame
from anymask.tracking.tracker import Tracker

NameObjects = Callable[[EncodedImage], MaskSet]
"""Masks of the objects that are followed from a frame on."""


@dataclass(frozen=True)
class RunOptions:
    """What a run does beside following objects.

    Attributes:
        start: index of the first frame.
        most: frames to follow at most; None for all.
        overlay: whether the overlay is written.
        fps: frames per second of the overlay of images.
    """

    start: int = 0
    most: int | None = None
    overlay: bool = True
    fps: float = 24.0


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        frames: that are done, those of earlier runs included.
        now: that this run did.
        unreadable: name and reason of frames that cannot be read.
        objects: for each object id, label, first frame, in how many frames it is visible and lost, and the names of
            the frames in which it was lost, or found again.
        files: names of the files about all frames.
    """

    frames: int
    now: int
    unreadable: tuple[tuple[str, str], ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    files: tuple[str, ...] = field(default=())


def run_tracking(
    frames: Frames,
    tracker: Tracker,
    prompts: Mapping[int, NameObjects],
    folder: TrackFolder,
    options: RunOptions,
    progress: Callable[[int], None] = lambda done: None,
) -> RunSummary:
    """Follow objects through the frames that are not done yet, in a folder that is open.

    Args:
        frames: all frames.
        tracker: without objects.
        prompts: index of a frame → the objects that are followed from there on.
        folder: of the results.
        options: of the run.
        progress: called with the number of frames that are done.

    Raises:
        InputError: a frame in which an object is named cannot be read, or a file of other origin is in the way.
    """
    earlier = folder.resume()
    done = last = options.start - 1
    first_to_read = options.start
    if earlier is not None:
        tracker.tracks, done, last = earlier
        first_to_read = last if last >= options.start else done + 1
    before = done
    stop = None if options.most is None else options.start + options.most
    for frame in itertools.takewhile(lambda each: stop is None or each.index < stop, frames.read(first_to_read)):
        if frame.index <= done:
            if frame.index == last:
                tracker.previous = frame.image
            continue
        if frame.image is None:
            if frame.index in prompts:
                raise InputError(f"frame {frame.name}, where an object is named, cannot be read: {frame.error}")
            tracked = TrackedFrame(frame.index, frame.name, None, error=frame.error)
        else:
            image = tracker.segmenter.encode(frame.image)
            added = prompts[frame.index](image) if frame.index in prompts else None
            tracked = tracker.step(image, added, frame.index, frame.name)
        folder.add(tracked, tracker.tracks, frame.time)
        done = frame.index
        progress(done + 1 - options.start)
    if done < options.start:
        raise InputError(f"there is no frame {options.start}, counted from 0")
    return _finish(frames, folder, options, done - before)


def _finish(frames: Frames, folder: TrackFolder, options: RunOptions, now: int) -> RunSummary:
    """Write the files about all frames, unless they are there."""
    records = folder.frames()
    names = [COCO, *(overlay_names(records) if options.overlay else [])]
    objects = _objects(records)
    unreadable = tuple((each["name"], each["error"]) for each in records if "error" in each)
    if not folder.is_written(names, len(records)):
        folder.check_replaceable(names)
        about = {"frames": len(records), "unreadable": [name for name, _ in unreadable], "objects": list(objects)}
        with staged_folder(folder.path) as stage:
            write_coco(stage, records, frames.name)
            if options.overlay:
                write_overlay(stage, records, frames, options.fps)
            folder.publish(stage, names, about)
    return RunSummary(len(records), now, unreadable, objects, tuple(names))


def _objects(records: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """See `RunSummary.objects`."""
    objects: dict[int, dict[str, Any]] = {}
    states: dict[int, str] = {}
    for record in records:
        for each in record.get("objects", ()):
            about = objects.setdefault(
                each["id"],
                {
                    "id": each["id"], "label": each["label"], "first": record["name"], "visible": 0, "lost": 0,
                    "lost_at": [], "found_again_at": [],
                },
            )  # fmt: skip
            before = states.get(each["id"], "visible")
            about[each["state"]] += 1
            if before != each["state"]:
                about["lost_at" if each["state"] == "lost" else "found_again_at"].append(record["name"])
            states[each["id"]] = each["state"]
    return tuple(objects.values())
