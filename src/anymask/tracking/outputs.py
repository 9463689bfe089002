"""The files about all frames of a run: COCO JSON with the numbers of the objects, and the video with masks over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.formats.coco import write_dataset
from anymask.io.file_names import shorten_name
from anymask.structures.annotation import Annotation, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord
from anymask.tracking.frames import Frames
from anymask.tracking.video import has_pyav, write_video
from anymask.visualization.overlay import INK, PALETTE, Canvas, Style, paint

COCO, VIDEO, IMAGES = "coco.json", "overlay.mp4", "overlay"
OVERLAY_SIDE = 1280
"""Long side of the overlay of larger frames, in pixels."""

FrameRecord = Mapping[str, Any]
"""What `frames/NAME.json` holds, see `anymask.tracking.folder`."""


def masks_in(record: FrameRecord) -> list[tuple[int, Mask]]:
    """Number and mask of each visible object of a frame."""
    return [
        (each["id"], Mask.from_rle(each["rle"], score=each["score"], label=each["label"]))
        for each in record.get("objects", ())
        if "rle" in each
    ]


def write_coco(folder: Path, records: Sequence[FrameRecord], name: str) -> None:
    """Write all masks as COCO: `video_id` and `frame_id` of images, `track_id` of annotations.

    Args:
        folder: where the file goes.
        records: of all frames.
        name: of the video.
    """
    readable = [each for each in records if "error" not in each]
    first = readable[0]
    video = {"id": 1, "name": name, "width": first["width"], "height": first["height"], "length": len(records)}
    dataset = DatasetRecord(format="coco", extra={"videos": [video]})

    def sets() -> Iterator[MaskSet]:
        for each in readable:
            path = each["file"] or f"{name}/{each['name']}"
            extra = {"video_id": 1, "frame_id": each["index"]}
            record = ImageRecord(each["width"], each["height"], path, extra=extra)
            masks = [
                mask.replace(annotation=Annotation(extra={"track_id": number, "video_id": 1}))
                for number, mask in masks_in(each)
            ]
            yield MaskSet(masks, image=record, dataset=dataset)

    write_dataset(sets(), folder / COCO)


def overlay_names(records: Sequence[FrameRecord]) -> list[str]:
    """The files that `write_overlay` writes: a video, or without PyAV an image for each frame."""
    if has_pyav():
        return [VIDEO]
    return [f"{IMAGES}/{shorten_name(each['name'] + '.png')}" for each in records if "error" not in each]


def write_overlay(folder: Path, records: Sequence[FrameRecord], frames: Frames, fps: float) -> None:
    """Write the frames with the masks over them.

    Args:
        folder: where the files go.
        records: of all frames.
        frames: the frames themselves.
        fps: frames per second of images, which have no times.
    """
    names = overlay_names(records)
    drawn = _drawn(records, frames, fps)
    if names == [VIDEO]:
        write_video(folder / VIDEO, drawn)
        return
    import PIL.Image

    (folder / IMAGES).mkdir()
    for name, (_, pixels) in zip(names, drawn, strict=True):
        PIL.Image.fromarray(pixels).save(folder / name)


def _drawn(records: Sequence[FrameRecord], frames: Frames, fps: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Time in seconds and pixels, uint8 [H, W, 3], of each frame that can be read."""
    by_index = {each["index"]: each for each in records if "error" not in each}
    start, end = min(by_index), max(by_index)
    first_time = by_index[start]["time"] or 0.0
    for frame in frames.read(start):
        if frame.index in by_index and frame.image is not None:
            record = by_index[frame.index]
            time = (frame.index - start) / fps if record["time"] is None else record["time"] - first_time
            yield time, overlay(frame.image.pixels, record)
        if frame.index >= end:
            return


def overlay(pixels: NDArray[np.uint8], record: FrameRecord) -> NDArray[np.uint8]:
    """A frame with its masks, each with number and name, and a line on the objects that are lost.

    Args:
        pixels: uint8 [H, W, 3].
        record: of the frame.

    Returns:
        uint8 [h, w, 3], at most `OVERLAY_SIDE` pixels long.
    """
    found = masks_in(record)
    named = [mask.replace(label=f"{number} {mask.label or ''}".strip(), score=None) for number, mask in found]
    colors = [PALETTE[(number - 1) % len(PALETTE)] for number, _ in found]
    painted = paint(pixels, named, style=Style(colors=colors or PALETTE, max_side=OVERLAY_SIDE))
    lost = [str(each["id"]) for each in record["objects"] if each["state"] == "lost"]
    if not lost:
        return painted
    canvas = Canvas(painted)
    canvas.tag(f"lost: {', '.join(lost)}", (0, 0, 0, 0), INK)
    return canvas.pixels
