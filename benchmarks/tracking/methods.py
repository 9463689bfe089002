"""The tracker, the tracker without one of its steps, and simpler ways to carry a mask along."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from anymask.prediction.segmenter import Segmenter
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import tight_box
from anymask.tracking.flow import flow_between
from anymask.tracking.options import TrackOptions
from anymask.tracking.tracker import Tracker

Method = Callable[[Segmenter, list[Any], Any], list[Any]]
"""A model, frames uint8 [H, W, 3] and the first label map [H, W] → label maps of all frames."""


def tracker(**options: bool) -> Method:
    """The tracker with options."""

    def follow(segmenter: Segmenter, frames: list[Any], first: Any) -> list[Any]:
        own = Tracker(segmenter, TrackOptions(**options))  # type: ignore[arg-type]
        images = [segmenter.encode(frame) for frame in frames]
        masks = [Mask.from_array(first == number) for number in numbers(first)]
        found = own.step(images[0], MaskSet(masks, image=images[0].source))
        return [found.labels, *(own.step(image).labels for image in images[1:])]

    return follow


def numbers(labels: Any) -> list[int]:
    return [int(each) for each in np.unique(labels) if each]


def static(segmenter: Segmenter, frames: list[Any], first: Any) -> list[Any]:
    """The first mask in every frame."""
    return [first for _ in frames]


def flow_only(segmenter: Segmenter, frames: list[Any], first: Any) -> list[Any]:
    """Masks moved by the flow; no model."""
    masks = {number: first == number for number in numbers(first)}
    results = [first]
    for before, after in pairwise(frames):
        flow = flow_between(before, after)
        masks = {number: flow.move(mask) for number, mask in masks.items()}
        results.append(painted(masks, first))
    return results


def previous_box(segmenter: Segmenter, frames: list[Any], first: Any) -> list[Any]:
    """The model prompted with the box that the object had in the frame before."""
    masks = {number: first == number for number in numbers(first)}
    results = [first]
    for frame in frames[1:]:
        image = segmenter.encode(frame)
        for number, mask in masks.items():
            if mask.any():
                masks[number] = np.asarray(image.segment(box=tight_box(mask), refine="off")[0])
        results.append(painted(masks, first))
    return results


def painted(masks: dict[int, Any], like: Any) -> Any:
    labels = np.zeros_like(like)
    for number, mask in masks.items():
        labels[mask] = number
    return labels


METHODS: dict[str, Method] = {
    "anymask.track": tracker(),
    "without flow": tracker(flow=False),
    "without re-detection": tracker(redetect=False),
    "previous box": previous_box,
    "flow only": flow_only,
    "first mask": static,
}
