"""Soft edges: how much of each pixel at an object's border belongs to the object, and in which colour.

A mask says yes or no. Hair, fur, and the blur of a lens are in between; `matte` decides by the colours of the image,
in a narrow band around the mask, by closed-form matting (extra `edit`).

Source: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", PAMI 2008, equations 12 and 13;
Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020. Both as `pymatting` has them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.editing.compiler_cache import ensure_compiler_cache
from anymask.editing.edges import Matte, crop_to_mask, distance_to_outside, soft_step
from anymask.errors import AnymaskError, InputError
from anymask.structures.overlap import tight_box

TILE = 512
"""Side of the tiles that are solved one after another: a matting Laplacian takes 600 bytes a pixel."""
_CONTEXT = 24
"""Pixels around a tile that are solved with it and then left to its neighbours."""
_TRUST = 0.004
"""Weight of the mask itself inside the band, against 1 for the image. It decides only where the image has
nothing to say, such as between an object and a background of its own colour."""
_CERTAIN = 0.07
"""Alpha nearer than this to 0 or 1 is taken for it: what remains of noise would be a veil on a new background."""
_FINEST = 1e-5
"""Regularisation of the Laplacian (Levin's epsilon), for colours 0 to 1."""


@dataclass(frozen=True)
class Band:
    """How far from the mask's border the image decides, in pixels.

    Attributes:
        inside: towards the middle of the object.
        outside: away from it, where hair stands out.

    Raises:
        InputError: a width below 0, or none at all.
    """

    inside: float
    outside: float

    def __post_init__(self) -> None:
        if not (self.inside >= 0 and self.outside >= 0 and self.inside + self.outside >= 1):
            raise InputError(
                f"a band needs widths from 0 and at least 1 pixel in all, got {self.inside}+{self.outside}"
            )

    @classmethod
    def of(cls, size: tuple[int, int]) -> Band:
        """A band for an image of (width, height) whose mask came from 256×256 logits: two cells in, three out."""
        cell = max(size) / 256
        return cls(2 + 1.5 * cell, 3 + 2 * cell)


def can_matte() -> bool:
    """Whether `pymatting` is installed."""
    return importlib.util.find_spec("pymatting") is not None


def matte(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], band: Band | None = None) -> Matte:
    """Separate an object from its background with soft edges.

    Outside the band nothing is computed: the middle of the object keeps its colours, byte for byte. Time and memory
    go with the length of the border: it is solved in tiles of `TILE` pixels, each continuing from the ones before.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].
        band: where to decide by colour; `Band.of` the image's size if None.

    Returns:
        Alpha and colours; where alpha is below 1 the background's share has been taken out of the colour.

    Raises:
        InputError: an empty mask.
        AnymaskError: `pymatting` is not installed.
    """
    if not can_matte():
        raise AnymaskError("soft edges by matting need pymatting; get it with: pip install 'anymask[edit]'")
    ensure_compiler_cache()
    band = band or Band.of((mask.shape[1], mask.shape[0]))
    box, colors, inside = crop_to_mask(pixels, mask, round(band.outside) + 2)
    known = _known_alpha(inside, band)
    alpha = soft_step(inside, min(band.inside, band.outside) / 2 + 0.5)
    unknown = np.isnan(known)
    np.copyto(alpha, known, where=~unknown)
    solved = ~unknown
    for tile, core in _tiles(unknown):
        _solve(colors[tile], alpha[tile], solved[tile])
        solved[core] = True
    alpha = _remove_specks(alpha, unknown, inside)
    return Matte(box, alpha, _foreground_colors(colors, alpha), "matte")


def soften(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], alpha: NDArray[np.float32]) -> Matte:
    """Separate an object from its background with the soft edges that a model gave.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        mask: bool [H, W].
        alpha: float32 [H, W], 0 to 1, the object's share of each pixel, above 0.5 inside the mask.

    Returns:
        Alpha, without traces apart from the mask, and colours; with `pymatting` the background's share has been taken
        out of them.

    Raises:
        InputError: an empty mask.
    """
    box, colors, inside = crop_to_mask(pixels, mask, max(mask.shape))
    x0, y0, x1, y1 = box
    cut = alpha[y0:y1, x0:x1]
    cut = np.where(inside & (cut <= _JUST_INSIDE), np.float32(1), cut)  # a hole that was filled
    cut = np.where(~inside & (cut >= 0.5), np.float32(0), cut)  # an island that was dropped
    cut = _remove_specks(cut, np.ones(cut.shape, np.bool_), inside)
    if can_matte():
        ensure_compiler_cache()
        return Matte(box, cut, _foreground_colors(colors, cut), "soft")
    return Matte(box, cut, colors * (cut > 0)[..., None], "soft")


_JUST_INSIDE = np.nextafter(np.float32(0.5), np.float32(1))
"""What `Mask.probabilities` states where an edit put a pixel into the mask."""


def _known_alpha(mask: NDArray[np.bool_], band: Band) -> NDArray[np.float32]:
    """Alpha where the mask decides it.

    Args:
        mask: bool [h, w].
        band: in pixels.

    Returns:
        float32 [h, w]: 1 deep inside the mask, 0 far outside, NaN in the band.
    """
    import cv2

    inner = distance_to_outside(mask)
    outer = distance_to_outside(~mask)
    known = np.full(mask.shape, np.nan, np.float32)
    known[outer > band.outside] = 0
    # A part thinner than the band keeps its middle line: half of the greatest depth nearby.
    reach = 2 * round(band.inside) + 1
    deepest = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach)))
    known[inner > np.minimum(band.inside, np.maximum(deepest * 0.7, 1.5))] = 1
    return known


