"""Writes the tables of docs/guides/formats.md from what the formats declare: python docs/format_table.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anymask.formats.base import Format, Holds
from anymask.formats.registry import all_formats

PAGE = Path(__file__).parent / "guides" / "formats.md"
BEGIN, END = "<!-- made by docs/format_table.py -->\n", "<!-- end -->\n"
SCORES = {
    "score": "score", "confidence": "score or detector's", "stability": "stability", "detector_score": "detector's",
    "object_score": "object's",
}  # fmt: skip


def rows() -> Iterator[tuple[str, Format, Holds]]:
    """Name, format and what it holds; one more for each flag that changes it."""
    for format in all_formats():
        yield f"`{format.name}`", format, format.holds
        for option in format.options:
            if option.holds is not None:
                yield f"`{format.name} {option.flag}`", format, option.holds


def one_file_for(format: Format, holds: Holds) -> str:
    """Whose masks are in one file."""
    whose = "a mask" if format.needs_masks else "all images"
    if not (format.needs_masks or (format.holds_many and format.image_suffix is None)):
        whose = "an image"
    return whose if holds.most_objects is None else f"{whose}, {holds.most_objects} objects at most"


def tables() -> str:
    """Two tables in Markdown: shapes, and what is stated about them."""
    shapes = ["format", "one file for", "holes", "parts", "overlaps", "masks without pixels", "polygons as drawn",
              "boxes without masks", "images without objects"]  # fmt: skip
    stated = ["format", "labels", "numbers of classes", "ids", "attributes", "occluded, z_order, group, source",
              "crowd", "scores", "further fields"]  # fmt: skip
    first, second = [], []
    for name, format, holds in rows():
        first.append([name, one_file_for(format, holds), holds.holes, holds.parts, holds.overlaps, holds.empty_masks,
                      holds.vertices, holds.boxes, holds.backgrounds])  # fmt: skip
        scores = ", ".join(SCORES[each] for each in holds.scores) or "no"
        second.append([name, holds.labels, holds.categories, holds.ids, holds.attributes, holds.details, holds.crowd,
                       scores, holds.further_fields])  # fmt: skip
    return "\n".join([_table(shapes, first), _table(stated, second)])


def _table(head: list[str], body: list[list[str | bool]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    words = {True: "yes", False: "no"}
    return "".join(f"| {' | '.join(str(words.get(cell, cell)) for cell in line)} |\n" for line in lines)  # type: ignore[call-overload]


def with_tables(page: str) -> str:
    """The page with the tables between its marks."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + tables() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), encoding="utf-8")
