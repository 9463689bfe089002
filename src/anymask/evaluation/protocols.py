"""The protocols of an evaluation: clicks, boxes, clicks on all objects, alternatives, everything mode, text."""

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
    from anymask.evaluation.datasets.ground_truth import AnnotatedImage, Object
    from anymask.evaluation.settings import Setting
    from anymask.prediction.encoded_image import EncodedImage

MAX_CLICKS = 20
ALTERNATIVES = (3, 6)
"""Of how many alternatives the best is a figure."""
JITTER = 0.1
Row = dict[str, Any]
"""Figures of one object, named in the docstring of the function that measures it."""


@dataclass(frozen=True)
class ProtocolResult:
    """The result of one image, as JSON values.

    Attributes:
        rows: one for each object.
        entries: of the protocol text, see `anymask.evaluation.matching.match_labelled`.
    """

    rows: list[Row] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)


Measure = Callable[["EncodedImage", "AnnotatedImage", "Setting"], ProtocolResult]


def protocol_function(protocol: str, clicks: int = MAX_CLICKS, categories: Sequence[str] = ()) -> Measure:
    """The function that measures one image by a protocol.

    Args:
        protocol: "clicks": the first click in the middle of the object, each next one in the middle of the largest
            error, as interactive segmentation is usually measured. "boxes": the tight box, and one whose sides are off
            by up to a tenth of its size, by the object's name. "instances": one click in the middle of each object of
            an image, all at once. "alternatives": one click in the middle of the object, and what it may mean.
            "everything": no prompt; the masks are matched with all objects. "text": the dataset's categories are the
            phrases.
        clicks: maximum for each object.
        categories: of "text": only these; all if empty.
    """
    by_object: dict[str, Callable[[EncodedImage, Object, Setting], Row]] = {
        "clicks": lambda encoded, truth, setting: _measure_clicks(encoded, truth, setting, clicks),
        "boxes": _measure_boxes,
        "alternatives": _measure_alternatives,
    }
    if protocol in by_object:
        measure = by_object[protocol]
        return lambda encoded, image, setting: ProtocolResult(
            [
                {"object": each.name, **measure(encoded, each, setting)}
                for each in _check_sizes(encoded, image.sample_objects())
            ]
        )
    if protocol == "instances":
        return _measure_instances
    if protocol == "everything":
        return _measure_everything
    return lambda encoded, image, setting: _measure_text(encoded, image, setting, categories)


def measured_objects(image: AnnotatedImage, protocol: str, categories: Sequence[str] = ()) -> Iterator[Object]:
    """The objects of an image's rows, in their order."""
    if protocol in ("clicks", "boxes", "alternatives"):
        yield from image.sample_objects()
        return
    if protocol == "instances":
        for objects in _groups_of_instances(image):
            yield from objects
        return
    for segmentation in image.segmentations:
        for each in segmentation.objects():
            if not each.crowd and (protocol == "everything" or not categories or each.label in categories):
                yield each


