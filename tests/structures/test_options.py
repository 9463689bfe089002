"""Options that are written once."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import PromptError
from anymask.structures.options import Options, option, option_fields


@dataclass(frozen=True)
class Blur(Options):
    kind: Literal["box", "gauss"] = option("gauss", "Which blur.")
    radius: float = option(2.0, "Of the blur.", above=0, at_most=10, unit="px")
    passes: int = option(1, "How many.", at_least=1)
    limit: int | None = option(None, "Most pixels.", at_least=1)
    kernel: Any = option(None, "Instead of a radius.")
    seed: int = 7


def test_fields_state_kind_range_choices_and_flag() -> None:
    kind, radius, passes, limit, kernel = option_fields(Blur)
    assert (kind.kind, kind.choices, kind.flag) == (str, ("box", "gauss"), "--kind")
    assert (radius.kind, radius.above, radius.at_most, radius.unit) == (float, 0, 10, "px")
    assert (passes.kind, passes.optional, limit.kind, limit.optional) == (int, False, int, True)
    assert kernel.kind is None
    assert Blur().as_dict() == {"kind": "gauss", "radius": 2.0, "passes": 1, "limit": None, "kernel": None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "median"}, "kind must be one of box, gauss, not 'median'"),
        ({"radius": 0}, "radius must be above 0 and at most 10, not 0"),
        ({"radius": float("nan")}, "radius must be above 0 and at most 10, not nan"),
        ({"radius": "wide"}, "radius must be a number, not 'wide'"),
        ({"radius": None}, "radius must be a number, not None"),
        ({"passes": 1.5}, r"passes must be a whole number, not 1\.5"),
        ({"passes": True}, "passes must be a whole number, not True"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=f"^{message}$"):
        Blur(**values)


@given(st.floats() | st.integers(), st.integers(-5, 5) | st.none())
def test_a_value_is_taken_if_it_lies_in_its_range(radius: float, limit: int | None) -> None:
    right = 0 < radius <= 10 and (limit is None or limit >= 1)
    try:
        assert Blur(radius=radius, limit=limit).radius == radius
        assert right
    except PromptError:
        assert not right
