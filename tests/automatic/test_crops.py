"""Runs over crops: on drawn encoded_images whose objects are known, and once on a real photo."""

import dataclasses
import time

import numpy as np
import pytest

from anymask.automatic.budget import Budget
from anymask.automatic.crop_boxes import crop_boxes, tiles
from anymask.automatic.crops import CropGeneratedData, CropMaskData, Crops, find_in_crops
from anymask.automatic.generator import Sampling, find
from anymask.automatic.point_sampling import build_point_grid
from anymask.automatic.postprocessing import clean_small_regions
from anymask.automatic.thresholds import Thresholds
from anymask.errors import PromptError
from anymask.structures.mask import Mask
from anymask.structures.overlap import iou
from anymask.structures.prompt import make_prompt
from anymask.structures.transforms import ResizeLongestSide
from tests.support.drawn_objects import FakeModel, picture, piece, rectangle


def run(model, pixels, crops, method="grid", points=8, thresholds=None, budget=None, **options):
    sampling = Sampling(method, points_per_side=points)
    return find_in_crops(
        pixels,
        model.encode,
        model.decode_for,
        sampling,
        thresholds or Thresholds(),
        budget or Budget(),
        crops,
        **options,
    )


# A run over crops


SCENE = (600, 400)
WIDE = rectangle(SCENE, 100, 150, 500, 250)
SMALL = rectangle(SCENE, 20, 20, 60, 60)
CORNER = rectangle(SCENE, 540, 340, 600, 400)


def test_without_layers_a_run_is_the_ordinary_one():
    model, pixels = FakeModel(), picture(SCENE, [WIDE, SMALL, CORNER])
    found = run(model, pixels, Crops())
    frame = ResizeLongestSide(*SCENE)
    embedding = model.encode(pixels)
    plain = find(frame, embedding, model.decode_for(embedding, frame), Sampling("grid", 8), Thresholds(), Budget())
    assert found.asked == plain.asked == found.planned
    masks = [frame.upscale(plain.answers.full_logits(i)) for i in plain.kept]
    assert len(masks) == 3
    for one, mask in zip(found.objects, masks, strict=True):
        assert np.array_equal(one.render(SCENE), mask)


def test_grid_sampling_drops_what_comes_near_an_inner_edge_and_prefers_smaller_crops():
    found = run(FakeModel(), picture(SCENE, [WIDE, SMALL, CORNER]), Crops(n_layers=1))
    by_layer = {(one.layer, tuple(np.round(one.box, -1))) for one in found.objects}
    assert by_layer == {(0, (100, 150, 500, 250)), (1, (20, 20, 60, 60)), (1, (540, 340, 600, 400))}
    assert all(len(one.pieces) == 1 for one in found.objects)


def test_what_the_whole_picture_overlooks_is_put_together_from_the_crops():
    pixels = picture(SCENE, [WIDE, SMALL])
    official = run(FakeModel(blind_to_size=SCENE), pixels, Crops(n_layers=1))
    merged = run(FakeModel(blind_to_size=SCENE), pixels, Crops(n_layers=1, merge=True))
    assert len(official.objects) == 1
    assert len(merged.objects) == 2
    assert max(iou(one.render(SCENE), WIDE) for one in merged.objects) > 0.97


def test_a_piece_without_continuation_is_dropped_or_kept_as_cut():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    lonely = CropMaskData(left, (piece(left, rectangle(size, 300, 100, left[2], 250)),))
    nothing = CropMaskData(right, ())
    for keep_cut in (False, True):
        crops = Crops(tile=512, halo=100, keep_cut=keep_cut)
        found = CropGeneratedData(size, (lonely, nothing), (), Thresholds(), crops, True, 0, 0).refilter(Thresholds())
        assert [one.cut for one in found.objects] == [True] * keep_cut


def test_layers_have_fewer_points():
    found = run(FakeModel(), picture(SCENE, [WIDE]), Crops(n_layers=1, n_points_downscale_factor=2), points=8)
    assert found.asked == 64 + 4 * 16


def test_each_layer_can_have_its_own_points():
    grids = [np.array([[0.5, 0.5]]), np.array([[0.2, 0.2], [0.8, 0.8]])]
    found = run(FakeModel(), picture(SCENE, [WIDE]), Crops(n_layers=1, point_grids=grids))
    assert found.asked == 1 + 4 * 2


def test_the_embedding_at_hand_is_not_made_again():
    model, pixels = FakeModel(), picture(SCENE, [WIDE])
    embedding = model.encode(pixels)
    model.encoded.clear()
    run(model, pixels, Crops(n_layers=1), embedding=embedding)
    assert len(model.encoded) == 4
    assert SCENE not in model.encoded


@pytest.mark.parametrize("merge", [False, True])
def test_size_and_place_are_judged_on_whole_objects(merge):
    pixels, crops = picture(SCENE, [WIDE, SMALL, CORNER]), Crops(n_layers=1, merge=merge)
    large = run(FakeModel(), pixels, crops, thresholds=Thresholds(min_area=30_000))
    assert [np.round(one.box, -1).tolist() for one in large.objects] == [[100, 150, 500, 250]]
    model = FakeModel()
    there = run(model, pixels, crops, thresholds=Thresholds(roi=(0, 0, 100, 100)))
    assert [np.round(one.box, -1).tolist() for one in there.objects] == [[20, 20, 60, 60]]
    assert len(model.encoded) == 2  # the whole and the one crop that meets the region


