"""The mask prompt: logits pass as they are, a mask image becomes logits of the size that the model means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ImageError, PromptError
from anymask.structures.mask_input import MASK_LOGIT, as_mask_input, mask_logits
from tests.support.stored_orientation import stored_array

SIZE = (400, 300)


def left_half(width: int = 400, height: int = 300) -> np.ndarray:
    inside = np.zeros((height, width), bool)
    inside[:, : width // 2] = True
    return inside


def test_logits_pass_as_they_are() -> None:
    logits = np.random.default_rng(0).normal(0, 10, (1, 256, 256)).astype(np.float32)
    seen = as_mask_input(logits, SIZE)
    assert (seen.dtype, seen.shape) == (np.float32, (256, 256))
    np.testing.assert_array_equal(seen, logits[0])
    np.testing.assert_array_equal(as_mask_input(logits[0].astype(np.float64), SIZE), logits[0])


def test_all_zero_logits_pass_because_they_mean_no_mask() -> None:
    assert not as_mask_input(np.zeros((1, 256, 256), np.float32), SIZE).any()


def test_a_mask_image_becomes_confident_logits_in_the_padded_frame() -> None:
    logits = as_mask_input(left_half(), SIZE)
    assert (logits[:192, :128] == MASK_LOGIT).all()
    assert (logits[:192, 128:] == -MASK_LOGIT).all()
    assert (logits[192:] == -MASK_LOGIT).all(), "the padding below the image is outside"


def test_a_logit_at_an_edge_says_how_much_of_it_is_inside() -> None:
    inside = np.zeros((256, 256), bool)
    inside[:, :10] = True
    inside[::4, 10] = True
    assert mask_logits(inside)[:, 10].tolist() == pytest.approx(
        [MASK_LOGIT, -MASK_LOGIT, -MASK_LOGIT, -MASK_LOGIT] * 64
    )
    half = np.zeros((512, 512), bool)
    half[:, :21] = True
    assert mask_logits(half)[0, 9:12].tolist() == pytest.approx([MASK_LOGIT, 0, -MASK_LOGIT])


@given(st.integers(1, 700), st.integers(1, 700), st.data())
def test_logits_say_inside_where_the_mask_is(width: int, height: int, data: st.DataObject) -> None:
    """Whatever the size and shape of the image, a large enough rectangle is found again where it was."""
    long_side = max(width, height)
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    inside = np.zeros((height, width), bool)
    inside[y0:y1, x0:x1] = True
    logits = mask_logits(inside)
    assert np.abs(logits).max() <= MASK_LOGIT
    cell = long_side / 256
    columns, rows = (np.arange(256) + 0.5) * cell, (np.arange(256) + 0.5) * cell
    margin = 2 * cell + 1
    deep = ((rows > y0 + margin) & (rows < y1 - margin))[:, None] & ((columns > x0 + margin) & (columns < x1 - margin))
    far = ((rows < y0 - margin) | (rows > y1 + margin))[:, None] | ((columns < x0 - margin) | (columns > x1 + margin))
    assert (logits[deep] == MASK_LOGIT).all()
    assert (logits[far] == -MASK_LOGIT).all()


def mask_sources(folder: Path) -> dict[str, Any]:
    inside = left_half()
    grey = PIL.Image.fromarray(inside.astype(np.uint8) * 255)
    grey.save(folder / "mask.png")
    grey.convert("1").save(folder / "bilevel.png")
    PIL.Image.fromarray(inside.astype(np.uint8)).save(folder / "zero_one.png")
    coloured = PIL.Image.fromarray(inside.astype(np.uint8)[..., None] * np.array([200, 0, 0], np.uint8))
    coloured.save(folder / "red.png")
    cutout = PIL.Image.new("RGBA", SIZE, (250, 250, 250, 255))
    cutout.putalpha(grey)
    cutout.save(folder / "cutout.png")
    PIL.Image.fromarray(inside.astype(np.uint16) * 65535).save(folder / "sixteen.png")
    noisy = PIL.Image.fromarray(inside.astype(np.uint8) * 255)
    noisy.save(folder / "mask.jpg", quality=60)
    return {
        "bool": inside,
        "[H, W, 1]": inside[..., None],
        "[1, H, W]": inside[None],
        "0 and 1": inside.astype(np.uint8),
        "0 and 1 as int64": inside.astype(np.int64),
        "0 and 255": inside.astype(np.uint8) * 255,
        "list": inside.tolist(),
        "Pillow": grey,
        **{path.name: path for path in folder.iterdir()},
        "str": str(folder / "mask.png"),
    }


def test_every_form_of_a_mask_image_means_the_same(tmp_path: Path) -> None:
    expected = as_mask_input(left_half(), SIZE)
    for name, source in mask_sources(tmp_path).items():
        np.testing.assert_array_equal(as_mask_input(source, SIZE), expected, err_msg=name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_of_stored_pixels_is_turned(orientation: int) -> None:
    displayed = left_half()
    displayed[:50] = False
    stored = stored_array(displayed, orientation)
    np.testing.assert_array_equal(as_mask_input(stored, SIZE, orientation), as_mask_input(displayed, SIZE))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (left_half(40, 30), "is a mask image of 40x30: it takes the image's size, 400x300"),
        (left_half(300, 400), "is a mask image of 300x400"),
        (np.zeros((300, 400), bool), "is an empty mask"),
        (np.zeros((300, 400), np.uint8), "is an empty mask"),
        (np.full((300, 400), 7), "mask_input has the values 7: that looks like a map of labels"),
        (np.full((300, 400), 256), "mask_input has the values 256: that looks like"),
        (np.full((300, 400), -1), "values from -1 to -1"),
        (np.ones((300, 400)), "is float64 of shape (300, 400): logits take [1, 256, 256]; give a mask image as bool"),
        (np.ones((256, 256), np.float32), "values from 1 to 1: that is a mask, not logits; pass it as bool"),
        (np.eye(256), "that is a mask, not logits"),
        (np.ones((3, 256, 256), np.float32), "is float32 of shape (3, 256, 256)"),
        (np.full((256, 256), np.nan), "NaN or infinite"),
        (np.full((256, 256), 1e300), "NaN or infinite"),
        (np.ones((4, 300, 400), bool), "has shape (4, 300, 400)"),
        ({}, "is a dict"),
        ([[1], [2, 3]], "is a list"),
        (np.zeros((0, 0), np.uint8), "mask image of 0x0"),
    ],
)
def test_what_is_no_mask_is_one_line(value: Any, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        as_mask_input(value, SIZE)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mask_file_that_cannot_be_opened_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        as_mask_input(tmp_path / "gone.png", SIZE)
