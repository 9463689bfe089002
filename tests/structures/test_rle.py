"""Run lengths agree with pycocotools to the character, and never read what is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from anymask.errors import InputError
from anymask.structures import rle
from tests.support.mask_shapes import SHAPES, BoolMask, masks


@settings(max_examples=300, deadline=None)
@given(masks)
def test_rle_is_what_pycocotools_writes_and_comes_back(mask: BoolMask) -> None:
    official = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    encoded = rle.encode(mask)
    assert encoded == {"size": official["size"], "counts": official["counts"].decode()}
    assert np.array_equal(rle.decode(encoded), mask)
    assert np.array_equal(coco.decode(encoded), mask)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_area_and_box_without_decoding_are_those_of_the_pixels(mask: BoolMask) -> None:
    encoded = rle.encode(mask)
    rows, columns = np.nonzero(mask)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if rows.size else [0, 0, 0, 0]
    assert rle.area(encoded) == mask.sum()
    assert rle.box(encoded) == expected


@pytest.mark.parametrize("name", SHAPES)
def test_uncompressed_counts_and_bytes_are_read_too(name: str) -> None:
    mask = SHAPES[name]
    encoded = rle.encode(mask)
    size = encoded["size"]
    assert np.array_equal(rle.decode({"size": size, "counts": encoded["counts"].encode()}), mask)
    assert np.array_equal(rle.decode({"size": size, "counts": rle.run_lengths(encoded).tolist()}), mask)


def test_long_runs_take_several_characters() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[5:2995, 100:1900] = True
    assert np.array_equal(rle.decode(rle.encode(mask)), mask)


@pytest.mark.parametrize(
    "counts",
    ["", "0", "abc", "0" * 50, "zzzz", "é", "o", b"\xff", [3, -1, 23], [26], [], [12.5, 12.5], 25, None, "P" * 40],
)
def test_counts_that_do_not_fill_the_image_are_refused(counts: Any) -> None:
    with pytest.raises(InputError, match="RLE"):
        rle.decode({"size": [5, 5], "counts": counts})


@pytest.mark.parametrize("size", [None, [5], [5, 0], [5, -5], [5.0, 5.0], "55", [5, 5, 5]])
def test_sizes_that_are_none_are_refused(size: Any) -> None:
    with pytest.raises(InputError, match="size"):
        rle.decode({"size": size, "counts": "i0"})


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=[chr(c) for c in range(46, 114)], max_size=12))
def test_any_text_is_either_a_mask_of_the_right_size_or_refused(counts: str) -> None:
    try:
        mask = rle.decode({"size": [4, 6], "counts": counts})
    except InputError:
        return
    assert mask.shape == (4, 6)
    assert np.array_equal(coco.decode({"size": [4, 6], "counts": counts}), mask)
