"""The notebook functions plot where they should, and work with what lessons pass them."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from anymask.errors import AnymaskError, InputError
from anymask.io.image import open_image
from anymask.structures.candidates import Candidates
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts
from anymask.structures.transforms import ResizeLongestSide
from anymask.visualization.notebook import (
    show_binary_mask,
    show_boxes,
    show_candidates,
    show_contours,
    show_masks,
    show_points,
)
from anymask.visualization.overlay import EXCLUDE_COLOR, INCLUDE_COLOR, PALETTE
from tests.support.mask_shapes import disc

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
    for stars, color in ((include, INCLUDE_COLOR), (exclude, EXCLUDE_COLOR)):
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


def test_contours_run_along_the_border_and_the_hole_in_the_masks_colours(axes: Axes) -> None:
    ring = disc(60, 80, 25) & ~disc(60, 80, 10)
    assert show_contours([disc(60, 80, 5), ring], axes) is axes
    assert [to_rgb(line.get_color()) for line in axes.lines] == [
        tuple(np.array(PALETTE[index]) / 255) for index in (0, 1, 1)
    ]
    reach = [np.hypot(line.get_xdata() - 40, line.get_ydata() - 30) for line in axes.lines]
    assert np.allclose(reach[0].max(), 5, atol=1.5)
    assert sorted(round(float(np.mean(each)) / 5) for each in reach[1:]) == [2, 5]


def test_candidates_are_plotted_in_a_row_with_scores_and_the_prompt() -> None:
    logits = np.full((3, 256, 256), -5, np.float32)
    logits[:, 40:90, 40:90] = 5
    candidates = Candidates(ResizeLongestSide(60, 80), logits, np.array([0.5, 0.9, 0.7], np.float32))
    (prompt,) = make_prompts((60, 80), points=[(20, 30), (5, 5)], labels=[1, 0], box=[10, 10, 50, 60])
    figure = show_candidates(np.zeros((80, 60, 3), np.uint8), candidates, prompt)
    assert [axes.get_title() for axes in figure.axes] == [
        "Mask 0, score 0.500", "Mask 1, score 0.900", "Mask 2, score 0.700"
    ]  # fmt: skip
    for axes in figure.axes:
        assert len(axes.images) == 2
        assert len(axes.collections) == 2
        assert len(axes.patches) == 1
    pyplot.close(figure)
