"""Names that are too long for a file system."""

from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from anymask.io.file_names import MAX_NAME_BYTES, numbered, shorten_name

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=400)


@given(NAMES)
def test_a_name_is_short_enough_and_stays_if_it_was(name):
    short = shorten_name(name)
    assert 0 < len(short.encode()) <= MAX_NAME_BYTES
    assert short == name or len(name.encode()) > MAX_NAME_BYTES


@given(NAMES, NAMES, st.integers(40, 80))
def test_different_names_stay_different(first, second, limit):
    assert (shorten_name(first, limit) == shorten_name(second, limit)) == (first == second)


def test_the_extension_stays_and_no_character_is_cut():
    short = shorten_name("ü" * 300 + ".jpeg")
    assert short.endswith(".jpeg")
    assert set(short[: short.index("-")]) == {"ü"}


def test_numbers_come_before_the_suffix():
    assert [path.name for path in islice(numbered(Path("out/a.b.png"), ".png"), 3)] == [
        "a.b.png", "a.b-2.png", "a.b-3.png"
    ]  # fmt: skip
    assert [path.name for path in islice(numbered(Path("out/a.b")), 2)] == ["a.b", "a.b-2"]
