"""Objects that crops cut are merged, each once, in drawn scenes whose objects are known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anymask.automatic.crop_boxes import tiles
from anymask.automatic.crop_merging import CroppedObject, CropWindow, agreement_in_overlap, merge_pieces
from anymask.automatic.crops import CropGeneratedData, CropMaskData
from anymask.automatic.options import Thresholds
from anymask.structures.overlap import iou
from anymask.structures.transforms import ResizeLongestSide
from tests.support.fake_objects import piece, pieces_of, rectangle

# Windows of logits


@settings(max_examples=40)
@given(st.integers(70, 900), st.integers(70, 900), st.integers(0, 10**6), st.floats(-40, 40))
def test_a_window_of_the_logits_gives_the_same_mask_to_the_pixel(width, height, seed, offset):
    coarse = np.random.default_rng(seed).standard_normal((9, 9)) * 20 + offset
    logits = np.kron(coarse, np.ones((29, 29)))[:256, :256].astype(np.float16)
    frame = ResizeLongestSide(width, height)
    columns, rows = frame.valid_logits()
    stored = logits[: rows + 1, : columns + 1]
    full = np.full((256, 256), -32, np.float32)
    full[: stored.shape[0], : stored.shape[1]] = stored
    assert np.array_equal(frame.upscale(CropWindow.around(stored).logits()), frame.upscale(full))


def test_a_small_object_has_few_logits():
    mask = rectangle((1024, 1024), 400, 500, 440, 540)
    window = piece((0, 0, 1024, 1024), mask).window
    assert window.values.nbytes <= 2 * 16**2
    assert window.values.dtype == np.float16


@given(st.integers(0, 380), st.integers(0, 280), st.integers(12, 200), st.integers(12, 200))
def test_places_are_inside_where_the_full_size_mask_is(x, y, width, height):
    size, crop = (700, 600), (150, 100, 650, 500)
    one = piece(crop, rectangle(size, x + 150, y + 100, min(x + 150 + width, 650), min(y + 100 + height, 500)))
    rendered = CroppedObject.of([one]).render(size)
    columns, rows = np.arange(0, 700, 3), np.arange(0, 600, 3)
    inside = one.inside(columns + 0.5, rows + 0.5)
    differing = np.count_nonzero(inside != rendered[np.ix_(rows, columns)])
    assert differing <= 0.02 * (inside.sum() + 100)


# Seams


def test_an_object_across_a_seam_is_one_object():
    size = (900, 600)
    crops = tiles(size, 512, 100)
    truth = rectangle(size, 200, 100, 700, 250)
    objects = merge_pieces(pieces_of(truth, crops), size)
    whole = max(objects, key=lambda one: one.area)
    assert len(whole.pieces) > 1
    assert not whole.is_cut
    assert iou(whole.render(size), truth) > 0.97
    assert whole.box.tolist() == [200, 100, 700, 250]
    assert whole.area == pytest.approx(truth.sum(), rel=0.03)


def test_an_object_over_four_tiles_is_one_object():
    size = (900, 900)
    truth = rectangle(size, 300, 250, 640, 700)
    objects = merge_pieces(pieces_of(truth, tiles(size, 512, 100)), size)
    assert len(objects) == 1
    assert len(objects[0].pieces) == 4
    assert iou(objects[0].render(size), truth) > 0.97


def test_a_piece_that_no_neighbour_continues_is_not_merged_and_is_cut():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    cut = piece(left, rectangle(size, 300, 100, left[2], 250))
    elsewhere = piece(right, rectangle(size, right[0], 350, 700, 450))
    objects = merge_pieces([cut, elsewhere], size)
    assert [len(one.pieces) for one in objects] == [1, 1]
    assert [one.is_cut for one in objects] == [True, True]


def test_a_sliver_at_an_inner_edge_is_cut_even_where_it_is_too_thin_to_compare():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    truth = rectangle(size, 300, 100, right[0] + 3, 250)
    objects = merge_pieces([piece(left, truth), piece(right, truth)], size)
    assert sorted((one.is_cut, len(one.pieces)) for one in objects) == [(False, 1), (True, 1)]


def test_an_object_at_the_border_of_the_image_is_not_cut():
    size = (900, 500)
    left, _ = tiles(size, 512, 100)
    assert not merge_pieces([piece(left, rectangle(size, 0, 0, 200, 500))], size)[0].is_cut


def test_neighbours_that_disagree_in_the_overlap_are_not_merged():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    low, high = (
        piece(left, rectangle(size, 100, 100, left[2], 300)),
        piece(right, rectangle(size, right[0], 100, 800, 160)),
    )
    assert agreement_in_overlap(low, high) == pytest.approx(0.3, abs=0.03)
    assert len(merge_pieces([low, high], size)) == 2


def test_two_masks_of_one_crop_are_two_objects_and_both_become_whole():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    table = rectangle(size, 250, 100, 700, 300)
    table_and_plate = table | rectangle(size, 250, 20, 380, 100)  # the plate lies in the left tile only
    pieces = [piece(left, table), piece(left, table_and_plate), piece(right, table)]
    objects = merge_pieces(pieces, size)
    assert len(objects) == 2
    assert not any(one.is_cut for one in objects)
    assert sorted(round(iou(one.render(size), table_and_plate), 1) for one in objects) == [0.9, 1.0]


@settings(max_examples=30)
@given(st.data())
def test_no_piece_is_lost_and_no_object_comes_twice(data):
    size = (800, 600)
    crops = tiles(size, 300, 80)
    rectangles = st.tuples(st.integers(0, 700), st.integers(0, 500), st.integers(20, 400), st.integers(20, 400))
    pieces = []
    for x, y, width, height in data.draw(st.lists(rectangles, max_size=6)):
        drawn = pieces_of(rectangle(size, x, y, min(x + width, 800), min(y + height, 600)), crops)
        pieces += [one for one in drawn if data.draw(st.booleans())]
    objects = merge_pieces(pieces, size)
    remaining = {id(one) for each in objects for one in each.pieces}
    assert remaining == {id(one) for one in pieces}
    identities = [frozenset(map(id, each.pieces)) for each in objects]
    assert len(set(identities)) == len(identities)
    for each in objects:
        assert len({one.crop for one in each.pieces}) == len(each.pieces)


def search_exactly(truth, size, tile):
    """The result of a search with an exact model."""
    pieces = {box: [] for box in tiles(size, tile)}
    for mask in truth:
        for one in pieces_of(mask, pieces):
            pieces[one.crop].append(one)
    parts = tuple(CropMaskData(crop, tuple(inside)) for crop, inside in pieces.items())
    return CropGeneratedData(size, parts, (), Thresholds(), 0.7, True, 0, 0).refilter(Thresholds())


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(200, 400))
@example(153, 267)  # an object that begins two pixels beside a seam
def test_every_object_of_a_scene_keeps_one_id_wherever_the_seams_run(seed, tile):
    rng = np.random.default_rng(seed)
    size = (700, 500)
    truth = []
    for left in range(5, 700, 140):
        for top in range(5, 500, 165):
            x, y = left + rng.integers(0, 30), top + rng.integers(0, 30)
            truth.append(rectangle(size, x, y, x + rng.integers(30, 100), y + rng.integers(30, 125)))
    masks = [one.render(size) for one in search_exactly(truth, size, tile).objects]
    best = [[iou(mask, expected) for mask in masks] for expected in truth]
    assert len(masks) == len(truth)
    assert min(map(max, best)) > 0.9
    assert len({int(np.argmax(row)) for row in best}) == len(truth)


def test_more_than_255_objects_keep_distinct_ids():
    size = (1600, 1600)
    truth = [rectangle(size, x, y, x + 50, y + 50) for x in range(20, 1560, 90) for y in range(20, 1560, 90)]
    assert len(truth) == 324
    data = search_exactly(truth, size, 600)
    assert sum(len(one.pieces) > 1 for one in data.objects) > 20
    numbers = np.zeros(size[::-1], np.uint16)
    for number, one in enumerate(data.objects, 1):
        numbers[one.render(size)] = number
    ids_of_masks = [set(np.unique(numbers[mask])) - {0} for mask in truth]
    assert all(len(ids) == 1 for ids in ids_of_masks)
    assert len(set.union(*ids_of_masks)) == len(data.objects) == 324
