"""The committed table of fidelity: whole, and within the bounds that `make reference` holds new figures to."""

from __future__ import annotations

from tests.reference.fidelity import BOUNDS_HEADING, KINDS, RUNS, TABLE, Row, read_table


def test_the_table_has_every_run_and_kind_of_prompt() -> None:
    assert [row.name for row in read_table()] == [(*run, kind) for run in RUNS for kind in KINDS]


def test_what_the_table_says_is_within_its_bounds() -> None:
    assert [row.as_line() for row in read_table() if not row.is_within_bounds] == []


def test_the_page_states_the_bounds_that_are_tested() -> None:
    page = TABLE.read_text(encoding="utf-8").partition(BOUNDS_HEADING)[2]
    for run, bound in RUNS.items():
        assert f"| {' | '.join(run)} | {bound.as_cells()} |" in page


def test_a_row_that_drifts_is_noticed() -> None:
    row = Row("mobile-sam", "openvino", "int8", "box", 0.9999, 30, 36, 0.998, 0.96, 0.99, 0.9, 0.01)
    assert row.is_within_bounds
    assert Row.from_line(row.as_line()) == row
    for name, value in {"cosine": 0.9994, "mean": 0.989, "worst": 0.94, "score": 0.2}.items():
        assert not Row(**{**vars(row), name: value}).is_within_bounds, name
