"""The ways of asking that are measured: clicks one after the other, boxes, nothing at all, and words."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.evaluation.matching import match_each, match_labelled
from anymask.evaluation.metrics import boundary_iou, mask_iou
from anymask.structures.rle import encode

if TYPE_CHECKING:
    from anymask.evaluation.datasets.ground_truth import Object, Photograph
    from anymask.evaluation.settings import Setting
    from anymask.prediction.encoded_image import EncodedImage

MOST_CLICKS = 20
JITTER = 0.1
Row = dict[str, Any]
"""Figures of one object; what they are is said where they are made."""


@dataclass(frozen=True)
class ProtocolResult:
    """What was measured on one photograph; all of it can be written as JSON.

    Attributes:
        rows: one for each object.
        entries: of the protocol text, see `anymask.evaluation.matching.match_labelled`.
    """

    rows: list[Row] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)


Ask = Callable[["EncodedImage", "Photograph", "Setting"], ProtocolResult]


def asking(protocol: str, clicks: int = MOST_CLICKS, words: Sequence[str] = ()) -> Ask:
    """How a protocol asks about one photograph.

    Args:
        protocol: "clicks": the first click in the middle of the object, each next one in the middle of the largest
            error, as interactive segmentation is usually measured. "boxes": the tight box, and one whose sides are off
            by up to a tenth of its size, the same for everybody. "everything": no prompt; the answers are held against
            all objects. "text": the dataset's categories are the words.
        clicks: how many at most.
        words: of "text": only these categories; all if none are named.
    """
    one_by_one: dict[str, Callable[[EncodedImage, Object, Setting], Row]] = {
        "clicks": lambda encoded, truth, setting: _by_clicks(encoded, truth, setting, clicks),
        "boxes": _by_boxes,
    }
    if protocol in one_by_one:
        ask = one_by_one[protocol]
        return lambda encoded, photograph, setting: ProtocolResult(
            [
                {"object": each.name, **ask(encoded, each, setting)}
                for each in _of_its_size(encoded, photograph.objects())
            ]
        )
    if protocol == "everything":
        return _everything
    return lambda encoded, photograph, setting: _text(encoded, photograph, setting, words)


def measured_objects(photograph: Photograph, protocol: str, words: Sequence[str] = ()) -> Iterator[Object]:
    """The objects that a photograph's rows are about, in their order."""
    if protocol in ("clicks", "boxes"):
        yield from photograph.objects()
        return
    for segmentation in photograph.segmentations:
        for each in segmentation.objects():
            if not each.crowd and (protocol == "everything" or not words or each.label in words):
                yield each


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


def jittered(box: Sequence[float], size: tuple[int, int], name: str) -> list[float]:
    """A box as a hasty person draws it: every side off by up to a tenth of the box, by the object's name."""
    shift = np.random.default_rng(zlib.crc32(name.encode())).uniform(-JITTER, JITTER, 4)
    width, height = box[2] - box[0], box[3] - box[1]
    moved = np.asarray(box) + shift * [width, height, width, height]
    return [float(value) for value in np.clip(moved, 0, [*size, *size])]


def _by_clicks(encoded: EncodedImage, truth: Object, setting: Setting, most: int) -> Row:
    """Click until `most` clicks are made.

    Row: `iou`, `boundary` and `seconds` after each click; `clicks`; `answer`, the RLE of the first; and for official
    answers `best`, the IoU of the best of three to the first click.
    """
    clicks: list[tuple[float, float, int]] = []
    mask = np.zeros(truth.mask.shape, np.bool_)
    logits: NDArray[np.float32] | None = None
    row: Row = {"iou": [], "boundary": [], "seconds": [], "clicks": clicks}
    for _ in range(most):
        clicks.append(next_click(mask, truth, clicks))
        points, labels = [click[:2] for click in clicks], [click[2] for click in clicks]
        started = time.perf_counter()
        if setting.official:
            answers = encoded.predict(
                points, labels, mask_input=None if logits is None else logits[None], multimask=len(clicks) == 1
            )
            chosen = int(answers.scores.argmax())
            logits, mask = answers.logits[chosen], answers.masks[chosen]
        else:
            answer = encoded.segment(points=points, labels=labels, mask_input=logits, **setting.options)[0]
            logits, mask = answer.logits, answer.array
        row["seconds"].append(time.perf_counter() - started)
        if len(clicks) == 1:
            row["answer"] = encode(np.ascontiguousarray(mask))
            if setting.official:
                row["best"] = max(mask_iou(each, truth.mask, truth.ignored) for each in answers.masks)
        row["iou"].append(mask_iou(mask, truth.mask, truth.ignored))
        row["boundary"].append(boundary_iou(mask, truth.mask, truth.ignored))
        if row["iou"][-1] == 1:
            break
    return row


