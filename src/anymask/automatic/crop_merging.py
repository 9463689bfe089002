"""Merge the pieces of objects that crops cut.

A crop that ends in the middle of an object has a mask of one piece of it, and the neighbouring crop of another piece.
Where the two crops overlap, both masks describe the same pixels: pieces that agree there are one object. Pieces are
compared by sampling their small logits; only `CroppedObject.render` makes a full-size mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.crop_boxes import CropBox
from anymask.io.interruption import check_stopped
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide

AGREEMENT = 0.75
"""Least IoU, inside the overlap of two crops, of two pieces of one object."""

_CELL = MODEL_SIDE // LOGIT_SIDE
_EDGE_CELLS = 2
"""A piece this near to a crop's edge, in logit cells, counts as cut: the last cells are the least certain."""
_MARGIN_CELLS = 2
"""A full-size pixel is interpolated from at most 3×3 cells, so none beyond these can turn it positive."""
_OUTSIDE = -32.0
_SAMPLES = 64
_AREA_SAMPLES = 256
_CONTINUATION_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class CropWindow:
    """The part of a mask's logits that the mask depends on.

    Attributes:
        row, column: of its first cell among the 256×256.
        values: float16 [rows, columns], before the sigmoid; every cell outside is negative.
    """

    row: int
    column: int
    values: NDArray[np.float16]

    @classmethod
    def around(cls, logits: NDArray[np.float16]) -> CropWindow:
        """Crop logits, float16 [rows, columns], to the positive ones and a margin; an empty mask has no cells."""
        positive = logits > 0
        rows, columns = np.flatnonzero(positive.any(axis=1)), np.flatnonzero(positive.any(axis=0))
        if not rows.size:
            return cls(0, 0, np.zeros((0, 0), np.float16))
        top, left = max(0, rows[0] - _MARGIN_CELLS), max(0, columns[0] - _MARGIN_CELLS)
        values = logits[top : rows[-1] + 1 + _MARGIN_CELLS, left : columns[-1] + 1 + _MARGIN_CELLS]
        return cls(int(top), int(left), values.copy())

    def logits(self) -> NDArray[np.float32]:
        """Logits of the whole crop, float32 [256, 256], before the sigmoid; −32 outside the window."""
        full = np.full((LOGIT_SIDE, LOGIT_SIDE), _OUTSIDE, np.float32)
        rows, columns = self.values.shape
        full[self.row : self.row + rows, self.column : self.column + columns] = self.values
        return full


