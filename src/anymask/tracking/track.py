"""`anymask.track`: objects followed through frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from anymask.errors import InputError, PromptError, quantity
from anymask.io.image import Image
from anymask.io.stored_values import stored_values
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.structures.mask import Mask
from anymask.structures.mask_image import is_label_map, read_labels, read_mask
from anymask.structures.mask_set import MaskSet
from anymask.tracking.frames import Frames, open_frames
from anymask.tracking.options import TrackOptions
from anymask.tracking.result import TrackedFrame
from anymask.tracking.tracker import Tracker


def track(
    frames: Any,
    segmenter: Segmenter,
    *,
    boxes: ArrayLike | None = None,
    points: Any = None,
    labels: Any = None,
    masks: Any = None,
    text: str | Sequence[str] | None = None,
    names: Sequence[str | None] | None = None,
    start: int = 0,
    later: Mapping[int, Mapping[str, Any]] | None = None,
    options: TrackOptions | None = None,
) -> Iterator[TrackedFrame]:
    """Follow objects through the frames of a video, one frame at a time.

    ```python
    segmenter = anymask.load("mobile-sam", store=False)
    for frame in anymask.track("frames", segmenter, boxes=[[60, 90, 300, 400]]):
        print(frame.name, [(each.id, each.state) for each in frame.objects])
        frame.labels, frame.masks          # uint16 [H, W]; a MaskSet
    ```

    Args:
        frames: a folder of images, an image file of several pages, a video file, or a list of images.
        segmenter: a SAM model; `load(store=False)` keeps the embeddings of the frames off the disk.
        boxes: [M, 4], one object each, in pixels of the first frame.
        points: as for `EncodedImage.segment`: [N, 2] on one object, or one list per object.
        labels: of the points.
        masks: of further objects in the first frame: a MaskSet, a label map (integers [H, W], 0 is no object), the path
            of one, or a list of masks.
        text: what a detector looks for in the first frame.
        names: of the objects, in the order boxes or points, text, masks; as many as there are objects.
        start: index of the first frame.
        later: index of a frame → keywords of this function, from `boxes` to `names`, for objects that appear there.
        options: how objects are followed.

    Yields:
        Each frame from `start` on, with all objects named so far. Each pixel belongs to one object at most.

    Raises:
        InputError: frames that cannot be found, or a first frame that cannot be read.
        PromptError: no object, or a prompt that cannot be right.
        ModelError: a model that takes no mask as a prompt.
    """
    first = {
        "boxes": boxes, "points": points, "labels": labels, "masks": masks, "text": text, "names": names,
    }  # fmt: skip
    later = later or {}
    if unknown := {name for each in later.values() for name in each} - set(first):
        raise TypeError(f"later has no {', '.join(sorted(unknown))}: it takes {', '.join(first)}")
    if early := [index for index in later if index <= start]:
        raise PromptError(f"later has frame {early[0]}: it takes frames after the first one, which is {start}")
    prompts = {start: first, **later}
    if all(value is None for name, value in first.items() if name != "names"):
        raise PromptError("nothing to follow: give boxes, points, masks or text")
    found = open_frames(frames)
    if wrong := [each for each in prompts if each < 0 or (found.count is not None and each >= found.count)]:
        raise InputError(f"there is no frame {wrong[0]}: there are {found.count}, counted from 0")
    tracker = Tracker(segmenter, options)
    return _followed(found, tracker, prompts, start)


def _followed(
    frames: Frames, tracker: Tracker, prompts: Mapping[int, Mapping[str, Any]], start: int
) -> Iterator[TrackedFrame]:
    for frame in frames.read(start):
        if frame.image is None:
            if frame.index in prompts:
                raise InputError(f"frame {frame.name}, where an object is named, cannot be read: {frame.error}")
            yield TrackedFrame(frame.index, frame.name, None, error=frame.error)
            continue
        encoded = tracker.segmenter.encode(frame.image)
        added = named_objects(encoded, **prompts[frame.index]) if frame.index in prompts else None
        yield tracker.step(encoded, added, frame.index, frame.name)


def named_objects(
    image: EncodedImage,
    boxes: ArrayLike | None = None,
    points: Any = None,
    labels: Any = None,
    masks: Any = None,
    text: str | Sequence[str] | None = None,
    names: Sequence[str | None] | None = None,
) -> MaskSet:
    """The masks of the objects that are named in a frame; see `track`.

    Raises:
        PromptError: a prompt that cannot be right, or another number of names than of objects.
        InputError: a mask of another size.
    """
    found: list[Mask] = []
    if boxes is not None or points is not None:
        found += image.segment(points=points, labels=labels, boxes=boxes)
    if text is not None:
        found += image.segment_text(text)
    if masks is not None:
        found += masks_of(masks, image.source)
    if names is not None:
        if len(names) != len(found):
            raise PromptError(f"{quantity(len(names), 'name')} for {quantity(len(found), 'object')}: each takes one")
        found = [mask.replace(label=name) for mask, name in zip(found, names, strict=True)]
    return MaskSet(found, image=image.source)


def masks_of(value: Any, image: Image) -> list[Mask]:
    """Masks of objects in an image.

    Args:
        value: a MaskSet or a list of masks; a label map, integers [H, W], 0 is no object; or the path of one.
        image: that they belong to.

    Raises:
        InputError: another size, or what is no mask.
    """
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        value = read_labels(value) if is_label_map(stored_values(value)) else read_mask(value)
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype != np.bool_:
        masks = [Mask.from_array(value == number) for number in np.unique(value) if number]
    elif isinstance(value, np.ndarray) and value.ndim == 2:
        masks = [Mask.from_array(value)]
    else:
        masks = [each if isinstance(each, Mask) else Mask.from_array(each) for each in value]
    for mask in masks:
        if mask.size != image.size:
            raise InputError(
                f"a mask of {mask.size[0]}x{mask.size[1]} does not belong to a frame of {image.size[0]}x{image.size[1]}"
            )
    return masks