MattingWindow = tuple[slice, slice]


def _tiles(unknown: NDArray[np.bool_]) -> Iterator[tuple[MattingWindow, MattingWindow]]:
    """Cut the pixels to solve into tiles.

    Args:
        unknown: bool [h, w], the pixels to solve.

    Yields:
        (rows, columns) of a tile with `_CONTEXT` pixels around it, and of the tile alone, both in pixels of the array.
        The tiles together hold all unknown pixels, and little else.
    """
    height, width = unknown.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            x0, y0, x1, y1 = tight_box(unknown[top : top + TILE, left : left + TILE])
            if x0 < x1:
                core = slice(top + y0, top + y1), slice(left + x0, left + x1)
                yield (_with_context(core[0], height), _with_context(core[1], width)), core


def _with_context(part: slice, length: int) -> slice:
    return slice(max(0, part.start - _CONTEXT), min(length, part.stop + _CONTEXT))


def _solve(colors: NDArray[np.uint8], alpha: NDArray[np.float32], known: NDArray[np.bool_]) -> None:
    """Replace alpha, in place, where it is not known by the minimum of Levin's energy plus trust in its value before.

    Known pixels are constants of the equations, not unknowns: in a narrow band that leaves few.

    Args:
        colors: uint8 [h, w, 3], RGB.
        alpha: float32 [h, w], 0 to 1; where unknown a first guess, then the solution.
        known: bool [h, w], where alpha stays as it is.
    """
    from pymatting import cf_laplacian
    from scipy.sparse.linalg import cg

    unknown = np.flatnonzero(~known)
    if not len(unknown):
        return
    laplacian = cf_laplacian(colors / 255.0, epsilon=_FINEST, is_known=known)[unknown]
    system = laplacian[:, unknown]
    system.setdiag(system.diagonal() + _TRUST)
    values = alpha.ravel().astype(np.float64)
    prior = values[unknown]
    values[unknown] = 0
    right = _TRUST * prior - laplacian @ values
    # Where it has not converged by then, what it reached is still better than the mask alone.
    solution, _ = cg(system, right, x0=prior, M=_preconditioner(system), rtol=1e-4, maxiter=2000)
    rows, columns = np.divmod(unknown, alpha.shape[1])
    alpha[rows, columns] = np.clip(solution, 0, 1)


def _preconditioner(system: Any) -> Any:
    """Incomplete Cholesky factors, of a matrix with more on its diagonal where it cannot be factored; None if never."""
    from pymatting import ichol
    from scipy.sparse.linalg import LinearOperator

    try:
        # It prints what it tried, and standard output is the caller's.
        with contextlib.redirect_stdout(io.StringIO()):
            factors = ichol(system.tocsc(), discard_threshold=1e-3, shifts=[1e-4, 1e-3, 1e-2, 1e-1, 0.5])
    except ValueError:
        return None
    return LinearOperator(system.shape, matvec=factors, dtype=np.float64)


def _remove_specks(
    alpha: NDArray[np.float32], unknown: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Stretch alpha so that traces become 0 and near certainty 1, and drop specks apart from the mask.

    Args:
        alpha: float32 [h, w], 0 to 1.
        unknown: bool [h, w], the band: only there alpha is stretched.
        mask: bool [h, w]; parts of alpha that do not touch it are dropped.

    Returns:
        float32 [h, w], 0 to 1.
    """
    import cv2

    stretched = np.clip((alpha - _CERTAIN) / (1 - 2 * _CERTAIN), 0, 1)
    alpha = np.where(unknown, stretched, alpha).astype(np.float32)
    _, parts = cv2.connectedComponents((alpha > 0).view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    touches_mask = np.zeros(int(parts.max()) + 1, np.bool_)
    touches_mask[np.unique(parts[mask])] = True
    touches_mask[0] = False
    return np.where(touches_mask[parts], alpha, np.float32(0))


def _foreground_colors(colors: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours of the object alone where it shares a pixel with the background; those wholly of the object stay.

    They reach a little further than the object, so that programs that scale the image find no foreign rim.

    Args:
        colors: uint8 [h, w, 3], RGB of the image.
        alpha: float32 [h, w], 0 to 1.

    Returns:
        uint8 [h, w, 3], RGB; black where the object has no part and reaches no neighbour.
    """
    import cv2
    from pymatting import estimate_foreground_ml

    mixed = (cv2.dilate(((alpha > 0) & (alpha < 1)).view(np.uint8), np.ones((5, 5), np.uint8)) > 0) & (alpha < 1)
    clean: NDArray[np.uint8] = colors * (mixed | (alpha > 0))[..., None]
    for tile, core in _tiles(mixed):
        pure = estimate_foreground_ml(colors[tile] / np.float32(255), alpha[tile])
        top, left = core[0].start - tile[0].start, core[1].start - tile[1].start
        part = pure[top:, left:][: core[0].stop - core[0].start, : core[1].stop - core[1].start]
        levels = np.clip(np.round(part * 255), 0, 255).astype(np.uint8)
        np.copyto(clean[core], levels, where=mixed[core][..., None])
    return clean
