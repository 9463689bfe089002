"""The tables of formats in the documentation are what the formats declare."""

from __future__ import annotations

from docs.format_table import PAGE, tables, with_tables


def test_the_page_has_the_tables() -> None:
    page = PAGE.read_text("utf-8")
    assert with_tables(page) == page, "run: python docs/format_table.py"


def test_every_format_has_a_row_in_both() -> None:
    assert tables().count("\n| `coco` |") == tables().count("\n| `yolo` |") == 2
    assert tables().count("\n| `labelme --mask-shapes` |") == 2
