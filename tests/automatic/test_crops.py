"""Searches over crops: in drawn scenes whose objects are known, and once in a real image."""

import dataclasses
import time

import numpy as np
import pytest

from anymask.automatic.budget import Budget
from anymask.automatic.crop_boxes import crop_boxes, tiles
from anymask.automatic.crops import CropGeneratedData, CropMaskData, search_crops
from anymask.automatic.generator import MaskGenerator
from anymask.automatic.image_view import image_view
from anymask.automatic.options import GeneratorOptions, Thresholds
from anymask.automatic.point_sampling import build_point_grid
from anymask.automatic.postprocessing import clean_small_regions
from anymask.errors import PromptError
from anymask.structures.mask import Mask
from anymask.structures.overlap import iou
from anymask.structures.transforms import ResizeLongestSide
from tests.support.fake_objects import FakeModel, numbered_image, piece, rectangle


def search(model, pixels, method="grid", points=8, budget=None, **options):
    options = GeneratorOptions(sampling=method, points_per_side=points, **options)
    return search_crops(model.view(pixels), options, budget or Budget())


def merged(data):
    """The same search with objects that crops cut merged, as adaptive sampling does."""
    return dataclasses.replace(data, merged=True).refilter(data.thresholds)


# Searches


SCENE = (600, 400)
WIDE = rectangle(SCENE, 100, 150, 500, 250)
SMALL = rectangle(SCENE, 20, 20, 60, 60)
CORNER = rectangle(SCENE, 540, 340, 600, 400)


def test_without_layers_a_search_over_crops_is_the_search_of_the_whole_image():
    model, pixels = FakeModel(), numbered_image(SCENE, [WIDE, SMALL, CORNER])
    data = search(model, pixels)
    frame = ResizeLongestSide(*SCENE)
    plain = MaskGenerator(GeneratorOptions(sampling="grid", points_per_side=8)).generate(model.view(pixels))
    assert data.prompts == plain.prompts == data.max_prompts
    masks = [frame.upscale(plain.masks.full_logits(i)) for i in plain.indices]
    assert len(masks) == 3
    for one, mask in zip(data.objects, masks, strict=True):
        assert np.array_equal(one.render(SCENE), mask)


def test_grid_sampling_drops_what_comes_near_an_inner_edge_and_prefers_smaller_crops():
    data = search(FakeModel(), numbered_image(SCENE, [WIDE, SMALL, CORNER]), crop_n_layers=1)
    by_layer = {(one.layer, tuple(np.round(one.box, -1))) for one in data.objects}
    assert by_layer == {(0, (100, 150, 500, 250)), (1, (20, 20, 60, 60)), (1, (540, 340, 600, 400))}
    assert all(len(one.pieces) == 1 for one in data.objects)


def test_an_object_missed_in_the_whole_image_is_merged_from_the_crops():
    pixels = numbered_image(SCENE, [WIDE, SMALL])
    official = search(FakeModel(blind_to_size=SCENE), pixels, crop_n_layers=1)
    whole = merged(official)
    assert len(official.objects) == 1
    assert len(whole.objects) == 2
    assert max(iou(one.render(SCENE), WIDE) for one in whole.objects) > 0.97


def test_a_piece_without_continuation_is_dropped():
    size = (900, 500)
    left, right = tiles(size, 512)
    unmatched = CropMaskData(left, (piece(left, rectangle(size, 300, 100, left[2], 250)),))
    whole = CropMaskData(right, (piece(right, rectangle(size, 600, 100, 800, 250)),))
    data = CropGeneratedData(size, (unmatched, whole), (), Thresholds(), 0.7, True, 0, 0).refilter(Thresholds())
    assert [np.round(one.box, -1).tolist() for one in data.objects] == [[600, 100, 800, 250]]


def test_layers_have_fewer_points():
    data = search(
        FakeModel(), numbered_image(SCENE, [WIDE]), crop_n_layers=1, crop_n_points_downscale_factor=2, points=8
    )
    assert data.prompts == 64 + 4 * 16


def test_each_layer_can_have_its_own_points():
    grids = [np.array([[0.5, 0.5]]), np.array([[0.2, 0.2], [0.8, 0.8]])]
    data = search(FakeModel(), numbered_image(SCENE, [WIDE]), crop_n_layers=1, point_grids=grids)
    assert data.prompts == 1 + 4 * 2


def test_the_whole_image_is_not_encoded_again():
    model = FakeModel()
    search(model, numbered_image(SCENE, [WIDE]), crop_n_layers=1)
    assert model.encoded.count(SCENE) == 1
    assert len(model.encoded) == 5


# Tiles of 320 pixels and a crop layer: merged, and as the reference does.
PARTS = [{"tile": 320}, {"crop_n_layers": 1}]


@pytest.mark.parametrize("parts", PARTS)
def test_size_and_place_are_judged_on_whole_objects(parts):
    pixels = numbered_image(SCENE, [WIDE, SMALL, CORNER])
    large = search(FakeModel(), pixels, min_area=30_000, **parts)
    assert [np.round(one.box, -1).tolist() for one in large.objects] == [[100, 150, 500, 250]]
    model = FakeModel()
    there = search(model, pixels, roi=(0, 0, 100, 100), **parts)
    assert [np.round(one.box, -1).tolist() for one in there.objects] == [[20, 20, 60, 60]]
    assert len(model.encoded) == 2  # the whole image and the one crop that meets the region


