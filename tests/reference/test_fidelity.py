"""The figures of docs/explanation/fidelity.md, measured again: each row must keep its bound."""

from __future__ import annotations

import pytest

from anymask.errors import EngineError
from tests.reference.fidelity import RUNS

pytestmark = [pytest.mark.reference, pytest.mark.timeout(900)]


@pytest.mark.parametrize("run", RUNS, ids="-".join)
def test_every_kind_of_prompt_keeps_its_bound(run: tuple[str, str, str]) -> None:
    import torch

    from tests.reference.fidelity_runs import measure

    torch.set_num_threads(2)
    try:
        rows = measure(run)
    except EngineError as error:
        pytest.skip(f"{' '.join(run)} cannot run on this machine: {error}")
    broken = [row.as_line() for row in rows if not row.is_within_bounds]
    assert not broken, "\n".join(broken)
