"""The two ways of asking that are measured: clicks, one after the other, and boxes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.evaluate.metrics import boundary_iou, mask_iou

if TYPE_CHECKING:
    from anymask.evaluate.dataset import Object, Photograph
    from anymask.scene import Scene
    from anymask.segmenter import Segmenter

PROTOCOLS = ("clicks", "boxes")
MOST_CLICKS = 20
JITTER = 0.1

Settings = Mapping[str, Mapping[str, Any] | None]
"""Name of a way to answer → arguments of `Scene.segment`; None for the official predictor's habit: the highest score
of three masks for a first click or a box, then the single mask, with the logits of the answer before fed back."""

Row = dict[str, Any]


def evaluate(
    segmenter: Segmenter,
    photographs: Sequence[Photograph],
    protocol: str,
    settings: Settings,
    clicks: int = MOST_CLICKS,
    seen: Callable[[int], None] | None = None,
) -> Iterator[Row]:
    """Ask about every object in every way, and measure the answers.

    Args:
        segmenter: answers.
        photographs: with their ground truth.
        protocol: "clicks": the first click in the middle of the object, each next one in the middle of the largest
            error, as interactive segmentation is usually measured. "boxes": the tight box, and one whose sides are off
            by up to a tenth of its size, the same for everybody.
        settings: the ways to answer.
        clicks: how many at most.
        seen: told how many photographs are done.

    Yields:
        One row per object and way: image, object, method, and lists or numbers of `iou`, `boundary` and `seconds`.

    Raises:
        InputError: an unknown protocol, or a mask of another size than its photograph.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    for done, photograph in enumerate(photographs, 1):
        scene = segmenter.encode(photograph.path)
        for truth in photograph.objects():
            if truth.mask.shape[::-1] != scene.size:
                raise InputError(f"mask {truth.name} is {truth.mask.shape[::-1]}, its photograph {scene.size} pixels")
            for method, options in settings.items():
                if protocol == "clicks":
                    measured = _by_clicks(scene, truth, options, clicks)
                else:
                    measured = _by_boxes(scene, truth, options)
                yield {"image": photograph.path.name, "object": truth.name, "method": method, **measured}
        if seen is not None:
            seen(done)


def next_click(
    mask: NDArray[np.bool_], truth: Object, done: Sequence[tuple[float, float, int]] = ()
) -> tuple[float, float, int]:
    """The click that a person would make next: in the middle of the largest error.

    The usual protocol: the point farthest from the edges of what is missing or of what is too much, whichever goes
    deeper; never the same pixel twice.

    Args:
        mask: bool [H, W], the present answer; all False before the first click.
        truth: the object.
        done: clicks made before.

    Returns:
        (x, y) in the middle of a pixel, and the label: 1 missing, 0 too much.
    """
    import cv2

    def depths(error: NDArray[np.bool_]) -> NDArray[np.float32]:
        depth = cv2.distanceTransform(np.pad(error.view(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
        for x, y, _ in done:
            depth[int(y), int(x)] = 0
        found: NDArray[np.float32] = depth
        return found

    missing = depths(truth.mask & ~mask & ~truth.ignored)
    surplus = depths(mask & ~truth.mask & ~truth.ignored)
    label, depth = (1, missing) if missing.max() >= surplus.max() else (0, surplus)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5, label


def _by_clicks(scene: Scene, truth: Object, options: Mapping[str, Any] | None, most: int) -> Row:
    """Click until `most` clicks are made; `best` is the best of the official three answers to the first click."""
    clicks: list[tuple[float, float, int]] = []
    mask = np.zeros(truth.mask.shape, np.bool_)
    logits: NDArray[np.float32] | None = None
    row: Row = {"iou": [], "boundary": [], "seconds": []}
    for _ in range(most):
        clicks.append(next_click(mask, truth, clicks))
        points, labels = [click[:2] for click in clicks], [click[2] for click in clicks]
        started = time.perf_counter()
        if options is None:
            answers = scene.candidates(
                points, labels, mask_input=None if logits is None else logits[None], multimask=len(clicks) == 1
            )
            chosen = int(answers.scores.argmax())
            logits, mask = answers.logits[chosen], answers.masks[chosen]
        else:
            answer = scene.segment(points=points, labels=labels, mask_input=logits, **options)[0]
            logits, mask = answer.logits, answer.array
        row["seconds"].append(time.perf_counter() - started)
        if options is None and len(clicks) == 1:
            row["best"] = max(mask_iou(each, truth.mask, truth.ignored) for each in answers.masks)
        row["iou"].append(mask_iou(mask, truth.mask, truth.ignored))
        row["boundary"].append(boundary_iou(mask, truth.mask, truth.ignored))
        if row["iou"][-1] == 1:
            break
    return row


def _by_boxes(scene: Scene, truth: Object, options: Mapping[str, Any] | None) -> Row:
    row: Row = {}
    for name, box in (("", truth.box), ("_jittered", jittered(truth.box, scene.size, truth.name))):
        started = time.perf_counter()
        if options is None:
            answers = scene.candidates(box=box)
            mask = answers.masks[int(answers.scores.argmax())]
        else:
            mask = scene.segment(box=box, **options)[0].array
        row["seconds" + name] = time.perf_counter() - started
        row["iou" + name] = mask_iou(mask, truth.mask, truth.ignored)
        row["boundary" + name] = boundary_iou(mask, truth.mask, truth.ignored)
    return row


def jittered(box: Sequence[float], size: tuple[int, int], name: str) -> list[float]:
    """A box as a hasty person draws it: every side off by up to a tenth of the box, by the object's name."""
    shift = np.random.default_rng(zlib.crc32(name.encode())).uniform(-JITTER, JITTER, 4)
    width, height = box[2] - box[0], box[3] - box[1]
    moved = np.asarray(box) + shift * [width, height, width, height]
    return [float(value) for value in np.clip(moved, 0, [*size, *size])]
