"""Which of FastSAM's segments a prompt means.

FastSAM finds every segment beforehand, so a prompt only selects. A prompt means what it means for SAM
(`anymask.structures.prompt_check`): one mask per object, included points inside, excluded ones outside, the box filled.
A segment that breaks the prompt is selected only where every segment breaks it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.models.fastsam.segments import Segments
from anymask.prediction.options import Select
from anymask.structures.overlap import box_iou
from anymask.structures.prompt import Prompt

SENSIBLE = 0.7
"""A smaller segment is taken for the object only if its confidence is at least this share of the best one's there: the
same bound as for SAM's parts in `anymask.prediction.selection`."""


@dataclass(frozen=True)
class SegmentSelection:
    """An answer made of segments.

    Attributes:
        joined: indices of the segments that make the mask.
        removed: indices of those that are cut out of it.
        score: confidence of the least sure segment joined, 0 for none.
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
    """Find the segment that a prompt means.

    A box: the segment whose tight box is most like it. A click: the smallest sensible segment there; for
    `select="part"` the smallest at all, for "score" the surest. Several included clicks: a segment that has all of
    them, else the segments of each joined. Where every segment under an included click has an excluded one, too, the
    segments of the excluded click are cut out.

    Args:
        segments: of the photo.
        prompt: what was asked.
        select: see above.

    Returns:
        The answer; an empty one if nothing lies there.
    """
    if not len(segments):
        return SegmentSelection()
    inside = segments.contain(prompt.points)
    wanted, unwanted = inside[:, prompt.labels == 1], inside[:, prompt.labels == 0]
    if prompt.box is not None:
        broken = (~wanted).sum(axis=1) + unwanted.sum(axis=1)
        return _single(segments, _most_like(segments, prompt.box, np.flatnonzero(broken == broken.min())))
    allowed = ~unwanted.any(axis=1)
    if not wanted.shape[1]:
        return _single(segments, int(allowed.argmax())) if allowed.any() else SegmentSelection()
    whole = np.flatnonzero(wanted.all(axis=1) & allowed)
    if len(whole):
        return _single(segments, _smallest(segments, whole, select))
    return _joined(segments, wanted, unwanted, select)


def matching_segments(segments: Segments, prompt: Prompt) -> list[int]:
    """All segments that keep a prompt's points, best first: most like its box, or smallest."""
    inside = segments.contain(prompt.points)
    keeping = np.flatnonzero((inside == (prompt.labels == 1)).all(axis=1)).tolist()
    box = prompt.box
    if box is not None:
        overlaps = {index: float(box_iou(segments.box(index), box)) for index in keeping}
        return sorted((index for index in keeping if overlaps[index] > 0), key=lambda index: -overlaps[index])
    return sorted(keeping, key=segments.area)


def select_union(segments: Segments, prompt: Prompt) -> SegmentSelection:
    """Answer as the original does: every segment under an included point and under no excluded one, joined.

    A box adds the segment that fills it best. Points that all exclude take all other segments.
    """
    if not len(segments):
        return SegmentSelection()
    joined: NDArray[np.bool_] = np.zeros(len(segments), np.bool_)
    if len(prompt.points):
        inside = segments.contain(prompt.points)
        included = prompt.labels == 1
        wanted = inside[:, included].any(axis=1) if included.any() else np.ones(len(segments), np.bool_)
        joined = np.logical_and(wanted, ~inside[:, ~included].any(axis=1))
    if prompt.box is not None:
        box = prompt.box
        joined[max(range(len(segments)), key=lambda index: segments.fit(index, box))] = True
    indices = np.flatnonzero(joined).tolist()
    return SegmentSelection(tuple(indices), (), min((float(segments.scores[i]) for i in indices), default=0.0))


def _single(segments: Segments, index: int | None) -> SegmentSelection:
    return SegmentSelection() if index is None else SegmentSelection((index,), (), float(segments.scores[index]))


def _most_like(segments: Segments, box: NDArray[np.float64], among: NDArray[np.int64]) -> int | None:
    """The segment whose tight box has the greatest IoU with a box; None if none touches it.

    A mask never leaves the box that the network drew, so what the two boxes share bounds the IoU that is possible.
    """
    low = np.maximum(segments.boxes[among, :2], box[:2])
    high = np.minimum(segments.boxes[among, 2:], box[2:])
    possible = np.prod(np.maximum(high - low, 0), axis=1) / np.prod(box[2:] - box[:2])
    best, found = 0.0, None
    for place in np.argsort(-possible, kind="stable").tolist():
        if possible[place] <= best:
            break
        overlap = float(box_iou(segments.box(int(among[place])), box))
        if overlap > best:
            best, found = overlap, int(among[place])
    return found


def _smallest(segments: Segments, among: NDArray[np.int64], select: Select) -> int:
    """One of some segments, at least one, given the surest first."""
    if select == "score":
        return int(among[0])
    if select == "object":
        among = among[segments.scores[among] >= SENSIBLE * segments.scores[among[0]]]
    return int(min(among, key=segments.area))


def _joined(
    segments: Segments, wanted: NDArray[np.bool_], unwanted: NDArray[np.bool_], select: Select
) -> SegmentSelection:
    """One segment for each included click, without what excluded clicks lie in."""
    excluded = unwanted.any(axis=1)
    joined, removed = set[int](), set[int]()
    for under in wanted.T:
        free, any_there = np.flatnonzero(under & ~excluded), np.flatnonzero(under)
        if len(free):
            joined.add(_smallest(segments, free, select))
        elif len(any_there):
            joined.add(_smallest(segments, any_there, select))
            others = unwanted & ~under[:, None]
            removed |= {_smallest(segments, np.flatnonzero(each), select) for each in others.T if each.any()}
    indices = tuple(sorted(joined))
    return SegmentSelection(
        indices, tuple(sorted(removed)), min((float(segments.scores[i]) for i in indices), default=0.0)
    )
