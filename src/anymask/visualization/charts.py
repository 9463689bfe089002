"""Charts of counts: bars in parts, one below the other, and columns side by side; drawn with Pillow alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from anymask.structures.color import Color
from anymask.visualization.overlay import INK, WHITE

if TYPE_CHECKING:
    import PIL.Image

_GREY: Color = (120, 120, 126)
_LINE: Color = (226, 226, 230)
_WIDTH, _MARGIN, _GAP = 1600, 48, 64
_BAR, _COLUMNS_HEIGHT = 34, 340
_SMALL, _TEXT, _TITLE = 18, 21, 30


@dataclass(frozen=True)
class Bars:
    """Bars that lie one below the other, each of one or more parts.

    Attributes:
        title: of the chart.
        rows: name and the numbers of the parts of each bar.
        parts: name and colour of each part.
        remark: a line below the bars.
    """

    title: str
    rows: Sequence[tuple[str, Sequence[int]]]
    parts: Sequence[tuple[str, Color]]
    remark: str = ""


@dataclass(frozen=True)
class Columns:
    """Columns that stand side by side.

    Attributes:
        title: of the chart.
        columns: name, number and colour of each.
    """

    title: str
    columns: Sequence[tuple[str, int, Color]]


def draw_charts(title: str, subtitle: str, left: Bars, right: Sequence[Columns]) -> PIL.Image.Image:
    """Draw bars on the left and columns on the right.

    Args:
        title: of all.
        subtitle: a line below.
        left: the bars.
        right: one below the other.
    """
    import PIL.Image
    import PIL.ImageDraw

    top = _MARGIN + 100
    height = top + max(_bars_height(left), sum(_COLUMNS_HEIGHT + _GAP for _ in right) - _GAP) + _MARGIN
    image = PIL.Image.new("RGB", (_WIDTH, height), WHITE)
    pen = _Pen(PIL.ImageDraw.Draw(image))
    pen.write((_MARGIN, _MARGIN), title, size=_TITLE, width=_WIDTH - 2 * _MARGIN)
    pen.write((_MARGIN, _MARGIN + 44), subtitle, color=_GREY, width=_WIDTH - 2 * _MARGIN)
    middle = _WIDTH // 2
    _draw_bars(pen, left, (_MARGIN, top, middle - _GAP // 2))
    for place, columns in enumerate(right):
        _draw_columns(pen, columns, (middle + _GAP // 2, top + place * (_COLUMNS_HEIGHT + _GAP), _WIDTH - _MARGIN))
    return image


class _Pen:
    """Text and rectangles on a drawing."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def write(
        self, at: tuple[float, float], text: str, *, size: int = _TEXT, color: Color = INK, anchor: str = "la",
        width: float = 1e9,
    ) -> None:  # fmt: skip
        """Write a line; what is longer than the width ends with three dots."""
        font, shown = _font_for("".join(letter if letter.isprintable() else " " for letter in text), size)
        while len(shown) > 4 and self._draw.textlength(shown, font) > width:
            shown = shown.removesuffix("...")[:-1] + "..."
        self._draw.text(at, shown, fill=color, font=font, anchor=anchor)

    def length(self, text: str, size: int = _TEXT) -> float:
        """Of a line, in pixels."""
        font, shown = _font_for(text, size)
        length: float = self._draw.textlength(shown, font)
        return length

    def fill(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Fill a rectangle, at least a pixel wide."""
        self._draw.rectangle((round(x0), round(y0), max(round(x0), round(x1) - 1), round(y1) - 1), fill=color)


_SYSTEM_FONTS = ("DejaVuSans.ttf", "arial.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc")
"""Fonts for letters that Pillow's own font, which has ASCII alone, does not have."""


@lru_cache(maxsize=64)
def _font(size: int, name: str | None = None) -> Any:
    """Pillow's own font, or one of the system; None if that is not installed."""
    import PIL.ImageFont

    try:
        return PIL.ImageFont.load_default(float(size)) if name is None else PIL.ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(maxsize=512)
def _font_for(text: str, size: int) -> tuple[Any, str]:
    """A font that has all letters of a line, and the line; without such a font other letters stand for them."""
    if text.isascii():
        return _font(size), text
    for name in _SYSTEM_FONTS:
        font = _font(size, name)
        if font is not None and all(_has_letter(font, letter) for letter in text):
            return font, text
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _font(size), plain.encode("ascii", "backslashreplace").decode()


def _has_letter(font: Any, letter: str) -> bool:
    """Whether a font has a letter, which looks otherwise than one that no font has."""
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


def _bars_height(bars: Bars) -> int:
    return 90 + (len(bars.rows) + bool(bars.remark)) * (_BAR + 10)


def _draw_bars(pen: _Pen, bars: Bars, place: tuple[int, int, int]) -> None:
    """Draw bars at (left, top, right)."""
    left, top, right = place
    pen.write((left, top), bars.title)
    x = float(left)
    for name, color in bars.parts:
        pen.fill(x, top + 42, x + 18, top + 60, color)
        pen.write((x + 26, top + 51), name, color=_GREY, anchor="lm")
        x += 50 + pen.length(name)
    names = min(240.0, max((pen.length(name) for name, _ in bars.rows), default=0.0)) + 16
    numbers = max((pen.length(f"{sum(values):,}") for _, values in bars.rows), default=0.0) + 12
    longest = max((sum(values) for _, values in bars.rows), default=0) or 1
    scale = (right - left - names - numbers) / longest
    for number, (name, values) in enumerate(bars.rows):
        y = top + 84 + number * (_BAR + 10)
        pen.write((left + names - 16, y + _BAR / 2), name, anchor="rm", width=240)
        done = 0
        for value, (_, color) in zip(values, bars.parts, strict=True):
            if value:
                pen.fill(left + names + done * scale, y, left + names + (done + value) * scale, y + _BAR, color)
            done += value
        pen.write((left + names + done * scale + 10, y + _BAR / 2), f"{done:,}", color=_GREY, anchor="lm")
    pen.write((left, top + 84 + (len(bars.rows) + 0.5) * (_BAR + 10)), bars.remark, color=_GREY, anchor="lm")


def _draw_columns(pen: _Pen, columns: Columns, place: tuple[int, int, int]) -> None:
    """Draw columns at (left, top, right)."""
    left, top, right = place
    pen.write((left, top), columns.title)
    base, highest = top + _COLUMNS_HEIGHT - 36, max((count for _, count, _ in columns.columns), default=0) or 1
    step = (right - left) / max(len(columns.columns), 1)
    scale = (base - top - 76) / highest
    pen.fill(left, base, right, base + 2, _LINE)
    for number, (name, count, color) in enumerate(columns.columns):
        x = left + number * step
        if count:
            pen.fill(x + 3, min(base - count * scale, base - 1), x + max(step - 3, 4), base, color)
            if pen.length(f"{count:,}", _SMALL) <= step - 4:
                pen.write((x + step / 2, base - count * scale - 8), f"{count:,}", size=_SMALL, color=_GREY, anchor="ms")
        pen.write((x + step / 2, base + 10), name, size=_SMALL, color=_GREY, anchor="ma", width=step)
