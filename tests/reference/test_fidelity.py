"""The figures of docs/fidelity.md, measured again: each row must keep its bound."""

from __future__ import annotations

from typing import Any

import pytest
from fidelity import RUNS, Row, read_table

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def measured() -> list[Row]:
    from fidelity_runs import measure

    return list(measure())


def test_every_row_keeps_its_bound(measured: list[Row]) -> None:
    broken = [row.as_line() for row in measured if not row.kept]
    assert not broken, "\n".join(broken)


def test_the_document_has_these_rows(measured: list[Row]) -> None:
    def name(row: Any) -> tuple[str, ...]:
        return row.model, row.engine, row.precision, row.kind

    assert {name(row) for row in measured} <= {name(row) for row in read_table()}
    assert {name(row)[:3] for row in measured} >= {run for run in RUNS if run[2] == "f32"}
