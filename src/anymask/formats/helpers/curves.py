"""Rings of shapes that files describe by a centre or a corner and an angle."""

from __future__ import annotations

import numpy as np

from anymask.errors import InputError
from anymask.structures.polygons import Ring

_CORNERS_OF_ELLIPSE = 360


def ellipse_ring(centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0) -> Ring:
    """An ellipse as float64 [360, 2]; its corners lie on it, and its edges at most 4e-5 of the radius inside.

    Args:
        centre: (x, y), in pixels.
        radii: along x and y before it is turned, in pixels.
        degrees: how far it is turned about its centre, clockwise on the screen.

    Raises:
        InputError: a radius that is not above 0, or a value that is not finite.
    """
    if not (min(radii) > 0 and np.isfinite([*centre, *radii, degrees]).all()):
        raise InputError(f"an ellipse with radii {radii[0]:g} and {radii[1]:g} has no area")
    angles = np.linspace(0, 2 * np.pi, _CORNERS_OF_ELLIPSE, endpoint=False)
    return _turned(np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii, degrees) + centre


def rectangle_ring(corner: tuple[float, float], sides: tuple[float, float], degrees: float = 0) -> Ring:
    """A rectangle as float64 [4, 2].

    Args:
        corner: (x, y) of the corner that is top left before it is turned, in pixels.
        sides: width and height, in pixels.
        degrees: how far it is turned about that corner, clockwise on the screen.

    Raises:
        InputError: a side that is not above 0, or a value that is not finite.
    """
    if not (min(sides) > 0 and np.isfinite([*corner, *sides, degrees]).all()):
        raise InputError(f"a rectangle of {sides[0]:g}x{sides[1]:g} has no area")
    return _turned(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * sides, degrees) + corner


def _turned(points: Ring, degrees: float) -> Ring:
    """Points, float64 [N, 2], turned about (0, 0); a quarter turn is exact."""
    if degrees % 360 == 0:
        return points
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    if degrees % 90 == 0:
        cosine, sine = np.round(cosine), np.round(sine)
    turned: Ring = points @ np.array([[cosine, sine], [-sine, cosine]])
    return turned
