"""What people look at shows what was found: masks in place, stars on the points, boxes on the boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError
from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts
from anymask.visualization.overlay import EXCLUDE_COLOR, INCLUDE_COLOR, PALETTE, WHITE, draw, paint, star
from tests.support.mask_shapes import disc

GREY = 128


def grey(height: int, width: int) -> Any:
    return np.full((height, width, 3), GREY, np.uint8)


def tinted(color: tuple[int, int, int], opacity: float) -> Any:
    return np.round(np.array(color) * opacity + GREY * (1 - opacity))


def differs(picture: Any) -> Any:
    return (np.asarray(picture) != GREY).any(axis=2)


@pytest.mark.parametrize(("height", "width"), [(333, 500), (2724, 4078), (1999, 333)])
def test_stars_lie_on_the_points_in_green_and_red_with_a_white_edge(height: int, width: int) -> None:
    include, exclude = (width // 3, height // 2), (2 * width // 3, height // 4)
    prompts = make_prompts((width, height), points=[include, exclude], labels=[1, 0])
    picture = draw(grey(height, width), [], prompts)
    assert picture.size == (width, height)
    assert picture.getpixel(include) == INCLUDE_COLOR
    assert picture.getpixel(exclude) == EXCLUDE_COLOR
    pixels = np.asarray(picture)
    for color, (x, y) in ((INCLUDE_COLOR, include), (EXCLUDE_COLOR, exclude)):
        rows, columns = np.nonzero((pixels == color).all(axis=2))
        assert abs(columns.mean() - x) < 1.5
        assert abs(rows.mean() - y) < 0.004 * max(width, height) + 1
        # Large enough to see, small enough not to hide the object.
        assert 0.012 < (np.ptp(columns) + 1) / max(width, height) < 0.05
        around = pixels[rows.min() - 3 : rows.max() + 4, columns.min() - 3 : columns.max() + 4]
        assert (around == WHITE).all(axis=2).any()


def test_masks_are_tinted_inside_and_nothing_changes_outside() -> None:
    array = disc(300, 400, 80)
    picture = paint(grey(300, 400), [Mask.from_array(array)])
    assert np.abs(picture[150, 200] - tinted(PALETTE[0], 0.45)).max() <= 1
    changed = differs(picture)
    assert changed[disc(300, 400, 78)].all()
    assert not changed[~disc(300, 400, 84)].any()


def test_the_image_is_not_changed() -> None:
    photo = grey(60, 80)
    draw(photo, [Mask.from_array(disc(60, 80, 20))], make_prompts((80, 60), points=[(40, 30)]))
    assert (photo == GREY).all()


def test_contours_outline_the_mask_and_its_hole_in_full_colour() -> None:
    array = disc(300, 400, 100) & ~disc(300, 400, 40)
    picture = paint(grey(300, 400), [Mask.from_array(array)])
    assert (picture[150, 200 + 100] == PALETTE[0]).all()
    assert (picture[150, 200 + 41] == PALETTE[0]).all()
    without = draw(grey(300, 400), [Mask.from_array(array)], contours=False)
    assert np.array_equal(differs(without), array)


def test_box_outlines_lie_on_the_box_in_the_masks_colour() -> None:
    (prompt,) = make_prompts((400, 300), box=[100, 50, 300, 250])
    mask = Mask.from_array(disc(300, 400, 30))
    picture = paint(grey(300, 400), [mask], [prompt])
    for x, y in ((100, 150), (299, 150), (200, 50), (200, 249)):
        assert (picture[y, x] == PALETTE[0]).all()
    assert not differs(picture)[100, 120]
    assert not differs(paint(grey(300, 400), [], [prompt]))[150, 200]
    plain = draw(grey(300, 400), [mask], [prompt], boxes=False)
    assert not differs(plain)[:, :150].any()


def test_small_masks_stay_visible_on_large_ones_whatever_the_order() -> None:
    large, small = Mask.from_array(np.ones((300, 400), bool)), Mask.from_array(disc(300, 400, 40))
    for masks in ([large, small], [small, large]):
        color = PALETTE[masks.index(small)]
        under = tinted(PALETTE[masks.index(large)], 0.45)
        expected = np.array(color) * 0.45 + under * 0.55
        assert np.abs(paint(grey(300, 400), masks)[150, 200] - expected).max() <= 1


def test_an_object_keeps_its_colour_in_a_slice_and_other_objects_prompts_are_left_out() -> None:
    prompts = make_prompts((400, 300), points=[(60, 60), (300, 200)], each=True)
    arrays = [np.roll(disc(300, 400, 30), shift, axis=(0, 1)) for shift in ((-90, -140), (50, 100))]
    masks = [Mask.from_array(array, prompt_index=i) for i, array in enumerate(arrays)]
    result = MaskSet(masks, image=open_image(grey(300, 400)), prompts=prompts)
    whole, part = np.asarray(result.draw()), np.asarray(result[1:].draw())
    assert (whole[180, 300] == part[180, 300]).all()
    assert differs(part)[180, 300]
    assert not differs(part)[:150, :200].any()
    assert tuple(whole[60, 60]) == INCLUDE_COLOR


def test_huge_images_are_drawn_smaller_with_everything_in_place() -> None:
    array = disc(1200, 2000, 300)
    prompts = make_prompts((2000, 1200), points=[(1000, 600)])
    picture = draw(grey(1200, 2000), [Mask.from_array(array)], prompts, max_side=500)
    assert picture.size == (500, 300)
    assert picture.getpixel((250, 150)) == INCLUDE_COLOR
    changed = differs(picture)
    assert changed[150, 250 - 74]
    assert not changed[150, 250 - 79]


def test_thin_lines_survive_in_small_images() -> None:
    array = np.zeros((1000, 2000), bool)
    array[500, 100:1900] = True
    changed = differs(draw(grey(1000, 2000), [Mask.from_array(array)], max_side=1000, contours=False))
    assert changed.any(axis=0)[60:940].all()


def test_labels_are_written_beside_the_mask() -> None:
    array = disc(300, 400, 50)
    silent = paint(grey(300, 400), [Mask.from_array(array)])
    named = paint(grey(300, 400), [Mask.from_array(array, label="dog", score=0.97)])
    rows, columns = np.nonzero((silent != named).any(axis=2))
    assert 80 <= rows.min() < rows.max() <= 102
    assert columns.min() >= 148
    assert np.array_equal(silent, np.asarray(draw(grey(300, 400), [Mask.from_array(array, label="dog")], labels=False)))


def test_labels_and_stars_at_the_border_stay_in_the_image() -> None:
    prompts = make_prompts((80, 60), points=[(0, 0), (79, 59)], labels=[1, 0])
    masks = [Mask.from_array(np.ones((60, 80), bool), label="a very long name for a small image", score=0.5)]
    picture = draw(grey(60, 80), masks, prompts)
    assert picture.size == (80, 60)
    assert picture.getpixel((79, 59)) == EXCLUDE_COLOR


def test_images_of_one_pixel_and_empty_masks_can_be_drawn() -> None:
    masks = [Mask.from_array(np.ones((1, 1), bool)), Mask.from_array(np.zeros((1, 1), bool), label="nothing")]
    assert isinstance(draw(grey(1, 1), masks), PIL.Image.Image)


@pytest.mark.parametrize("options", [{"opacity": 1.5}, {"opacity": -0.1}, {"colors": []}, {"max_side": 0}])
def test_impossible_styles_are_refused_with_the_value(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        draw(grey(8, 8), [], **options)


def test_a_star_stands_upright_with_five_points() -> None:
    corners = star(np.array([50.0, 50.0]), 20)
    assert corners[0].tolist() == [50, 30]
    lengths = np.hypot(*(corners - 50).T)
    assert np.allclose(lengths[0::2], 20)
    assert np.allclose(lengths[1::2], 20 * 0.381966, atol=1e-4)