def next_click(
    mask: NDArray[np.bool_], truth: Object, done: Sequence[tuple[float, float, int]] = ()
) -> tuple[float, float, int]:
    """The next click of a simulated user: in the middle of the largest error.

    The usual protocol: the point farthest from the edges of the missing pixels or of the surplus ones, whichever is
    farther; never the same pixel twice.

    Args:
        mask: bool [H, W], the current mask; all False before the first click.
        truth: the object.
        done: the clicks before, (x, y, label).

    Returns:
        x and y in pixels of the image, in the middle of a pixel, and the label: 1 missing, 0 surplus.
    """
    import cv2

    def depths(error: NDArray[np.bool_]) -> NDArray[np.float32]:
        depth = cv2.distanceTransform(np.pad(error.view(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
        for x, y, _ in done:
            depth[int(y), int(x)] = 0
        distances: NDArray[np.float32] = depth
        return distances

    missing = depths(truth.mask & ~mask & ~truth.ignored)
    surplus = depths(mask & ~truth.mask & ~truth.ignored)
    label, depth = (1, missing) if missing.max() >= surplus.max() else (0, surplus)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5, label


def jitter_box(box: Sequence[float], size: tuple[int, int], name: str) -> list[float]:
    """A box with every side off by up to a tenth of its width or height, at random by the object's name.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels.
        size: (width, height) of the image, to which the result is clipped.
        name: of the object, the seed.
    """
    shift = np.random.default_rng(zlib.crc32(name.encode())).uniform(-JITTER, JITTER, 4)
    width, height = box[2] - box[0], box[3] - box[1]
    moved = np.asarray(box) + shift * [width, height, width, height]
    return [float(value) for value in np.clip(moved, 0, [*size, *size])]


def _measure_clicks(encoded: EncodedImage, truth: Object, setting: Setting, max_clicks: int) -> Row:
    """Click up to `max_clicks` times.

    Row: `iou`, `boundary` and `seconds` after each click; `clicks`; `mask`, the RLE after the first; and for the
    official predictor `best`, the highest IoU of its three masks of the first click.
    """
    clicks: list[tuple[float, float, int]] = []
    mask = np.zeros(truth.mask.shape, np.bool_)
    logits: NDArray[np.float32] | None = None
    row: Row = {"iou": [], "boundary": [], "seconds": [], "clicks": clicks}
    for _ in range(max_clicks):
        clicks.append(next_click(mask, truth, clicks))
        points, labels = [click[:2] for click in clicks], [click[2] for click in clicks]
        started = time.perf_counter()
        if setting.official:
            candidates = encoded.predict(
                points, labels, mask_input=None if logits is None else logits[None], multimask=len(clicks) == 1
            )
            best = int(candidates.scores.argmax())
            logits, mask = candidates.logits[best], candidates.masks[best]
        else:
            result = encoded.segment(points=points, labels=labels, mask_input=logits, **setting.options)[0]
            logits, mask = result.logits, result.array
        row["seconds"].append(time.perf_counter() - started)
        if len(clicks) == 1:
            row["mask"] = encode(np.ascontiguousarray(mask))
            if setting.official:
                row["best"] = max(mask_iou(each, truth.mask, truth.ignored) for each in candidates.masks)
        row["iou"].append(mask_iou(mask, truth.mask, truth.ignored))
        row["boundary"].append(boundary_iou(mask, truth.mask, truth.ignored))
        if row["iou"][-1] == 1:
            break
    return row


def _measure_boxes(encoded: EncodedImage, truth: Object, setting: Setting) -> Row:
    """Prompt with both boxes.

    Row: `iou`, `boundary`, `seconds`, `box` and `mask`, the RLE, of the tight box; the same without `mask` of the
    jittered box, the names ending in `_jittered`.
    """
    row: Row = {}
    for name, box in (("", truth.box), ("_jittered", jitter_box(truth.box, encoded.size, truth.name))):
        started = time.perf_counter()
        if setting.official:
            candidates = encoded.predict(box=box)
            mask = candidates.masks[int(candidates.scores.argmax())]
        else:
            mask = encoded.segment(box=box, **setting.options)[0].array
        row["seconds" + name] = time.perf_counter() - started
        row["iou" + name] = mask_iou(mask, truth.mask, truth.ignored)
        row["boundary" + name] = boundary_iou(mask, truth.mask, truth.ignored)
        row["box" + name] = list(box)
        if not name:
            row["mask"] = encode(np.ascontiguousarray(mask))
    return row


def _measure_alternatives(encoded: EncodedImage, truth: Object, setting: Setting) -> Row:
    """Click once, and compare each alternative; the official predictor has three, the highest score first.

    Row: `ious`, of all in order; `iou`, the best of the first three; `mask`, its RLE; `clicks`, the one
    click; `seconds`.
    """
    click = next_click(np.zeros(truth.mask.shape, np.bool_), truth)
    started = time.perf_counter()
    if setting.official:
        candidates = encoded.predict([click[:2]])
        masks = list(candidates.masks[np.argsort(-candidates.scores, kind="stable")])
    else:
        masks = [each.array for each in encoded.alternatives([click[:2]], most=ALTERNATIVES[-1])]
    seconds = time.perf_counter() - started
    masks = masks or [np.zeros(truth.mask.shape, np.bool_)]
    ious = [mask_iou(each, truth.mask, truth.ignored) for each in masks]
    best = int(np.argmax(ious[: ALTERNATIVES[0]]))
    shown = encode(np.ascontiguousarray(masks[best]))
    return {"ious": ious, "iou": ious[best], "mask": shown, "clicks": [click], "seconds": seconds}


def _measure_instances(encoded: EncodedImage, image: AnnotatedImage, setting: Setting) -> ProtocolResult:
    """Click every object of the image once; each annotator's segmentation is measured alone.

    Row: `iou`; `covers`, whether the mask covers more than half of another object that the object itself does not
    cover; `clicks`, the one click; `mask`, its RLE; `seconds`, of all clicks together, shared equally.
    """
    measured = ProtocolResult()
    for objects in _groups_of_instances(image):
        _check_sizes(encoded, objects)
        clicks = [next_click(np.zeros(each.mask.shape, np.bool_), each) for each in objects]
        started = time.perf_counter()
        masks = _masks_of_clicks(encoded, [click[:2] for click in clicks], setting)
        seconds = (time.perf_counter() - started) / len(objects)
        for truth, click, mask in zip(objects, clicks, masks, strict=True):
            others = [each for each in objects if each is not truth and not _covers(truth.mask, each)]
            row: Row = {
                "object": truth.name, "iou": mask_iou(mask, truth.mask, truth.ignored),
                "covers": any(_covers(mask, each) for each in others),
                "clicks": [click], "seconds": seconds, "mask": encode(np.ascontiguousarray(mask)),
            }  # fmt: skip
            measured.rows.append(row)
    return measured


def _groups_of_instances(image: AnnotatedImage) -> Iterator[list[Object]]:
    """The objects of each segmentation that has at least two."""
    for segmentation in image.segmentations:
        objects = list(segmentation.sample_objects(image.max_objects, image.seed))
        if len(objects) > 1:
            yield objects


def _masks_of_clicks(
    encoded: EncodedImage, points: list[tuple[float, float]], setting: Setting
) -> list[NDArray[np.bool_]]:
    """One mask, bool [H, W], for each point, as the setting makes them."""
    if setting.official:
        candidates = [encoded.predict([point]) for point in points]
        return [each.masks[int(each.scores.argmax())] for each in candidates]
    options = {"objects": "per_point", **setting.options}
    if options["objects"] == "one":
        return [encoded.segment(points=[point], **options)[0].array for point in points]
    result = encoded.segment(points=points, **options)
    owners = [mask for mask in result for _ in result.prompts[mask.prompt_index].points]
    places = [tuple(point) for mask in result for point in result.prompts[mask.prompt_index].points.tolist()]
    return [owners[places.index(point)].array for point in points]


def _covers(mask: NDArray[np.bool_], other: Object) -> bool:
    """Whether a mask, bool [H, W], covers more than half of an object."""
    return bool(2 * np.count_nonzero(mask & other.mask) > np.count_nonzero(other.mask))


def _measure_everything(encoded: EncodedImage, image: AnnotatedImage, setting: Setting) -> ProtocolResult:
    """Run everything mode, and match the masks with all objects; each annotator's segmentation is matched alone.

    Rows: see `anymask.evaluation.matching.match_each`; `masks`, their number, and `seconds` are those of the image.
    """
    started = time.perf_counter()
    result = encoded.everything(**setting.options)
    seconds = time.perf_counter() - started
    measured = ProtocolResult()
    for segmentation in image.segmentations:
        objects = _check_sizes(encoded, segmentation.objects())
        for row in match_each(objects, result):
            measured.rows.append({**row, "masks": len(result), "seconds": seconds})
    return measured


def _measure_text(
    encoded: EncodedImage, image: AnnotatedImage, setting: Setting, only: Sequence[str]
) -> ProtocolResult:
    """Segment the dataset's categories by text, and match the masks within each.

    Rows and entries: see `anymask.evaluation.matching.match_labelled`; `seconds` are those of the image.
    """
    segmentation = image.segmentations[0]  # a dataset with categories has one for each image
    categories = _categories(segmentation.labels, only)
    objects = [each for each in _check_sizes(encoded, segmentation.objects()) if each.label in categories]
    options = {name: value for name, value in setting.options.items() if name in ("select", "refine", "detector")}
    started = time.perf_counter()
    result = encoded.segment_text(categories, search=setting.search(), **options)
    seconds = time.perf_counter() - started
    labels = [_category_of(result.prompts[mask.prompt_index].text, categories) for mask in result]
    rows, entries = match_labelled(objects, result, labels, categories)
    return ProtocolResult([{**row, "seconds": seconds} for row in rows], entries)


def _categories(known: Sequence[str], only: Sequence[str]) -> list[str]:
    if not known:
        raise InputError("the dataset has no categories, which the protocol text searches for: it needs COCO's layout")
    if unknown := [name for name in only if name not in known]:
        raise InputError(f"the dataset has no category {unknown[0]!r}: it has {', '.join(known[:20])}")
    return list(only or known)


def _category_of(phrase: str | None, categories: Sequence[str]) -> str:
    """The category of a phrase, which may have other blanks and capitals."""
    plain = " ".join((phrase or "").split()).casefold()
    return next(each for each in categories if " ".join(each.split()).casefold() == plain)


def _check_sizes(encoded: EncodedImage, objects: Any) -> list[Object]:
    """The objects as a list, their masks compared with the size of the image."""
    checked: list[Object] = []
    for truth in objects:
        if truth.mask.shape[::-1] != encoded.size:
            raise InputError(f"mask {truth.name} is {truth.mask.shape[::-1]}, its image {encoded.size} pixels")
        checked.append(truth)
    return checked