def test_other_thresholds_afterwards_equal_a_fresh_run():
    pixels = picture(SCENE, [WIDE, SMALL, CORNER])
    for crops in (Crops(n_layers=1), Crops(n_layers=1, merge=True)):
        strict = Thresholds(stability_score_thresh=0.97, box_nms_thresh=0.5, min_area=2000)
        fresh = run(FakeModel(), pixels, crops, thresholds=strict)
        again = run(FakeModel(), pixels, crops).refilter(strict)
        assert [one.box.tolist() for one in again.objects] == [one.box.tolist() for one in fresh.objects]
        with pytest.raises(PromptError, match=r"below the 0\.97"):
            fresh.refilter(Thresholds())


@pytest.mark.parametrize("method", ["grid", "adaptive"])
def test_a_picture_of_nothing_has_no_objects(method):
    found = run(FakeModel(), picture(SCENE, []), Crops(n_layers=1), method=method)
    assert found.objects == ()
    assert found.stopped == ""


def test_progress_counts_the_whole_run():
    told = []
    found = run(
        FakeModel(), picture(SCENE, [WIDE]), Crops(n_layers=1), method="adaptive", budget=Budget(progress=told.append)
    )
    assert [status.asked for status in told] == sorted({status.asked for status in told})
    assert told[-1].asked == found.asked == found.planned
    assert all(status.asked <= status.planned for status in told)
    assert found.stopped == ""


def test_a_run_told_to_stop_keeps_what_it_found_and_names_what_it_skipped():
    calls = []
    pixels = picture(SCENE, [WIDE, SMALL, CORNER])
    full = run(FakeModel(), pixels, Crops(n_layers=1))
    part = run(FakeModel(), pixels, Crops(n_layers=1), budget=Budget(stop=lambda: calls.append(1) or len(calls) > 12))
    assert part.stopped == "interrupted"
    assert 0 < part.asked < part.planned == full.asked
    assert part.skipped == tuple(box for box, _ in crop_boxes(SCENE, 1)[-len(part.skipped) :])
    assert len(part.parts) + len(part.skipped) == 5


def test_a_run_out_of_time_does_not_encode_another_crop():
    model = FakeModel()
    found = run(model, picture(SCENE, [WIDE]), Crops(n_layers=2), budget=Budget(deadline=time.perf_counter() - 1))
    assert model.encoded == []
    assert found.stopped == "out of time"
    assert len(found.skipped) == 21
    assert found.objects == ()


def test_a_run_out_of_memory_stops():
    pixels = picture(SCENE, [WIDE, SMALL, CORNER])
    found = run(FakeModel(), pixels, Crops(n_layers=2), budget=Budget(answer_bytes=10_000_000))
    assert found.stopped == "out of memory allowed"
    assert found.skipped


# Small regions


def test_small_holes_and_islands_go_and_duplicates_with_them():
    size = (200, 200)
    clean = rectangle(size, 50, 50, 150, 150)
    holed = clean & ~rectangle(size, 90, 90, 95, 95)
    speckled = rectangle(size, 10, 10, 30, 30) | rectangle(size, 180, 180, 183, 183)
    masks = [
        Mask.from_array(holed, score=0.99),
        Mask.from_array(clean, score=0.9),
        Mask.from_array(speckled, label="x"),
    ]
    kept = clean_small_regions(masks, 100)
    assert kept[0] is masks[1]  # the one that was clean already, though its score is lower
    assert np.array_equal(kept[1].array, rectangle(size, 10, 10, 30, 30))
    assert kept[1].label == "x"
    assert kept[1].edits == ("dropped 1 island, 9 px",)
    assert len(kept) == 2


def test_cleaning_leaves_no_full_size_arrays_behind():
    size = (200, 200)
    shapes = [rectangle(size, 0, 0, 60, 60), rectangle(size, 100, 100, 150, 150) | rectangle(size, 190, 190, 192, 192)]
    masks = [Mask(lambda shape=shape: shape.copy(), size) for shape in shapes]
    kept = clean_small_regions(masks, 50)
    assert len(kept) == 2
    assert not any(mask.is_rendered for mask in [*masks, *kept])
    assert clean_small_regions(masks, 0) == masks


# Real weights


def test_crops_of_a_real_photo_find_what_the_whole_finds_and_smaller_things(segmenter, coffee):
    family = segmenter.network

    def decode_for(embedding, frame):
        size = (frame.width, frame.height)
        return lambda points: family.decode(embedding, frame, [make_prompt(size, points=[point]) for point in points])

    found = find_in_crops(
        coffee.pixels, family.encode, decode_for, Sampling("grid"), Thresholds(), Budget(),
        Crops(n_layers=1, point_grids=[build_point_grid(4), build_point_grid(3)]), embedding=coffee._embedding,
    )  # fmt: skip
    assert found.asked == 16 + 4 * 9
    layers = [one.layer for one in found.objects]
    assert set(layers) == {0, 1}
    scores = [one.score for one in found.objects]
    assert scores == sorted(scores, reverse=True)
    for one in found.objects:
        mask = one.render(coffee.size)
        assert np.count_nonzero(mask) == pytest.approx(one.area, rel=0.1)
        ys, xs = np.nonzero(mask)
        tight = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.abs(one.box - tight).max() <= 4
    merged = dataclasses.replace(found, merged=True).refilter(Thresholds())
    assert any(len(one.pieces) > 1 for one in merged.objects)
    assert not any(one.cut for one in merged.objects)
