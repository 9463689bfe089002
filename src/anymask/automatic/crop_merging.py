"""Pieces of objects that crops cut, and the whole objects they belong to.

A crop that ends in the middle of an object answers with a piece of it, and the neighbouring crop with another piece.
Where the two crops overlap, both describe the same pixels: pieces that agree there are one object. Everything is
decided on the small logits, sampled where it matters; only `CroppedObject.render` makes a full-size mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.crop_boxes import CropBox
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

AGREEMENT = 0.75
"""Least IoU, inside the overlap of two crops, of two pieces of one object."""

_CELL = MODEL_SIDE // LOGIT_SIDE
_TOUCH_CELLS = 2
"""A piece this near to a crop's edge, in logit cells, is taken to be cut: the last cells are the least certain."""
_MARGIN_CELLS = 2
"""A full-size pixel is interpolated from at most 3×3 cells, so none beyond these can turn it positive."""
_OUTSIDE = -32.0
_SAMPLES = 64
_AREA_SAMPLES = 256
_CONTINUED = 0.5


@dataclass(frozen=True, eq=False)
class CropWindow:
    """The part of one answer's logits that its mask depends on.

    Attributes:
        row, column: of its first cell among the 256×256.
        values: float16 [rows, columns]; every cell outside is negative.
    """

    row: int
    column: int
    values: NDArray[np.float16]

    @classmethod
    def around(cls, logits: NDArray[np.float16]) -> CropWindow:
        """Cut [rows, columns] of logits to what is positive and a margin; an empty mask gives an empty window."""
        positive = logits > 0
        rows, columns = np.flatnonzero(positive.any(axis=1)), np.flatnonzero(positive.any(axis=0))
        if not rows.size:
            return cls(0, 0, np.zeros((0, 0), np.float16))
        top, left = max(0, rows[0] - _MARGIN_CELLS), max(0, columns[0] - _MARGIN_CELLS)
        kept = logits[top : rows[-1] + 1 + _MARGIN_CELLS, left : columns[-1] + 1 + _MARGIN_CELLS]
        return cls(int(top), int(left), kept.copy())

    def logits(self) -> NDArray[np.float32]:
        """Logits of the whole crop, float32 [256, 256], before the sigmoid; −32 outside the window."""
        full = np.full((LOGIT_SIDE, LOGIT_SIDE), _OUTSIDE, np.float32)
        rows, columns = self.values.shape
        full[self.row : self.row + rows, self.column : self.column + columns] = self.values
        return full


