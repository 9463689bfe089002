"""A Mask and a result go where arrays and images go, and say in one line what they do not do."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError
from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts
from anymask.visualization.overlay import PALETTE
from tests.support.mask_shapes import disc

DISC = disc(30, 40, 9)
LEFT = np.arange(40) < np.full((30, 1), 20)


@pytest.fixture
def mask() -> Mask:
    return Mask.from_array(DISC, score=0.9, label="plate", prompt_index=3)


@pytest.fixture
def result(mask: Mask) -> MaskSet:
    image = open_image(np.full((30, 40, 3), 90, np.uint8))
    return MaskSet(
        [mask, Mask.from_array(LEFT, score=0.5)], image=image, prompts=make_prompts((40, 30), boxes=[[1, 2, 30, 20]])
    )


def test_a_mask_is_an_array_an_image_and_an_index(mask: Mask) -> None:
    from matplotlib.figure import Figure

    assert np.array_equal(np.asarray(mask), DISC)
    assert np.asarray(mask, np.uint8).dtype == np.uint8
    assert np.array_equal(PIL.Image.fromarray(mask.array), DISC)
    assert np.array_equal(Figure().subplots().imshow(mask).get_array(), DISC)
    assert open_image(np.zeros((30, 40, 3), np.uint8)).pixels[mask].shape == (mask.area, 3)


@pytest.mark.parametrize("operation", [operator.and_, operator.or_, operator.xor])
def test_masks_are_combined_as_sets_of_pixels(mask: Mask, operation: Callable[[Any, Any], Any]) -> None:
    combined = operation(mask, Mask.from_array(LEFT))
    assert isinstance(combined, Mask)
    assert np.array_equal(combined.array, operation(DISC, LEFT))
    assert np.array_equal(operation(mask, LEFT), operation(DISC, LEFT))


def test_a_mask_without_another_and_its_complement(mask: Mask) -> None:
    assert np.array_equal((mask - Mask.from_array(LEFT)).array, DISC & ~LEFT)
    assert np.array_equal((~mask).array, ~DISC)
    with pytest.raises(InputError, match="different images"):
        mask & Mask.from_array(np.ones((2, 2), bool))


def test_what_an_array_has_and_a_mask_has_not_is_pointed_to(mask: Mask) -> None:
    with pytest.raises(AttributeError, match=r"a Mask has no attribute 'astype': use mask\.array\.astype$"):
        mask.astype(np.uint8)
    with pytest.raises(AttributeError, match=r"a Mask has no attribute 'colour'$"):
        _ = mask.colour


def test_one_mask_is_saved_in_any_format(mask: Mask, tmp_path: Path) -> None:
    assert mask.save(tmp_path / "plate.png") == [tmp_path / "plate.png"]
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "plate.png")), DISC * 255)
    mask.save(tmp_path / "plate.json")
    (entry,) = json.loads((tmp_path / "plate.json").read_text("utf-8"))["masks"]
    assert (entry["label"], entry["area"]) == ("plate", mask.area)
    with pytest.raises(InputError, match="no format is called 'jpeg-2000'"):
        mask.save(tmp_path / "plate", "jpeg-2000")


def test_one_mask_is_drawn_in_white_on_black_or_over_an_image(mask: Mask) -> None:
    alone = mask.draw()
    assert alone.mode == "L"
    assert np.array_equal(np.asarray(alone), DISC * 255)
    over = mask.draw(np.zeros((30, 40, 3), np.uint8), opacity=1, contours=False, labels=False)
    assert np.array_equal(np.asarray(over), DISC[:, :, None] * np.array(PALETTE[0], np.uint8))
    with pytest.raises(InputError, match="does not belong"):
        mask.draw(np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(InputError, match="opacity needs an image"):
        mask.draw(opacity=0.5)


def test_a_result_is_indexed_as_arrays_are(result: MaskSet) -> None:
    assert list(result[result.scores > 0.8]) == [result[0]]
    assert list(result[[1, -2]]) == [result[1], result[0]]
    assert list(result[np.array([1])]) == [result[1]]
    assert len(result[[]]) == 0
    assert result[[1]].colour_indices == (1,)
    with pytest.raises(IndexError):
        result[np.array([True])]


def test_style_options_are_named_where_one_is_mistaken(result: MaskSet) -> None:
    with pytest.raises(TypeError, match=r"draw\(\) has no option 'alpha': it takes colors, opacity, contours, boxes"):
        result.draw(alpha=0.5)
    with pytest.raises(TypeError, match=r"draw\(\) has no option 'color': did you mean colors\?"):
        result.draw(color=(255, 0, 0))
    for colors in ((255, 0, 0), ["red"], [(0, 0, 256)], []):
        with pytest.raises(InputError, match="colors takes a list of"):
            result.draw(colors=colors)


def test_what_a_notebook_shows_has_the_notes(result: MaskSet, mask: Mask) -> None:
    note = "clipped to"
    clipped = MaskSet(result, image=result.image, prompts=make_prompts((40, 30), boxes=[[1, 2, 99, 20]]))
    assert not result.notes
    assert note in clipped.notes[0]
    assert note in clipped._repr_html_()
    assert repr(clipped) == f"<MaskSet: 2 masks of 40x30, scores 0.900 to 0.500; {clipped.notes[0]}>"
    assert "score 0.900, label &#x27;plate&#x27;" in mask._repr_html_()
