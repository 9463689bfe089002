"""Rows and grids of images, with a line of text over each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from anymask.errors import InputError

SHEET_COLOR = (255, 255, 255)
TITLE_COLOR = (40, 42, 48)
_DOTS = "…"


def row(images: Sequence[PIL.Image.Image], titles: Sequence[str] = (), height: int | None = None) -> PIL.Image.Image:
    """Put images into a row, all of one height.

    Args:
        images: at least one; larger ones are scaled to the smallest.
        titles: one line for each image, or an empty list.
        height: of the images, in pixels; by default that of the lowest. Images are not enlarged.

    Raises:
        InputError: no images, or another number of titles.
    """
    if not images:
        raise InputError("a row needs at least one image")
    if titles and len(titles) != len(images):
        raise InputError(f"{len(images)} images need as many titles, got {len(titles)}")
    least = min(image.height for image in images)
    high = least if height is None else min(height, least)
    scaled = [_of_height(image, high) for image in images]
    gap = _gap(high)
    head = _head(high) if any(titles) else 0
    sheet = PIL.Image.new(
        "RGB", (sum(p.width for p in scaled) + gap * (len(scaled) + 1), high + head + 2 * gap), SHEET_COLOR
    )
    x = gap
    for index, image in enumerate(scaled):
        if titles:
            write_title(sheet, titles[index], (x, gap), image.width, head)
        sheet.paste(image, (x, gap + head))
        x += image.width + gap
    return sheet


def contact_sheet(
    images: Sequence[PIL.Image.Image], titles: Sequence[str] = (), columns: int | None = None, cell: int = 320
) -> PIL.Image.Image:
    """Put many images on one sheet, in equal cells, in their order.

    ```python
    contact_sheet([result.draw(max_side=320) for result in results], [path.name for path in paths]).save("batch.jpg")
    ```

    Args:
        images: at least one; each is reduced to fit its cell and never enlarged.
        titles: one line for each image, or an empty list.
        columns: number of columns; by default such that the sheet is about 4:3.
        cell: side of a cell in pixels.

    Raises:
        InputError: no images, another number of titles, or no columns.
    """
    if not images:
        raise InputError("a contact sheet needs at least one image")
    if titles and len(titles) != len(images):
        raise InputError(f"{len(images)} images need as many titles, got {len(titles)}")
    if cell < 16 or (columns is not None and columns < 1):
        raise InputError(f"a contact sheet needs cells from 16 pixels and at least one column, got {cell}, {columns}")
    small = [_fitted(image, cell) for image in images]
    # Cells have the height of the highest image, so that landscape images leave no gaps.
    high = max(image.height for image in small)
    across = min(columns or math.ceil(math.sqrt(len(small) * high / cell * 4 / 3)), len(small))
    gap, head = _gap(cell), _head(cell) if any(titles) else 0
    rows = -(-len(small) // across)
    size = across * (cell + gap) + gap, rows * (high + head + gap) + gap
    sheet = PIL.Image.new("RGB", size, SHEET_COLOR)
    for index, image in enumerate(small):
        x = gap + index % across * (cell + gap)
        y = gap + index // across * (high + head + gap)
        if titles:
            write_title(sheet, titles[index], (x, y), cell, head)
        sheet.paste(image, (x + (cell - image.width) // 2, y + head + (high - image.height) // 2))
    return sheet


def write_title(sheet: PIL.Image.Image, text: str, corner: tuple[int, int], width: int, height: int) -> None:
    """Write one line centred in a rectangle, shortened with an ellipsis if it is too long."""
    font: Any = PIL.ImageFont.load_default(size=max(10.0, height * 0.62))
    pen = PIL.ImageDraw.Draw(sheet)
    shown = text
    while len(shown) > 1 and pen.textlength(shown, font) > width:
        shown = shown.removesuffix(_DOTS)[:-1] + _DOTS
    pen.text((corner[0] + width / 2, corner[1] + height / 2), shown, fill=TITLE_COLOR, font=font, anchor="mm")


def _gap(side: int) -> int:
    return max(4, round(side * 0.025))


def _head(side: int) -> int:
    return max(16, round(side * 0.085))


def _of_height(image: PIL.Image.Image, height: int) -> PIL.Image.Image:
    if image.height == height:
        return image.convert("RGB")
    size = max(1, round(image.width * height / image.height)), height
    return image.convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)


def _fitted(image: PIL.Image.Image, cell: int) -> PIL.Image.Image:
    small = image.convert("RGB")
    small.thumbnail((cell, cell), PIL.Image.Resampling.LANCZOS)
    return small