@pytest.mark.parametrize("parts", PARTS)
def test_other_thresholds_afterwards_equal_a_new_search(parts):
    pixels = numbered_image(SCENE, [WIDE, SMALL, CORNER])
    strict = Thresholds(stability_score_thresh=0.97, box_nms_thresh=0.5, min_area=2000)
    fresh = search(FakeModel(), pixels, **parts, **strict.as_dict())
    again = search(FakeModel(), pixels, **parts).refilter(strict)
    assert [one.box.tolist() for one in again.objects] == [one.box.tolist() for one in fresh.objects]
    with pytest.raises(PromptError, match=r"below the 0\.97"):
        fresh.refilter(Thresholds())


@pytest.mark.parametrize("method", ["grid", "adaptive"])
def test_an_image_without_objects_has_no_masks(method):
    data = search(FakeModel(), numbered_image(SCENE, []), crop_n_layers=1, method=method)
    assert data.objects == ()
    assert data.stopped == ""


def test_progress_counts_the_whole_search():
    calls = []
    data = search(
        FakeModel(),
        numbered_image(SCENE, [WIDE]),
        crop_n_layers=1,
        method="adaptive",
        budget=Budget(progress=calls.append),
    )
    assert [status.prompts for status in calls] == sorted({status.prompts for status in calls})
    assert calls[-1].prompts == data.prompts == data.max_prompts
    assert all(status.prompts <= status.max_prompts for status in calls)
    assert data.stopped == ""


def test_a_stopped_search_returns_its_objects_and_the_crops_it_skipped():
    calls = []
    pixels = numbered_image(SCENE, [WIDE, SMALL, CORNER])
    full = search(FakeModel(), pixels, crop_n_layers=1)
    part = search(FakeModel(), pixels, crop_n_layers=1, budget=Budget(stop=lambda: calls.append(1) or len(calls) > 12))
    assert part.stopped == "interrupted"
    assert 0 < part.prompts < part.max_prompts == full.prompts
    assert part.skipped == tuple(box for box, _ in crop_boxes(SCENE, 1)[-len(part.skipped) :])
    assert len(part.crops) + len(part.skipped) == 5


def test_a_search_out_of_time_does_not_encode_another_crop():
    model = FakeModel()
    data = search(
        model, numbered_image(SCENE, [WIDE]), crop_n_layers=2, budget=Budget(deadline=time.perf_counter() - 1)
    )
    assert model.encoded == [SCENE]
    assert data.stopped == "out of time"
    assert len(data.skipped) == 21
    assert data.objects == ()


def test_a_search_out_of_memory_stops():
    pixels = numbered_image(SCENE, [WIDE, SMALL, CORNER])
    data = search(FakeModel(), pixels, crop_n_layers=2, budget=Budget(mask_bytes=10_000_000))
    assert data.stopped == "out of memory allowed"
    assert data.skipped


# Small regions


def test_small_holes_and_islands_are_removed_and_then_duplicates():
    size = (200, 200)
    clean = rectangle(size, 50, 50, 150, 150)
    holed = clean & ~rectangle(size, 90, 90, 95, 95)
    speckled = rectangle(size, 10, 10, 30, 30) | rectangle(size, 180, 180, 183, 183)
    masks = [
        Mask.from_array(holed, score=0.99),
        Mask.from_array(clean, score=0.9),
        Mask.from_array(speckled, label="x"),
    ]
    cleaned = clean_small_regions(masks, 100)
    assert cleaned[0] is masks[1]  # the one that was clean already, though its score is lower
    assert np.array_equal(cleaned[1].array, rectangle(size, 10, 10, 30, 30))
    assert cleaned[1].label == "x"
    assert cleaned[1].edits == ("dropped 1 island, 9 px",)
    assert len(cleaned) == 2


def test_cleaning_leaves_no_full_size_arrays_behind():
    size = (200, 200)
    shapes = [rectangle(size, 0, 0, 60, 60), rectangle(size, 100, 100, 150, 150) | rectangle(size, 190, 190, 192, 192)]
    masks = [Mask(lambda shape=shape: shape.copy(), size) for shape in shapes]
    cleaned = clean_small_regions(masks, 50)
    assert len(cleaned) == 2
    assert not any(mask.is_rendered for mask in [*masks, *cleaned])
    assert clean_small_regions(masks, 0) == masks


# Real weights


@pytest.mark.slow
def test_crops_of_a_real_image_find_smaller_objects_beside_those_of_the_whole(segmenter, coffee):
    view = image_view(segmenter.network, coffee.pixels, coffee.tokens, searching=False)
    options = GeneratorOptions(sampling="grid", crop_n_layers=1, point_grids=[build_point_grid(4), build_point_grid(3)])
    data = search_crops(view, options, Budget())
    assert data.prompts == 16 + 4 * 9
    layers = [one.layer for one in data.objects]
    assert set(layers) == {0, 1}
    scores = [one.score for one in data.objects]
    assert scores == sorted(scores, reverse=True)
    for one in data.objects:
        mask = one.render(coffee.size)
        assert np.count_nonzero(mask) == pytest.approx(one.area, rel=0.1)
        ys, xs = np.nonzero(mask)
        tight = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.abs(one.box - tight).max() <= 4
    whole = merged(data)
    assert any(len(one.pieces) > 1 for one in whole.objects)
    assert not any(one.is_cut for one in whole.objects)
