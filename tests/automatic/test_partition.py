"""Every pixel gets exactly one id; regions that no mask explains are labelled as unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anymask.automatic.partition import MAX_PROMPTS, UNEXPLAINED, Partition, partition
from anymask.automatic.unlabelled_regions import SLIVER_CELLS
from anymask.errors import InputError
from anymask.structures.mask import Mask

BoolMask = NDArray[np.bool_]


def rectangle(size: tuple[int, int], x0: int, y0: int, x1: int, y1: int, **about: Any) -> Mask:
    array = np.zeros(size[::-1], bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array, **about)


class FakeModel:
    """Returns those of its masks that hold a prompted point, and records the points."""

    def __init__(self, *masks: Mask) -> None:
        self.masks = masks
        self.prompted: list[tuple[float, float]] = []

    def __call__(self, points: NDArray[np.float64]) -> Sequence[Mask]:
        self.prompted += [(float(x), float(y)) for x, y in points]
        return [mask for mask in self.masks if any(mask.array[int(y), int(x)] for x, y in points)]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[tuple[int, int], list[Mask]]:
    """A size, and masks of it: rectangles, noise, copies, empty and full ones."""
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays: list[BoolMask] = []
    for kind in draw(st.lists(st.sampled_from(["box", "noise", "copy", "empty", "full"]), max_size=7)):
        array = np.full((height, width), kind == "full")
        if kind == "box":
            (y0, y1), (x0, x1) = (np.sort(random.integers(0, side + 1, 2)) for side in (height, width))
            array[y0:y1, x0:x1] = True
        if kind == "noise":
            array = random.random((height, width)) < random.random()
        if kind == "copy" and arrays:
            array = arrays[random.integers(len(arrays))].copy()
        arrays.append(array)
    scores = [draw(st.sampled_from([None, 0.5, 0.9])) for _ in arrays]
    return (width, height), [Mask.from_array(a, score=s) for a, s in zip(arrays, scores, strict=True)]


def check_covers_the_image(cut: Partition, size: tuple[int, int]) -> None:
    width, height = size
    assert cut.labels.shape == (height, width)
    assert cut.labels.dtype == np.int32
    assert np.unique(cut.labels).tolist() == list(range(1, len(cut) + 1))
    masks = cut.masks()
    assert (np.sum([mask.array for mask in masks], axis=0) == 1).all()
    assert [mask.area for mask in masks] == cut.areas.tolist()
    assert cut.explained.tolist() == [mask.label != UNEXPLAINED for mask in masks] == (cut.source >= 0).tolist()


def mask_indices(masks: list[Mask], order: str) -> NDArray[np.int64]:
    """The index of the mask on top at each pixel, one pixel after the other; -1 for none."""
    keys = {
        "smaller": lambda i: masks[i].area,
        "larger": lambda i: -masks[i].area,
        "score": lambda i: np.inf if masks[i].score is None else -masks[i].score,
    }
    indices = np.full(masks[0].array.shape, -1)
    for at in np.ndindex(indices.shape):
        there = [i for i, mask in enumerate(masks) if mask.array[at]]
        if there:
            indices[at] = min(there, key=lambda i: (keys[order](i), i))
    return indices


@settings(max_examples=100, deadline=None)
@given(scenes(), st.sampled_from(["smaller", "larger", "score"]), st.integers(0, 30), st.integers(0, 4), st.booleans())
def test_every_pixel_has_exactly_one_id(
    scene: tuple[tuple[int, int], list[Mask]], order: Any, sliver_area: int, crack_width: int, prompting: bool
) -> None:
    size, masks = scene
    model = FakeModel(*masks[::2]) if prompting else None
    input_masks = masks[1::2] if prompting else masks
    cut = partition(size, input_masks, order, model, sliver_area=sliver_area, crack_width=crack_width)
    check_covers_the_image(cut, size)


@settings(max_examples=100, deadline=None)
@given(scenes(), st.sampled_from(["smaller", "larger", "score"]))
def test_a_pixel_belongs_to_the_mask_on_top_and_to_none_if_no_mask_covers_it(
    scene: tuple[tuple[int, int], list[Mask]], order: Any
) -> None:
    size, masks = scene
    cut = partition(size, masks, order, sliver_area=0)
    source = cut.source[cut.labels - 1]
    if masks:
        assert np.array_equal(source, mask_indices(masks, order))
    else:
        assert (source == -1).all()


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(0, 40))
def test_only_slivers_are_merged_and_each_as_a_whole_into_a_piece_beside_it(
    scene: tuple[tuple[int, int], list[Mask]], sliver_area: int
) -> None:
    size, masks = scene
    exact, cut = partition(size, masks, sliver_area=0), partition(size, masks, sliver_area=sliver_area)
    regions = [exact.labels == i + 1 for i in np.flatnonzero(~exact.explained)]
    for region in regions:
        ids = np.unique(cut.labels[region])
        assert len(ids) == 1
        lonely = region.all()
        assert cut.explained[ids[0] - 1] == (region.sum() < sliver_area and not lonely)
        if cut.explained[ids[0] - 1]:
            assert ids[0] == most_shared_border(exact.labels, region)
    merged = sum(1 for region in regions if region.sum() < sliver_area and not region.all())
    assert any(note.startswith(f"merged into the piece beside them: {merged} sliver") for note in cut.notes) == (
        merged > 0
    )


def most_shared_border(labels: NDArray[np.int32], region: BoolMask) -> int:
    edges: dict[int, int] = {}
    for y, x in np.argwhere(region).tolist():
        for at in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= at[0] < labels.shape[0] and 0 <= at[1] < labels.shape[1] and not region[at]:
                edges[int(labels[at])] = edges.get(int(labels[at]), 0) + 1
    return min(edges, key=lambda identity: (-edges[identity], identity))


def test_without_masks_the_whole_image_is_one_unexplained_piece() -> None:
    for size in ((1, 1), (30, 20)):
        cut = partition(size, [])
        check_covers_the_image(cut, size)
        assert cut.explained.tolist() == [False]
        assert cut.masks()[0].label == UNEXPLAINED
        assert cut.notes == ("unexplained: 1 region, 100.0% of the image",)


def test_one_full_mask_is_the_partition_and_keeps_its_score_label_and_prompt() -> None:
    mask = rectangle((30, 20), 0, 0, 30, 20, score=0.9, label="field", prompt_index=3)
    (piece,) = partition((30, 20), [mask]).masks()
    assert (piece.score, piece.label, piece.prompt_index, piece.edits) == (0.9, "field", 3, ())
    assert piece.array.all()


def test_of_identical_masks_the_first_has_the_piece() -> None:
    twins = [rectangle((30, 20), 0, 0, 30, 20) for _ in range(3)]
    for order in ("smaller", "larger", "score"):
        cut = partition((30, 20), twins, order)  # type: ignore[arg-type]
        assert cut.source.tolist() == [0]
        assert cut.notes == ("without a piece, because empty or wholly covered by others: 2 of 3 masks",)


def test_a_hidden_mask_has_no_piece_and_a_cut_one_says_so() -> None:
    size = (40, 40)
    car, wheel = rectangle(size, 0, 0, 40, 40, label="car"), rectangle(size, 5, 5, 15, 15, label="wheel")
    pieces = partition(size, [car, wheel]).masks()
    assert [(piece.label, piece.area) for piece in pieces] == [("car", 1500), ("wheel", 100)]
    assert pieces[0].edits == ("partition: 1500 of 1600 px",)
    assert [piece.label for piece in partition(size, [car, wheel], "larger").masks()] == ["car"]
    better = [car.replace(score=0.8), wheel.replace(score=0.9)]
    assert [piece.label for piece in partition(size, better, "score").masks()] == ["car", "wheel"]


def test_unexplained_regions_are_one_piece_each_the_largest_first() -> None:
    size = (40, 30)
    wall = rectangle(size, 10, 0, 12, 30, label="wall")
    cut = partition(size, [wall], sliver_area=10)
    assert [piece.label for piece in cut.masks()] == ["wall", UNEXPLAINED, UNEXPLAINED]
    assert cut.areas.tolist() == [60, 28 * 30, 10 * 30]
    assert cut.notes == ("unexplained: 2 regions, 95.0% of the image",)


def test_added_masks_get_unlabelled_pixels_only() -> None:
    size = (60, 40)
    left = rectangle(size, 0, 0, 20, 40, label="left")
    sky = rectangle(size, 15, 0, 60, 20, label="sky", score=0.9)
    model = FakeModel(sky)
    cut = partition(size, [left], masks_at=model, sliver_area=4)
    check_covers_the_image(cut, size)
    assert [piece.label for piece in cut.masks()] == ["left", "sky", UNEXPLAINED]
    assert cut.areas.tolist() == [800, 800, 800]
    assert cut.source.tolist() == [0, 1, -1]
    assert cut.added_masks == (sky,)
    assert cut.notes[0].endswith("1 more mask, 33.3% of the image")
    assert all(x >= 20 for x, _ in model.prompted)


def test_a_small_object_inside_a_large_region_is_added_and_a_rim_of_an_input_mask_is_not() -> None:
    size = (100, 100)
    house = rectangle(size, 0, 0, 50, 100, label="house")
    bird = rectangle(size, 70, 45, 80, 55, label="bird")
    house_again = rectangle(size, 0, 0, 52, 100, label="house again")
    cut = partition(size, [house], masks_at=lambda points: [house_again, bird], sliver_area=4)
    assert [piece.label for piece in cut.masks()] == ["house", "bird", UNEXPLAINED]
    assert cut.areas[0] == 5000


def test_a_mask_that_covers_a_good_share_of_a_region_is_added_though_most_of_it_is_labelled() -> None:
    size = (100, 100)
    masks = [rectangle(size, 0, 0, 100, 80, label="water")]
    lake = rectangle(size, 0, 0, 100, 90, label="lake")
    cut = partition(size, masks, masks_at=lambda points: [lake], sliver_area=4)
    assert dict(zip([piece.label for piece in cut.masks()], cut.areas.tolist(), strict=True)) == {
        "water": 8000,
        "lake": 1000,
        UNEXPLAINED: 1000,
    }


@pytest.mark.parametrize("max_prompts", [0, 1, 5, MAX_PROMPTS])
def test_at_most_max_prompts_points_are_prompted_all_different_and_unlabelled(max_prompts: int) -> None:
    size = (80, 60)
    input_masks = [rectangle(size, x, 0, x + 2, 60) for x in range(10, 80, 10)]
    model = FakeModel()
    cut = partition(size, input_masks, masks_at=model, max_prompts=max_prompts, sliver_area=1)
    covered = np.any([mask.array for mask in input_masks], axis=0)
    assert not any(covered[int(y), int(x)] for x, y in model.prompted)
    assert len(set(model.prompted)) == len(model.prompted) == max_prompts
    assert cut.added_masks == ()


def test_the_first_point_is_in_the_middle_of_the_region() -> None:
    model = FakeModel()
    partition((100, 60), [rectangle((100, 60), 0, 0, 39, 60)], masks_at=model, max_prompts=1)
    x, y = model.prompted[0]
    assert 67 <= x <= 71
    assert 28 <= y <= 32


def test_the_size_of_slivers_follows_the_size_of_logit_cells() -> None:
    size = (1024, 512)
    for side, merged in ((15, True), (16, False)):
        array = np.ones(size[::-1], bool)
        array[100 : 100 + side, 200 : 200 + side] = False
        cut = partition(size, [Mask.from_array(array)])
        assert (side**2 < SLIVER_CELLS * 16) == merged
        assert len(cut) == (1 if merged else 2)


def test_a_crack_between_two_objects_is_shared_by_both_and_counted() -> None:
    size = (300, 200)
    left, right = rectangle(size, 0, 0, 148, 200), rectangle(size, 152, 0, 300, 200)
    open_crack = partition(size, [left, right], sliver_area=4, crack_width=4)
    assert open_crack.areas.tolist() == [148 * 200, 148 * 200, 4 * 200]
    cut = partition(size, [left, right], sliver_area=4, crack_width=5)
    assert cut.areas.tolist() == [150 * 200, 150 * 200]
    assert cut.notes == ("closed, each pixel merged into the nearest piece: 1 crack, 800 px",)
    assert (cut.labels[:, :150] == 1).all()


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(0, 5))
def test_only_regions_without_room_for_a_square_are_cracks(
    scene: tuple[tuple[int, int], list[Mask]], crack_width: int
) -> None:
    size, masks = scene
    exact = partition(size, masks, sliver_area=0, crack_width=0)
    cut = partition(size, masks, sliver_area=0, crack_width=crack_width)
    for index in np.flatnonzero(~exact.explained):
        region = exact.labels == index + 1
        roomy = crack_width < 2 or region.all()
        if not roomy and min(region.shape) >= crack_width:
            roomy = bool(sliding_window_view(region, (crack_width, crack_width)).all(axis=(2, 3)).any())
        assert (~cut.explained[cut.labels[region] - 1] == roomy).all()
    assert np.array_equal(
        cut.labels[exact.explained[exact.labels - 1]], exact.labels[exact.explained[exact.labels - 1]]
    )


def test_an_image_without_masks_is_no_crack_however_thin() -> None:
    assert partition((2000, 3), []).explained.tolist() == [False]


def test_more_masks_than_sixteen_bits_can_count() -> None:
    size = (2, 1)
    left, right = rectangle(size, 0, 0, 1, 1, label="left"), rectangle(size, 1, 0, 2, 1, label="right")
    for count in (2**16 - 1, 2**16):
        cut = partition(size, [left] * count, masks_at=lambda points: [right])
        assert [piece.label for piece in cut.masks()] == ["left", "right"]
        assert cut.source.tolist() == [0, count]


def test_lazy_masks_are_not_left_in_memory_and_rendered_ones_stay() -> None:
    array = np.ones((20, 30), bool)
    lazy, rendered = Mask(lambda: array, (30, 20)), Mask(lambda: array, (30, 20))
    assert rendered.area == 600
    partition((30, 20), [lazy, rendered])
    assert (lazy.is_rendered, rendered.is_rendered) == (False, True)


def test_a_mask_of_another_size_and_an_unknown_order_are_refused() -> None:
    with pytest.raises(InputError, match=r"a mask of \(30, 20\) pixels does not belong to an image of \(20, 30\)"):
        partition((20, 30), [rectangle((30, 20), 0, 0, 5, 5)])
    with pytest.raises(InputError, match="order must be 'smaller', 'larger' or 'score', not 'bigger'"):
        partition((20, 30), [], "bigger")  # type: ignore[arg-type]
