"""Which of FastSAM's segments a prompt selects.

FastSAM segments the whole image beforehand, so a prompt only selects. A prompt means what it means for SAM
(`anymask.structures.prompt_check`): one mask per object, included points inside, excluded ones outside, the box filled.
A segment that breaks the prompt is selected only where every segment breaks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.models.fastsam.segments import Segments
from anymask.prediction.options import Select
from anymask.structures.overlap import box_iou
from anymask.structures.prompt import Prompt

MIN_CONFIDENCE_SHARE = 0.7
"""A smaller segment is selected only if its confidence is at least this share of the highest one there: the same bound
as for SAM's parts in `anymask.prediction.selection`."""


@dataclass(frozen=True)
class SegmentSelection:
    """A mask made of segments.

    Attributes:
        joined: indices of the segments that make the mask.
        removed: indices of those that are cut out of it.
        score: lowest confidence of the segments joined, 0 for none.
    """

    joined: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    score: float = 0.0

    def render(self, segments: Segments) -> NDArray[np.bool_]:
        """The mask in full size, bool [H, W]."""
        width, height = segments.size
        mask = np.zeros((height, width), np.bool_)
        for index in self.joined:
            mask |= segments.render(index)
        for index in self.removed:
            mask &= ~segments.render(index)
        return mask


def select_segments(segments: Segments, prompt: Prompt, select: Select = "object") -> SegmentSelection:
    """Select the segment of a prompt.

    A box: the segment whose tight box is most like it. A click: the smallest sensible segment there; for
    `select="part"` the smallest at all, for "score" that of highest confidence. Several included clicks: a segment
    that contains all of them, else the segments of each joined. Where every segment under an included click contains an
    excluded one, too, the segments of the excluded click are cut out.

    Args:
        segments: of the image.
        prompt: points, a box or both.
        select: see above.

    Returns:
        The selection; empty if no segment lies there.
    """
    if not len(segments):
        return SegmentSelection()
    inside = segments.contain(prompt.points)
    included, excluded = inside[:, prompt.labels == 1], inside[:, prompt.labels == 0]
    if prompt.box is not None:
        broken = (~included).sum(axis=1) + excluded.sum(axis=1)
        return _single(segments, _most_like(segments, prompt.box, np.flatnonzero(broken == broken.min())))
    allowed = ~excluded.any(axis=1)
    if not included.shape[1]:
        return _single(segments, int(allowed.argmax())) if allowed.any() else SegmentSelection()
    whole = np.flatnonzero(included.all(axis=1) & allowed)
    if len(whole):
        return _single(segments, _smallest(segments, whole, select))
    return _joined(segments, included, excluded, select)


def matching_segments(segments: Segments, prompt: Prompt) -> list[int]:
    """Indices of all segments that follow a prompt's points, best first: most like its box, or smallest."""
    inside = segments.contain(prompt.points)
    following = np.flatnonzero((inside == (prompt.labels == 1)).all(axis=1)).tolist()
    box = prompt.box
    if box is not None:
        overlaps = {index: float(box_iou(segments.box(index), box)) for index in following}
        return sorted((index for index in following if overlaps[index] > 0), key=lambda index: -overlaps[index])
    return sorted(following, key=segments.area)


def select_union(segments: Segments, prompt: Prompt) -> SegmentSelection:
    """As the original: every segment under an included point and under no excluded one, joined.

    A box adds the segment that fills it best. With excluded points only, all other segments are joined.
    """
    if not len(segments):
        return SegmentSelection()
    joined: NDArray[np.bool_] = np.zeros(len(segments), np.bool_)
    if len(prompt.points):
        inside = segments.contain(prompt.points)
        included = prompt.labels == 1
        under_included = inside[:, included].any(axis=1) if included.any() else np.ones(len(segments), np.bool_)
        joined = np.logical_and(under_included, ~inside[:, ~included].any(axis=1))
    if prompt.box is not None:
        box = prompt.box
        joined[max(range(len(segments)), key=lambda index: segments.fit(index, box))] = True
    indices = np.flatnonzero(joined).tolist()
    return SegmentSelection(tuple(indices), (), _lowest_score(segments, indices))


def _single(segments: Segments, index: int | None) -> SegmentSelection:
    return SegmentSelection() if index is None else SegmentSelection((index,), (), float(segments.scores[index]))


def _most_like(segments: Segments, box: NDArray[np.float64], among: NDArray[np.int64]) -> int | None:
    """Index of the segment whose tight box has the greatest IoU with a box; None if none touches it.

    A mask never leaves the box that the network predicted, so the intersection of the two boxes bounds the IoU.

    Args:
        segments: all.
        box: float64 [4], xyxy in pixels.
        among: int64 [M], indices of the segments to compare.
    """
    low = np.maximum(segments.boxes[among, :2], box[:2])
    high = np.minimum(segments.boxes[among, 2:], box[2:])
    possible = np.prod(np.maximum(high - low, 0), axis=1) / np.prod(box[2:] - box[:2])
    best, nearest = 0.0, None
    for place in np.argsort(-possible, kind="stable").tolist():
        if possible[place] <= best:
            break
        overlap = float(box_iou(segments.box(int(among[place])), box))
        if overlap > best:
            best, nearest = overlap, int(among[place])
    return nearest


def _smallest(segments: Segments, among: NDArray[np.int64], select: Select) -> int:
    """One of some segments, by their indices int64 [M], M ≥ 1, the highest confidence first."""
    if select == "score":
        return int(among[0])
    if select == "object":
        among = among[segments.scores[among] >= MIN_CONFIDENCE_SHARE * segments.scores[among[0]]]
    return int(min(among, key=segments.area))


def _joined(
    segments: Segments, included: NDArray[np.bool_], excluded: NDArray[np.bool_], select: Select
) -> SegmentSelection:
    """One segment for each included click, without the segments of excluded clicks.

    Args:
        segments: N of them.
        included: bool [N, I], which segments contain which included clicks.
        excluded: bool [N, E], which segments contain which excluded clicks.
        select: which of several segments under a click.
    """
    with_excluded = excluded.any(axis=1)
    joined, removed = set[int](), set[int]()
    for under in included.T:
        free, all_under = np.flatnonzero(under & ~with_excluded), np.flatnonzero(under)
        if len(free):
            joined.add(_smallest(segments, free, select))
        elif len(all_under):
            joined.add(_smallest(segments, all_under, select))
            others = excluded & ~under[:, None]
            removed |= {_smallest(segments, np.flatnonzero(each), select) for each in others.T if each.any()}
    indices = tuple(sorted(joined))
    return SegmentSelection(indices, tuple(sorted(removed)), _lowest_score(segments, indices))


def _lowest_score(segments: Segments, indices: Sequence[int]) -> float:
    return min((float(segments.scores[index]) for index in indices), default=0.0)