def _by_boxes(encoded: EncodedImage, truth: Object, setting: Setting) -> Row:
    """Ask about both boxes.

    Row: `iou`, `boundary`, `seconds`, `box` and `answer`, its RLE, of the tight box; the same but for the answer of
    the jittered one, the names ending in `_jittered`.
    """
    row: Row = {}
    for name, box in (("", truth.box), ("_jittered", jittered(truth.box, encoded.size, truth.name))):
        started = time.perf_counter()
        if setting.official:
            answers = encoded.predict(box=box)
            mask = answers.masks[int(answers.scores.argmax())]
        else:
            mask = encoded.segment(box=box, **setting.options)[0].array
        row["seconds" + name] = time.perf_counter() - started
        row["iou" + name] = mask_iou(mask, truth.mask, truth.ignored)
        row["boundary" + name] = boundary_iou(mask, truth.mask, truth.ignored)
        row["box" + name] = list(box)
        if not name:
            row["answer"] = encode(np.ascontiguousarray(mask))
    return row


def _everything(encoded: EncodedImage, photograph: Photograph, setting: Setting) -> ProtocolResult:
    """Ask about nothing, and match the answers with all objects; each person's segmentation is matched alone.

    Rows: see `anymask.evaluation.matching.match_each`; `answers` and `seconds` are those of the photograph.
    """
    started = time.perf_counter()
    result = encoded.everything(**setting.options)
    seconds = time.perf_counter() - started
    found = ProtocolResult()
    for segmentation in photograph.segmentations:
        objects = _of_its_size(encoded, segmentation.objects())
        for row in match_each(objects, result):
            found.rows.append({**row, "answers": len(result), "seconds": seconds})
    return found


def _text(encoded: EncodedImage, photograph: Photograph, setting: Setting, words: Sequence[str]) -> ProtocolResult:
    """Ask about the dataset's categories, and match the answers within each.

    Rows and entries: see `anymask.evaluation.matching.match_labelled`; `seconds` are those of the photograph.
    """
    segmentation = photograph.segmentations[0]  # the layout with categories has one for each photograph
    categories = _categories(segmentation.labels, words)
    objects = [each for each in _of_its_size(encoded, segmentation.objects()) if each.label in categories]
    how = {name: value for name, value in setting.options.items() if name in ("select", "refine", "detector")}
    started = time.perf_counter()
    result = encoded.segment_text(categories, search=setting.search(), **how)
    seconds = time.perf_counter() - started
    labels = [_category_of(result.prompts[mask.prompt_index].text, categories) for mask in result]
    rows, entries = match_labelled(objects, result, labels, categories)
    return ProtocolResult([{**row, "seconds": seconds} for row in rows], entries)


def _categories(known: Sequence[str], words: Sequence[str]) -> list[str]:
    if not known:
        raise InputError("the dataset has no categories, which are the words to look for: text needs COCO's layout")
    if unknown := [word for word in words if word not in known]:
        raise InputError(f"the dataset has no category {unknown[0]!r}: it has {', '.join(known[:20])}")
    return list(words or known)


def _category_of(phrase: str | None, categories: Sequence[str]) -> str:
    """The category that was asked for by a phrase, which may be written with other blanks and capitals."""
    plain = " ".join((phrase or "").split()).casefold()
    return next(each for each in categories if " ".join(each.split()).casefold() == plain)


def _of_its_size(encoded: EncodedImage, objects: Any) -> list[Object]:
    """The objects, checked."""
    found: list[Object] = []
    for truth in objects:
        if truth.mask.shape[::-1] != encoded.size:
            raise InputError(f"mask {truth.name} is {truth.mask.shape[::-1]}, its photograph {encoded.size} pixels")
        found.append(truth)
    return found
