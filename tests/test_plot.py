"""The notebook functions plot where they should, and work with what lessons pass them."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from anymask.draw import EXCLUDE, INCLUDE, PALETTE
from anymask.errors import AnymaskError, InputError
from anymask.image import open_image
from anymask.mask import Mask, MaskSet
from anymask.plot import show_binary_mask, show_boxes, show_masks, show_points
from mask_shapes import disc

matplotlib.use("Agg")


@pytest.fixture
def axes() -> Iterator[Axes]:
    _, axes = pyplot.subplots()
    yield axes
    pyplot.close("all")


def test_points_are_green_and_red_stars_in_place(axes: Axes) -> None:
    assert show_points(np.array([[10, 20], [30, 40], [50, 60]]), np.array([1, 0, 1]), axes) is axes
    include, exclude = axes.collections
    assert np.asarray(include.get_offsets()).tolist() == [[10, 20], [50, 60]]
    assert np.asarray(exclude.get_offsets()).tolist() == [[30, 40]]
    for stars, color in ((include, INCLUDE), (exclude, EXCLUDE)):
        assert np.allclose(stars.get_facecolor()[0][:3], np.array(color) / 255)
        assert np.allclose(stars.get_edgecolor()[0][:3], 1)
        assert stars.get_sizes().tolist() == [375]


def test_one_point_on_the_current_axes_is_enough(axes: Axes) -> None:
    assert show_points((10, 20), 1, marker_size=100) is axes


def test_labels_that_do_not_fit_are_refused(axes: Axes) -> None:
    with pytest.raises(InputError, match="2 points and 1 labels"):
        show_points([[1, 2], [3, 4]], [1], axes)
    with pytest.raises(InputError, match=r"\[2\]"):
        show_points([[1, 2]], [2], axes)


def test_boxes_are_outlines_in_place(axes: Axes) -> None:
    show_boxes([[10, 20, 40, 60], [0, 0, 5, 5]], axes)
    show_boxes([1, 2, 3, 4], axes, color="red")
    first, _, last = axes.patches
    assert first.get_bbox().extents.tolist() == [10, 20, 40, 60]
    assert last.get_bbox().extents.tolist() == [1, 2, 3, 4]
    assert to_rgb(last.get_edgecolor()) == (1, 0, 0)


@pytest.mark.parametrize("kind", ["set", "list", "array", "one array"])
def test_masks_of_any_kind_are_shown_in_place(axes: Axes, kind: str) -> None:
    array = disc(40, 60, 9)
    result = MaskSet([Mask.from_array(array)], image=open_image(np.zeros((40, 60, 3), np.uint8)))
    show_masks({"set": result, "list": list(result), "array": array[None], "one array": array}[kind], axes)
    shown = np.asarray(axes.images[0].get_array())
    assert np.array_equal(shown[..., 3] > 0, array)
    assert (shown[20, 30, :3] == PALETTE[0]).all()


def test_small_masks_are_shown_over_large_ones(axes: Axes) -> None:
    show_masks([disc(40, 60, 5), disc(40, 60, 15)], axes)
    assert (np.asarray(axes.images[0].get_array())[20, 30, :3] == PALETTE[0]).all()


def test_random_colours_are_random(axes: Axes) -> None:
    for _ in range(2):
        show_masks(disc(40, 60, 9), axes, random_color=True)
    first, second = (np.asarray(image.get_array())[20, 30, :3].tolist() for image in axes.images)
    assert first != second


def test_no_masks_show_nothing(axes: Axes) -> None:
    assert show_masks([], axes) is axes
    assert not axes.images


def test_a_binary_mask_is_white_on_black_with_its_score_as_title(axes: Axes) -> None:
    array = disc(40, 60, 9)
    show_binary_mask(Mask.from_array(array, score=0.98765), ax=axes)
    assert axes.get_title() == "Score: 0.988"
    image = axes.images[0]
    rgb = image.to_rgba(np.asarray(image.get_array()).astype(float))[..., :3]
    assert (rgb[array] == 1).all()
    assert (rgb[~array] == 0).all()
    show_binary_mask(array[None], np.float32(0.5), axes)
    assert axes.get_title() == "Score: 0.500"


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(AnymaskError, match=r"pip install 'anymask\[notebook\]'"):
        show_points([1, 2], [1])