@dataclass(frozen=True, eq=False)
class Piece:
    """One mask of one crop, placed in the image.

    Attributes:
        crop: in pixels of the image.
        layer: of the crop; 0 is the whole image.
        window: its logits, in the crop's 256×256.
        box: float64 [4], tight box [x_min, y_min, x_max, y_max] in pixels of the image, to a fraction of a logit cell.
        area: in pixels.
        score: predicted IoU.
        stability: stability score, 0 to 1.
        point: of the prompt, (x, y) in pixels of the image.
        geometry: of the model.
    """

    crop: CropBox
    layer: int
    window: CropWindow
    box: NDArray[np.float64]
    area: float
    score: float
    stability: float
    point: tuple[float, float]
    geometry: type[ResizeLongestSide] = ResizeLongestSide

    @property
    def frame(self) -> ResizeLongestSide:
        """The crop's geometry in the model."""
        return self.geometry(self.crop[2] - self.crop[0], self.crop[3] - self.crop[1])

    @property
    def cell(self) -> float:
        """Side of a logit cell in pixels of the image."""
        frame = self.frame
        return max(frame.width, frame.height) / LOGIT_SIDE

    def inside(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which places of the image lie in the mask.

        Args:
            x: [N] in pixels of the image, so that the middle of the first pixel is 0.5.
            y: [M], the same way.

        Returns:
            bool [M, N]; false outside the crop.
        """
        frame = self.frame
        columns, across, in_crop_x = _cells(x - self.crop[0], frame.width, frame.resized[0])
        rows, down, in_crop_y = _cells(y - self.crop[1], frame.height, frame.resized[1])
        logits = self.window.logits()
        band = logits[rows] * (1 - down[:, None]) + logits[rows + 1] * down[:, None]
        values = band[:, columns] * (1 - across) + band[:, columns + 1] * across
        inside: NDArray[np.bool_] = (values > 0) & in_crop_y[:, None] & in_crop_x
        return inside

    def near_edges(self) -> list[tuple[int, float]]:
        """Edges of the crop that the box comes close to: side (0 left, 1 top, 2 right, 3 bottom) and coordinate.

        Edges of the image are among them.
        """
        reach = _EDGE_CELLS * self.cell
        return [(side, float(self.crop[side])) for side in range(4) if abs(self.box[side] - self.crop[side]) <= reach]

    def paste(self, mask: NDArray[np.bool_]) -> None:
        """Add the full-size mask of the piece to a mask of the image, bool [H, W], in place."""
        x0, y0, x1, y1 = self.crop
        view = mask[y0:y1, x0:x1]
        if view.any():
            view |= self.frame.upscale(self.window.logits())
        else:
            self.frame.upscale(self.window.logits(), out=view)


@dataclass(frozen=True, eq=False)
class CroppedObject:
    """One object, made of one mask or of pieces from neighbouring crops.

    Attributes:
        pieces: at least one.
        box: float64 [4], [x_min, y_min, x_max, y_max] in pixels of the image, to a fraction of a logit cell.
        area: in pixels, estimated from the logits; `render` gives it exactly.
        score: predicted IoU, the mean over the pieces weighted by area.
        stability: the same.
        layer: of its crops.
        is_cut: whether it ends at a crop's edge, and no piece of a neighbour continues it.
    """

    pieces: tuple[Piece, ...]
    box: NDArray[np.float64]
    area: float
    score: float
    stability: float
    layer: int
    is_cut: bool

    @classmethod
    def of(cls, pieces: Sequence[Piece], is_cut: bool = False) -> CroppedObject:
        """Make one object of pieces of one layer."""
        boxes = np.array([piece.box for piece in pieces])
        box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        weights = np.array([max(piece.area, 1e-9) for piece in pieces])
        score = float(np.average([piece.score for piece in pieces], weights=weights))
        stability = float(np.average([piece.stability for piece in pieces], weights=weights))
        area = pieces[0].area if len(pieces) == 1 else _union_area(pieces, box)
        return cls(tuple(pieces), box, area, score, stability, pieces[0].layer, is_cut)

    def inside(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which places of the image lie in the object: x [N] and y [M] → bool [M, N], as `Piece.inside`."""
        inside: NDArray[np.bool_] = np.any([piece.inside(x, y) for piece in self.pieces], axis=0)
        return inside

    def render(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The full-size mask of an image of (width, height): the union of the pieces, bool [H, W]."""
        mask = np.zeros((size[1], size[0]), np.bool_)
        for piece in self.pieces:
            piece.paste(mask)
        return mask


def merge_pieces(pieces: Sequence[Piece], size: tuple[int, int], agreement: float = AGREEMENT) -> list[CroppedObject]:
    """Merge the pieces of objects that crops cut.

    Two pieces of overlapping crops of one layer belong together if both reach over an edge of one crop that runs
    through the other, and agree in the overlap. The best matches are merged first, and an object has at most one piece
    of any crop: two masks of one crop are two objects. A piece whose match was merged with another piece gets a copy
    of the rest of that object, so that a table and the table with its plate are both whole.

    Args:
        pieces: of all crops.
        size: (width, height) of the image; an object that ends at its border is not cut.
        agreement: least IoU inside the overlap.

    Returns:
        One object for every merged set and for every piece that was not merged, in the order of their first pieces.
    """
    matches = sorted(_matches(pieces, agreement), reverse=True)
    group_of = list(range(len(pieces)))
    members = {i: [i] for i in range(len(pieces))}
    conflicts = []
    for _, i, j in matches:
        first, second = sorted((group_of[i], group_of[j]))
        if first == second:
            continue
        if {pieces[k].crop for k in members[first]} & {pieces[k].crop for k in members[second]}:
            conflicts.append((i, j))
            continue
        members[first] += members.pop(second)
        for k in members[first]:
            group_of[k] = first
    for single, rest in _shared_pieces(pieces, group_of, members, conflicts).items():
        members[single] = [single, *rest]
    groups = [[pieces[k] for k in sorted(group)] for _, group in sorted(members.items())]
    return [CroppedObject.of(group, is_cut=_is_cut(group, size)) for group in groups]


def agreement_in_overlap(first: Piece, second: Piece) -> float:
    """IoU of two pieces inside the overlap of their crops; 0 if neither reaches into it."""
    overlap = _intersection(first.crop, second.crop)
    both = np.array([first.box, second.box])
    around = np.concatenate([both[:, :2].min(axis=0), both[:, 2:].max(axis=0)])
    area = _intersection(overlap, tuple(around.tolist()))
    if area[0] >= area[2] or area[1] >= area[3]:
        return 0.0
    x, y = _samples(area[0], area[2], _SAMPLES), _samples(area[1], area[3], _SAMPLES)
    a, b = first.inside(x, y), second.inside(x, y)
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def _matches(pieces: Sequence[Piece], agreement: float) -> Iterator[tuple[float, int, int]]:
    """Pairs of pieces that belong together: IoU in the overlap and two indices; each pair once."""
    near_edge = [bool(piece.near_edges()) for piece in pieces]
    for i, first in enumerate(pieces):
        check_stopped()
        for j in range(i + 1, len(pieces)):
            second = pieces[j]
            if not (near_edge[i] or near_edge[j]) or first.layer != second.layer or first.crop == second.crop:
                continue
            if not _boxes_intersect(first.box, second.box) or not _share_seam(first, second):
                continue
            overlap = agreement_in_overlap(first, second)
            if overlap >= agreement:
                yield overlap, i, j


def _share_seam(first: Piece, second: Piece) -> bool:
    """Whether both masks cover some place along an edge of one crop that runs through the other."""
    for one, other in ((first, second), (second, first)):
        for side, _ in one.near_edges():
            if not _runs_through(side, one.crop[side], other.crop):
                continue
            x, y = _edge_samples(one, side)
            if np.any(one.inside(x, y) & other.inside(x, y)):
                return True
    return False


def _is_cut(group: Sequence[Piece], size: tuple[int, int]) -> bool:
    """Whether some piece ends at an edge of its crop, inside the image, where no other piece continues it."""
    border = (0, 0, *size)
    for piece in group:
        for side, position in piece.near_edges():
            if position == border[side]:
                continue
            x, y = _edge_samples(piece, side)
            here = piece.inside(x, y)
            others = [other for other in group if _runs_through(side, position, other.crop)]
            # The object may begin just here, and in the mask of the neighbouring crop a cell later.
            deeper = _edge_samples(piece, side, 2)
            beyond = [other.inside(x, y) | other.inside(*deeper) for other in others]
            # No pixel here means a sliver at the very edge: the piece that agrees with it in the overlap has the rest.
            if not beyond or np.count_nonzero(np.any(beyond, axis=0) & here) < _CONTINUATION_SHARE * np.count_nonzero(
                here
            ):
                return True
    return False


def _shared_pieces(
    pieces: Sequence[Piece], group_of: list[int], members: dict[int, list[int]], conflicts: list[tuple[int, int]]
) -> dict[int, list[int]]:
    """For pieces that were not merged because of a conflict: the other pieces of the object that has their match.

    Args:
        pieces: of all crops.
        group_of: the group of each piece.
        members: indices of the pieces of each group.
        conflicts: pairs of pieces that match, but whose groups have pieces of one crop.

    Returns:
        For each such piece, by its index, the indices of the others.
    """
    shared: dict[int, list[int]] = {}
    for pair in conflicts:
        for single, match in (pair, pair[::-1]):
            if len(members[group_of[single]]) == 1 and single not in shared:
                rest = [k for k in members[group_of[match]] if pieces[k].crop != pieces[single].crop]
                shared[single] = rest
    return shared


def _union_area(pieces: Sequence[Piece], box: NDArray[np.float64]) -> float:
    """Area of the union of pieces in pixels, sampled inside the box [4] around them, in pixels of the image."""
    x, y = _samples(box[0], box[2], _AREA_SAMPLES), _samples(box[1], box[3], _AREA_SAMPLES)
    covered = np.any([piece.inside(x, y) for piece in pieces], axis=0)
    return float(covered.mean() * np.prod(box[2:] - box[:2]))


def _edge_samples(piece: Piece, side: int, steps: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places along one edge of a piece's crop, just inside it and beside the piece.

    Args:
        piece: that is near the edge.
        side: 0 left, 1 top, 2 right, 3 bottom.
        steps: how far inside the edge, in steps of 2 logit cells.

    Returns:
        x and y, float64 [N] in pixels of the image, one of them [1].
    """
    inwards = steps * _EDGE_CELLS * piece.cell * (1 if side < 2 else -1)
    line = np.array([piece.crop[side] + inwards])
    axis = 1 - side % 2
    along = _samples(piece.box[axis], piece.box[axis + 2], _AREA_SAMPLES)
    return (line, along) if axis == 1 else (along, line)


def _runs_through(side: int, position: float, crop: CropBox) -> bool:
    """Whether an edge (0 left, 1 top, 2 right, 3 bottom) at a position in pixels of the image runs through a crop."""
    axis = side % 2
    return crop[axis] < position < crop[axis + 2]


def _samples(start: float, end: float, most: int) -> NDArray[np.float64]:
    """Middles of equal steps between two positions in pixels, about one a pixel, at most `most`: float64 [N]."""
    count = int(np.clip(np.ceil(end - start), 1, most))
    middles: NDArray[np.float64] = np.linspace(start, end, 2 * count + 1)[1::2]
    return middles


def _intersection(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float, float]:
    """The box that two boxes [4] share; a maximum is not above its minimum if they share none."""
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _boxes_intersect(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two boxes, float64 [4], share some area."""
    return bool(np.all(np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])))


def _cells(
    positions: NDArray[np.floating], size: int, resized: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """The logit cells around positions along one axis of a crop.

    Args:
        positions: [N] in pixels of the crop.
        size: of the crop along the axis, in pixels.
        resized: the same in the model, in pixels of the 1024.

    Returns:
        The cell before each position, int64 [N]; the weight of the next cell, float32 [N]; and whether the position
        lies in the crop, bool [N].
    """
    cells = np.clip(np.asarray(positions, np.float64) * (resized / size / _CELL) - 0.5, 0, LOGIT_SIDE - 1)
    low = np.minimum(cells.astype(np.int64), LOGIT_SIDE - 2)
    return low, (cells - low).astype(np.float32), (positions >= 0) & (positions < size)
