"""Charts of a report, as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Series = tuple[str, Sequence[tuple[float, float]]]
"""Name, and points (x, y)."""

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 12, 42


class _Plane:
    """Axes of a chart."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._x, self._y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a value lies, in pixels of the chart."""
        across = (x - self._x[0]) / ((self._x[1] - self._x[0]) or 1)
        up = (y - self._y[0]) / ((self._y[1] - self._y[0]) or 1)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    def grid(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str, y_name: str) -> list[str]:
        """Lines and numbers of the axes."""
        parts = []
        for value in x_ticks:
            x, bottom = self.at(value, self._y[0])
            top = self.at(value, self._y[1])[1]
            parts.append(f'<path class="grid" d="M{x:.1f} {bottom:.1f}V{top:.1f}"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{value:g}</text>')
        for value in y_ticks:
            left, y = self.at(self._x[0], value)
            right = self.at(self._x[1], value)[0]
            parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
            parts.append(f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
        height = (_TOP + _HEIGHT - _BOTTOM) / 2
        attributes = f'transform="rotate(-90 12 {height})" x="12" y="{height}" text-anchor="middle"'
        parts.append(f"<text {attributes}>{escape(y_name)}</text>")
        return parts


def lines(series: Sequence[Series], x_name: str, y_name: str, x_ticks: Sequence[float]) -> str:
    """Lines over a common axis; y runs from 0 to 1.

    Args:
        series: one for each setting.
        x_name: of the axis.
        y_name: of the axis.
        x_ticks: values that are marked; the first and last are the ends of the axis.
    """
    plane = _Plane((x_ticks[0], x_ticks[-1]), (0, 1))
    parts = plane.grid(x_ticks, (0, 0.25, 0.5, 0.75, 1), x_name, y_name)
    for number, (_, points) in enumerate(series):
        positions = [plane.at(x, y) for x, y in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in positions)
        parts.append(f'<path class="line s{number}" d="{path}"/>')
    return _svg(parts, f"{y_name} over {x_name}: {' and '.join(name for name, _ in series)}")


def pairs(points: Sequence[tuple[float, float]], x_name: str, y_name: str) -> str:
    """A dot for each object; above the diagonal, y is the better."""
    plane = _Plane((0, 1), (0, 1))
    ticks = (0, 0.25, 0.5, 0.75, 1)
    parts = plane.grid(ticks, ticks, x_name, y_name)
    (x0, y0), (x1, y1) = plane.at(0, 0), plane.at(1, 1)
    parts.append(f'<path class="diagonal" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    for x, y in points:
        across, up = plane.at(x, y)
        parts.append(f'<circle class="dot" cx="{across:.1f}" cy="{up:.1f}" r="3"/>')
    return _svg(parts, f"{y_name} against {x_name}, {len(points)} objects")


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(parts)
        + "</svg>"
    )
