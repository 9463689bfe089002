"""Pictures beside and below each other, with a line of text over each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from anymask.errors import InputError

PAPER = (255, 255, 255)
TEXT = (40, 42, 48)
_DOTS = "…"


def row(pictures: Sequence[PIL.Image.Image], titles: Sequence[str] = (), height: int | None = None) -> PIL.Image.Image:
    """Put pictures into a row, all of one height.

    Args:
        pictures: at least one; larger ones are scaled to the smallest.
        titles: one line over each, or none at all.
        height: of the pictures, in pixels; that of the lowest if None. None is enlarged.

    Raises:
        InputError: no pictures, or another number of titles.
    """
    if not pictures:
        raise InputError("a row needs at least one picture")
    if titles and len(titles) != len(pictures):
        raise InputError(f"{len(pictures)} pictures need as many titles, got {len(titles)}")
    least = min(picture.height for picture in pictures)
    high = least if height is None else min(height, least)
    scaled = [_of_height(picture, high) for picture in pictures]
    gap = _gap(high)
    head = _head(high) if any(titles) else 0
    sheet = PIL.Image.new("RGB", (sum(p.width for p in scaled) + gap * (len(scaled) + 1), high + head + 2 * gap), PAPER)
    x = gap
    for index, picture in enumerate(scaled):
        if titles:
            write(sheet, titles[index], (x, gap), picture.width, head)
        sheet.paste(picture, (x, gap + head))
        x += picture.width + gap
    return sheet


def contact_sheet(
    pictures: Sequence[PIL.Image.Image], titles: Sequence[str] = (), columns: int | None = None, cell: int = 320
) -> PIL.Image.Image:
    """Put many pictures on one sheet, in equal cells, in their order.

    ```python
    contact_sheet([result.draw(max_side=320) for result in results], [path.name for path in paths]).save("batch.jpg")
    ```

    Args:
        pictures: at least one; each is scaled to fit its cell, none is enlarged.
        titles: one line over each, or none at all.
        columns: how many in a row; as many as make the sheet about 4:3 if None.
        cell: side of a cell in pixels.

    Raises:
        InputError: no pictures, another number of titles, or no columns.
    """
    if not pictures:
        raise InputError("a contact sheet needs at least one picture")
    if titles and len(titles) != len(pictures):
        raise InputError(f"{len(pictures)} pictures need as many titles, got {len(titles)}")
    if cell < 16 or (columns is not None and columns < 1):
        raise InputError(f"a contact sheet needs cells from 16 pixels and at least one column, got {cell}, {columns}")
    small = [_fitted(picture, cell) for picture in pictures]
    # Cells as low as their highest picture waste no paper on landscapes.
    high = max(picture.height for picture in small)
    across = min(columns or math.ceil(math.sqrt(len(small) * high / cell * 4 / 3)), len(small))
    gap, head = _gap(cell), _head(cell) if any(titles) else 0
    rows = -(-len(small) // across)
    size = across * (cell + gap) + gap, rows * (high + head + gap) + gap
    sheet = PIL.Image.new("RGB", size, PAPER)
    for index, picture in enumerate(small):
        x = gap + index % across * (cell + gap)
        y = gap + index // across * (high + head + gap)
        if titles:
            write(sheet, titles[index], (x, y), cell, head)
        sheet.paste(picture, (x + (cell - picture.width) // 2, y + head + (high - picture.height) // 2))
    return sheet


def write(sheet: PIL.Image.Image, text: str, corner: tuple[int, int], width: int, height: int) -> None:
    """Write one line, in the middle of a space, and cut it with dots where it is too long."""
    font: Any = PIL.ImageFont.load_default(size=max(10.0, height * 0.62))
    pen = PIL.ImageDraw.Draw(sheet)
    shown = text
    while len(shown) > 1 and pen.textlength(shown, font) > width:
        shown = shown.removesuffix(_DOTS)[:-1] + _DOTS
    pen.text((corner[0] + width / 2, corner[1] + height / 2), shown, fill=TEXT, font=font, anchor="mm")


def _gap(side: int) -> int:
    return max(4, round(side * 0.025))


def _head(side: int) -> int:
    return max(16, round(side * 0.085))


def _of_height(picture: PIL.Image.Image, height: int) -> PIL.Image.Image:
    if picture.height == height:
        return picture.convert("RGB")
    size = max(1, round(picture.width * height / picture.height)), height
    return picture.convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)


def _fitted(picture: PIL.Image.Image, cell: int) -> PIL.Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((cell, cell), PIL.Image.Resampling.LANCZOS)
    return small