@dataclass(frozen=True, eq=False)
class Piece:
    """One answer about one crop, placed in the photo.

    Attributes:
        crop: the crop that was asked about.
        layer: of the crop; 0 is the whole picture.
        window: its logits, in the frame of the crop.
        box: float64 [4], tight box in pixels of the photo, to a fraction of a logit cell.
        area: in pixels.
        score: predicted IoU.
        stability: at the offset it was measured with.
        point: where the prompt pointed, (x, y) in pixels of the photo.
    """

    crop: CropBox
    layer: int
    window: CropWindow
    box: NDArray[np.float64]
    area: float
    score: float
    stability: float
    point: tuple[float, float]

    @property
    def frame(self) -> ResizeLongestSide:
        """Geometry of the crop."""
        return ResizeLongestSide(self.crop[2] - self.crop[0], self.crop[3] - self.crop[1])

    @property
    def cell(self) -> float:
        """Edge of a logit cell in pixels of the photo."""
        frame = self.frame
        return max(frame.width, frame.height) / LOGIT_SIDE

    def inside(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether places of the photo lie in the mask: [N] and [M] → bool [M, N]; false outside the crop.

        Args:
            x: columns, measured from the photo's corner, so that the middle of the first pixel is 0.5.
            y: rows, the same way.
        """
        frame = self.frame
        columns, across, seen_x = _cells(x - self.crop[0], frame.width, frame.resized[0])
        rows, down, seen_y = _cells(y - self.crop[1], frame.height, frame.resized[1])
        logits = self.window.logits()
        band = logits[rows] * (1 - down[:, None]) + logits[rows + 1] * down[:, None]
        values = band[:, columns] * (1 - across) + band[:, columns + 1] * across
        inside: NDArray[np.bool_] = (values > 0) & seen_y[:, None] & seen_x
        return inside

    def near_edges(self) -> list[tuple[int, float]]:
        """Edges of the crop that the box comes close to: side (0 left, 1 top, 2 right, 3 bottom) and coordinate.

        The photo's own border is among them; a caller that has the neighbours can tell.
        """
        reach = _TOUCH_CELLS * self.cell
        return [(side, float(self.crop[side])) for side in range(4) if abs(self.box[side] - self.crop[side]) <= reach]

    def paste(self, into: NDArray[np.bool_]) -> None:
        """Add the full-size mask to a picture of the photo's size, bool [H, W]."""
        x0, y0, x1, y1 = self.crop
        view = into[y0:y1, x0:x1]
        if view.any():
            view |= self.frame.upscale(self.window.logits())
        else:
            self.frame.upscale(self.window.logits(), out=view)


@dataclass(frozen=True, eq=False)
class CroppedObject:
    """One object, made of one answer or of pieces that neighbouring crops answered with.

    Attributes:
        pieces: at least one.
        box: float64 [4], [x_min, y_min, x_max, y_max] in pixels of the photo, to a fraction of a logit cell.
        area: in pixels, estimated from the logits; `render` gives it exactly.
        score: predicted IoU, the mean over the pieces weighted by area.
        stability: the same.
        layer: of the crops it was found in.
        cut: it ends at a crop's edge, and no neighbour answered with the rest.
    """

    pieces: tuple[Piece, ...]
    box: NDArray[np.float64]
    area: float
    score: float
    stability: float
    layer: int
    cut: bool

    @classmethod
    def of(cls, pieces: Sequence[Piece], cut: bool = False) -> CroppedObject:
        """Make one object of pieces of one layer."""
        boxes = np.array([piece.box for piece in pieces])
        box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        weights = np.array([max(piece.area, 1e-9) for piece in pieces])
        score = float(np.average([piece.score for piece in pieces], weights=weights))
        stability = float(np.average([piece.stability for piece in pieces], weights=weights))
        area = pieces[0].area if len(pieces) == 1 else _union_area(pieces, box)
        return cls(tuple(pieces), box, area, score, stability, pieces[0].layer, cut)

    def inside(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether places of the photo lie in the object: [N] and [M] → bool [M, N], as `Piece.inside`."""
        inside: NDArray[np.bool_] = np.any([piece.inside(x, y) for piece in self.pieces], axis=0)
        return inside

    def render(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The full-size mask: (width, height) of the photo → bool [H, W], everything that any piece covers."""
        mask = np.zeros((size[1], size[0]), np.bool_)
        for piece in self.pieces:
            piece.paste(mask)
        return mask


def join_pieces(pieces: Sequence[Piece], size: tuple[int, int], agreement: float = AGREEMENT) -> list[CroppedObject]:
    """Put objects together that crops cut.

    Two pieces of overlapping crops of one layer belong together if both reach over an edge of one crop that runs
    through the other, and agree in the overlap. Best agreements are joined first, and an object has at most one piece
    of any crop: two answers about one crop are two objects. A piece whose continuation went to a better match borrows
    it, so that a table and the table with its plate are both whole.

    Args:
        pieces: what each crop kept.
        size: (width, height) of the photo; an object that ends at its border is not cut.
        agreement: least IoU inside the overlap.

    Returns:
        One object for every joined set and for every piece that joined none, in the order of their first pieces.
    """
    matches = sorted(_matches(pieces, agreement), reverse=True)
    owner = list(range(len(pieces)))
    members = {i: [i] for i in range(len(pieces))}
    refused = []
    for _, i, j in matches:
        first, second = sorted((owner[i], owner[j]))
        if first == second:
            continue
        if {pieces[k].crop for k in members[first]} & {pieces[k].crop for k in members[second]}:
            refused.append((i, j))
            continue
        members[first] += members.pop(second)
        for k in members[first]:
            owner[k] = first
    for root, borrowed in _borrowed(pieces, owner, members, refused).items():
        members[root] = [root, *borrowed]
    joined = [[pieces[k] for k in sorted(group)] for _, group in sorted(members.items())]
    return [CroppedObject.of(group, cut=_is_cut(group, size)) for group in joined]


def agreement_in_overlap(first: Piece, second: Piece) -> float:
    """IoU of two pieces inside the overlap of their crops; 0 if neither reaches into it."""
    overlap = _intersection(first.crop, second.crop)
    both = np.array([first.box, second.box])
    around = np.concatenate([both[:, :2].min(axis=0), both[:, 2:].max(axis=0)])
    area = _intersection(overlap, tuple(around.tolist()))
    if area[0] >= area[2] or area[1] >= area[3]:
        return 0.0
    x, y = _spread(area[0], area[2], _SAMPLES), _spread(area[1], area[3], _SAMPLES)
    a, b = first.inside(x, y), second.inside(x, y)
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def _matches(pieces: Sequence[Piece], agreement: float) -> Iterator[tuple[float, int, int]]:
    """Pairs that belong together, with their agreement; each pair once."""
    cut = [bool(piece.near_edges()) for piece in pieces]
    for i, first in enumerate(pieces):
        for j in range(i + 1, len(pieces)):
            second = pieces[j]
            if not (cut[i] or cut[j]) or first.layer != second.layer or first.crop == second.crop:
                continue
            if not _meet(first.box, second.box) or not _share_a_seam(first, second):
                continue
            shared = agreement_in_overlap(first, second)
            if shared >= agreement:
                yield shared, i, j


def _share_a_seam(first: Piece, second: Piece) -> bool:
    """Whether both masks cover some place along an edge of one crop that runs through the other."""
    for one, other in ((first, second), (second, first)):
        for side, _ in one.near_edges():
            if not _runs_through(side, one.crop[side], other.crop):
                continue
            x, y = _along(one, side)
            if np.any(one.inside(x, y) & other.inside(x, y)):
                return True
    return False


def _is_cut(group: Sequence[Piece], size: tuple[int, int]) -> bool:
    """Whether some piece ends at an edge of its crop, inside the photo, where no other piece goes on."""
    border = (0, 0, *size)
    for piece in group:
        for side, at in piece.near_edges():
            if at == border[side]:
                continue
            x, y = _along(piece, side)
            here = piece.inside(x, y)
            others = [other for other in group if _runs_through(side, at, other.crop)]
            # An object may begin just here, and be seen to begin a cell later by who sees beyond.
            deeper = _along(piece, side, 2)
            beyond = [other.inside(x, y) | other.inside(*deeper) for other in others]
            # Nothing here means a sliver at the very edge: whoever agreed with it in the overlap has the rest.
            if not beyond or np.count_nonzero(np.any(beyond, axis=0) & here) < _CONTINUED * np.count_nonzero(here):
                return True
    return False


def _borrowed(
    pieces: Sequence[Piece], owner: list[int], members: dict[int, list[int]], refused: list[tuple[int, int]]
) -> dict[int, list[int]]:
    """For pieces left alone because their match was taken: the rest of the object that took it."""
    borrowed: dict[int, list[int]] = {}
    for pair in refused:
        for alone, match in (pair, pair[::-1]):
            if len(members[owner[alone]]) == 1 and alone not in borrowed:
                rest = [k for k in members[owner[match]] if pieces[k].crop != pieces[alone].crop]
                borrowed[alone] = rest
    return borrowed


def _union_area(pieces: Sequence[Piece], box: NDArray[np.float64]) -> float:
    x, y = _spread(box[0], box[2], _AREA_SAMPLES), _spread(box[1], box[3], _AREA_SAMPLES)
    covered = np.any([piece.inside(x, y) for piece in pieces], axis=0)
    return float(covered.mean() * np.prod(box[2:] - box[:2]))


def _along(piece: Piece, side: int, steps: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along one edge of a piece's crop, just inside it and beside the piece: x [N], y [M], one of them [1]."""
    inwards = steps * _TOUCH_CELLS * piece.cell * (1 if side < 2 else -1)
    line = np.array([piece.crop[side] + inwards])
    axis = 1 - side % 2
    along = _spread(piece.box[axis], piece.box[axis + 2], _AREA_SAMPLES)
    return (line, along) if axis == 1 else (along, line)


def _runs_through(side: int, at: float, crop: CropBox) -> bool:
    axis = side % 2
    return crop[axis] < at < crop[axis + 2]


def _spread(start: float, end: float, most: int) -> NDArray[np.float64]:
    """Middles of equal steps between two places, one for a pixel but no more than `most`."""
    count = int(np.clip(np.ceil(end - start), 1, most))
    middles: NDArray[np.float64] = np.linspace(start, end, 2 * count + 1)[1::2]
    return middles


def _intersection(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float, float]:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _meet(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.all(np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])))


def _cells(
    at: NDArray[np.floating], size: int, resized: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Logit cell before each place of one axis of a crop, the share of the next cell, and whether it is in the crop."""
    position = np.clip(np.asarray(at, np.float64) * (resized / size / _CELL) - 0.5, 0, LOGIT_SIDE - 1)
    low = np.minimum(position.astype(np.int64), LOGIT_SIDE - 2)
    return low, (position - low).astype(np.float32), (at >= 0) & (at < size)
