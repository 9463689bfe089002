"""Crops, tiles and the seams between them: on drawn scenes whose objects are known, and once on a real photo."""

import dataclasses
import math
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.crops import CropAnswers, Crops, CropsFound, crop_boxes, find_in_crops, points_per_side, tiles
from anymask.errors import PromptError
from anymask.everything import Budget, Sampling, Thresholds, find
from anymask.frame import Frame
from anymask.mask import Mask, iou
from anymask.prompt import make_prompt
from anymask.sampling import grid
from anymask.seams import CroppedObject, Piece, Window, agreement_in_overlap, join_pieces
from anymask.small_regions import clean_small_regions
from anymask.tiling import near_crop_edge

sizes = st.tuples(st.integers(60, 5000), st.integers(60, 5000))


class FakeModel:
    """Sees a picture whose pixels are object numbers, and answers a click with the object under it.

    A click on number 0 finds nothing that would pass. Everything has the resolution of the real model: 256×256.
    """

    def __init__(self, blind_to_size=None):
        self.encoded = []
        self._blind_to_size = blind_to_size

    def encode(self, pixels):
        height, width = pixels.shape[:2]
        self.encoded.append((width, height))
        columns, rows = _pixels_of_cells(Frame(width, height))
        seen = np.full((256, 256), -1.0, np.float32)
        numbers = pixels[..., 0].astype(np.float32) * 256 + pixels[..., 1]
        seen[: len(rows), : len(columns)] = numbers[np.ix_(rows, columns)]
        embedding = np.zeros((1, 4096, 256), np.float32)
        embedding.reshape(-1)[: 256 * 256] = seen.reshape(-1)
        return embedding

    def decode_for(self, embedding, frame):
        seen = embedding.reshape(-1)[: 256 * 256].reshape(256, 256)

        def decode(points):
            cells = (frame.to_model(points) / 4).astype(int)
            numbers = seen[cells[:, 1], cells[:, 0]]
            masks = np.where(seen == numbers[:, None, None], 8.0, -8.0).astype(np.float32)
            known = (numbers > 0) & ((frame.width, frame.height) != self._blind_to_size)
            scores = np.zeros((len(points), 4), np.float32)
            scores[:, 1] = np.where(known, 0.95, 0.1)
            return np.repeat(masks[:, None], 4, axis=1), scores

        return decode


def _pixels_of_cells(frame):
    """Columns and rows of the photo that the middles of the logit cells look at."""
    for side, resized in ((frame.width, frame.resized[0]), (frame.height, frame.resized[1])):
        middles = (np.arange(math.ceil(resized / 4)) * 4 + 2) * (side / resized)
        yield np.minimum(middles.astype(int), side - 1)


def picture(size, masks):
    """Pixels that number the masks from 1."""
    numbers = np.zeros(size[::-1], np.uint16)
    for number, mask in enumerate(masks, 1):
        numbers[mask] = number
    return np.stack([numbers >> 8, numbers & 255, numbers * 0], axis=-1).astype(np.uint8)


def rectangle(size, x0, y0, x1, y1):
    mask = np.zeros(size[::-1], bool)
    mask[y0:y1, x0:x1] = True
    return mask


def piece(crop, mask, layer=1, score=0.95):
    """What an exact model would answer about one crop of the photo-sized mask."""
    x0, y0, x1, y1 = crop
    frame = Frame(x1 - x0, y1 - y0)
    columns, rows = _pixels_of_cells(frame)
    cut = mask[y0:y1, x0:x1]
    logits = np.where(cut[np.ix_(rows, columns)], 8, -8).astype(np.float16)
    inside_y, inside_x = np.nonzero(cut)
    box = np.array([inside_x.min() + x0, inside_y.min() + y0, inside_x.max() + x0 + 1, inside_y.max() + y0 + 1], float)
    return Piece(crop, layer, Window.around(logits), box, float(cut.sum()), score, 0.99, (box[0], box[1]))


def pieces_of(mask, crops, **about):
    seen = [crop for crop in crops if mask[crop[1] : crop[3], crop[0] : crop[2]].any()]
    pieces = [piece(crop, mask, **about) for crop in seen]
    return [one for one in pieces if one.window.values.size]  # a sliver thinner than a logit cell has no answer


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


# Where crops and tiles lie


def test_crop_boxes_are_the_numbers_of_the_official_code():
    assert crop_boxes((1500, 1000), 1) == [
        ((0, 0, 1500, 1000), 0),
        ((0, 0, 921, 671), 1),
        ((0, 330, 921, 1000), 1),
        ((580, 0, 1500, 671), 1),
        ((580, 330, 1500, 1000), 1),
    ]
    boxes = crop_boxes((1999, 333), 2)
    assert len(boxes) == 1 + 4 + 16
    assert boxes[5:8] == [((0, 0, 542, 126), 2), ((0, 70, 542, 196), 2), ((0, 140, 542, 266), 2)]


def test_without_layers_the_whole_picture_is_the_only_crop():
    assert crop_boxes((640, 480)) == [((0, 0, 640, 480), 0)]


@given(sizes, st.integers(1, 3), st.floats(0.0, 0.6))
def test_every_layer_of_crops_covers_the_picture(size, n_layers, ratio):
    for layer in range(1, n_layers + 1):
        boxes = [box for box, of in crop_boxes(size, n_layers, ratio) if of == layer]
        assert len(boxes) == 4**layer
        for axis in (0, 1):
            spans = sorted({(box[axis], box[axis + 2]) for box in boxes})
            assert spans[0][0] == 0
            assert spans[-1][1] == size[axis]
            assert all(end >= start for (_, end), (start, _) in pairwise(spans))


def test_points_per_side_shrink_with_the_layer_and_never_vanish():
    assert [points_per_side(32, layer, 2) for layer in range(4)] == [32, 16, 8, 4]
    assert points_per_side(32, 2, 3) == 3
    with pytest.raises(PromptError, match="leaves no points in layer 2"):
        points_per_side(8, 2, 3)


@given(sizes, st.integers(64, 1500), st.floats(0, 0.5))
def test_tiles_are_equal_cover_the_picture_and_overlap_by_the_halo(size, tile, share):
    halo = int(share * tile)
    boxes = tiles(size, tile, halo)
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}) == 1
    for axis in (0, 1):
        spans = sorted({(box[axis], box[axis + 2]) for box in boxes})
        assert spans[0][0] == 0
        assert spans[-1][1] == size[axis]
        assert all(end - start <= tile for start, end in spans)
        assert all(end - start >= halo for (_, end), (start, _) in pairwise(spans))
    assert len(boxes) == len(set(boxes))


def test_a_picture_no_larger_than_a_tile_is_asked_once():
    assert Crops(tile=1024).boxes((1024, 700)) == [((0, 0, 1024, 700), 0)]


@pytest.mark.parametrize(("tile", "halo"), [(10, 0), (512, 300), (512, -1)])
def test_impossible_tiles_are_refused(tile, halo):
    with pytest.raises(PromptError, match=r"tile|halo"):
        tiles((2000, 2000), tile, halo)


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"n_layers": -1}, "crop_n_layers"),
        ({"overlap_ratio": 1.0}, "crop_overlap_ratio"),
        ({"nms_thresh": 1.5}, "crop_nms_thresh"),
        ({"n_points_downscale_factor": 0}, "crop_n_points_downscale_factor"),
        ({"n_layers": 1, "tile": 512}, "either crop_n_layers or tile"),
        ({"n_layers": 1, "point_grids": [np.zeros((1, 2))]}, "2 layers, not 1"),
    ],
)
def test_impossible_settings_are_refused_by_their_name(settings_, words):
    with pytest.raises(PromptError, match=words):
        Crops(**settings_)


def test_a_box_near_an_inner_edge_of_its_crop_is_told_from_one_near_the_border_of_the_photo():
    crop, size = (0, 100, 500, 600), (1000, 600)
    boxes = np.array(
        [
            [0, 300, 50, 400],  # at the photo's left border
            [200, 121, 300, 200],  # 21 pixels below the crop's top
            [200, 120, 300, 200],  # 20 pixels
            [300, 300, 481, 400],  # its last pixel 20 before the crop's right edge
            [300, 300, 480, 400],
            [300, 500, 400, 600],  # at the photo's bottom
        ],
        float,
    )
    assert near_crop_edge(boxes, crop, size).tolist() == [False, False, True, True, False, False]


# Answers kept small


@settings(max_examples=40)
@given(st.integers(70, 900), st.integers(70, 900), st.integers(0, 10**6), st.floats(-40, 40))
def test_a_window_of_the_logits_gives_the_same_mask_to_the_pixel(width, height, seed, offset):
    coarse = np.random.default_rng(seed).standard_normal((9, 9)) * 20 + offset
    logits = np.kron(coarse, np.ones((29, 29)))[:256, :256].astype(np.float16)
    frame = Frame(width, height)
    columns, rows = frame.valid_logits()
    seen = logits[: rows + 1, : columns + 1]
    full = np.full((256, 256), -32, np.float32)
    full[: seen.shape[0], : seen.shape[1]] = seen
    assert np.array_equal(frame.upscale(Window.around(seen).logits()), frame.upscale(full))


def test_a_small_object_keeps_few_logits():
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
    objects = join_pieces(pieces_of(truth, crops), size)
    whole = max(objects, key=lambda one: one.area)
    assert len(whole.pieces) > 1
    assert not whole.cut
    assert iou(whole.render(size), truth) > 0.97
    assert whole.box.tolist() == [200, 100, 700, 250]
    assert whole.area == pytest.approx(truth.sum(), rel=0.03)


def test_an_object_over_four_tiles_is_one_object():
    size = (900, 900)
    truth = rectangle(size, 300, 250, 640, 700)
    objects = join_pieces(pieces_of(truth, tiles(size, 512, 100)), size)
    assert len(objects) == 1
    assert len(objects[0].pieces) == 4
    assert iou(objects[0].render(size), truth) > 0.97


def test_what_no_neighbour_continues_stays_apart_and_is_called_cut():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    cut = piece(left, rectangle(size, 300, 100, left[2], 250))
    elsewhere = piece(right, rectangle(size, right[0], 350, 700, 450))
    objects = join_pieces([cut, elsewhere], size)
    assert [len(one.pieces) for one in objects] == [1, 1]
    assert [one.cut for one in objects] == [True, True]


def test_a_sliver_at_an_inner_edge_is_cut_even_where_it_is_too_thin_to_compare():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    truth = rectangle(size, 300, 100, right[0] + 3, 250)
    objects = join_pieces([piece(left, truth), piece(right, truth)], size)
    assert sorted((one.cut, len(one.pieces)) for one in objects) == [(False, 1), (True, 1)]


def test_an_object_at_the_border_of_the_photo_is_not_cut():
    size = (900, 500)
    left, _ = tiles(size, 512, 100)
    assert not join_pieces([piece(left, rectangle(size, 0, 0, 200, 500))], size)[0].cut


def test_neighbours_that_disagree_in_the_overlap_are_not_joined():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    low, high = (
        piece(left, rectangle(size, 100, 100, left[2], 300)),
        piece(right, rectangle(size, right[0], 100, 800, 160)),
    )
    assert agreement_in_overlap(low, high) == pytest.approx(0.3, abs=0.03)
    assert len(join_pieces([low, high], size)) == 2


def test_two_answers_of_one_crop_stay_two_objects_and_both_become_whole():
    size = (900, 500)
    left, right = tiles(size, 512, 100)
    table = rectangle(size, 250, 100, 700, 300)
    table_and_plate = table | rectangle(size, 250, 20, 380, 100)  # the plate is seen by the left tile only
    pieces = [piece(left, table), piece(left, table_and_plate), piece(right, table)]
    objects = join_pieces(pieces, size)
    assert len(objects) == 2
    assert not any(one.cut for one in objects)
    assert sorted(round(iou(one.render(size), table_and_plate), 1) for one in objects) == [0.9, 1.0]


@settings(max_examples=30)
@given(st.data())
def test_no_piece_is_lost_and_no_object_comes_twice(data):
    size = (800, 600)
    crops = tiles(size, 300, 80)
    rectangles = st.tuples(st.integers(0, 700), st.integers(0, 500), st.integers(20, 400), st.integers(20, 400))
    pieces = []
    for x, y, width, height in data.draw(st.lists(rectangles, max_size=6)):
        seen = pieces_of(rectangle(size, x, y, min(x + width, 800), min(y + height, 600)), crops)
        pieces += [one for one in seen if data.draw(st.booleans())]
    objects = join_pieces(pieces, size)
    held = {id(one) for each in objects for one in each.pieces}
    assert held == {id(one) for one in pieces}
    identities = [frozenset(map(id, each.pieces)) for each in objects]
    assert len(set(identities)) == len(identities)
    for each in objects:
        assert len({one.crop for one in each.pieces}) == len(each.pieces)


def found_in(truth, size, crops):
    """What a run with an exact model would end with."""
    pieces = {box: [] for box, _ in crops.boxes(size)[1:]}
    for mask in truth:
        for one in pieces_of(mask, pieces):
            pieces[one.crop].append(one)
    parts = tuple(CropAnswers(crop, tuple(inside)) for crop, inside in pieces.items())
    return CropsFound(size, parts, (), Thresholds(), crops, True, 0, 0).refilter(Thresholds())


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(200, 400))
def test_every_object_of_a_scene_keeps_one_id_wherever_the_seams_run(seed, tile):
    rng = np.random.default_rng(seed)
    size = (700, 500)
    truth = []
    for left in range(5, 700, 140):
        for top in range(5, 500, 165):
            x, y = left + rng.integers(0, 30), top + rng.integers(0, 30)
            truth.append(rectangle(size, x, y, x + rng.integers(30, 100), y + rng.integers(30, 125)))
    masks = [one.render(size) for one in found_in(truth, size, Crops(tile=tile)).objects]
    best = [[iou(mask, expected) for mask in masks] for expected in truth]
    assert len(masks) == len(truth)
    assert min(map(max, best)) > 0.9
    assert len({int(np.argmax(row)) for row in best}) == len(truth)


def test_more_than_255_objects_keep_distinct_ids():
    size = (1600, 1600)
    truth = [rectangle(size, x, y, x + 50, y + 50) for x in range(20, 1560, 90) for y in range(20, 1560, 90)]
    assert len(truth) == 324
    found = found_in(truth, size, Crops(tile=600))
    assert sum(len(one.pieces) > 1 for one in found.objects) > 20
    numbers = np.zeros(size[::-1], np.uint16)
    for number, one in enumerate(found.objects, 1):
        numbers[one.render(size)] = number
    seen = [set(np.unique(numbers[mask])) - {0} for mask in truth]
    assert all(len(ids) == 1 for ids in seen)
    assert len(set.union(*seen)) == len(found.objects) == 324


# A run over crops


SCENE = (600, 400)
WIDE = rectangle(SCENE, 100, 150, 500, 250)
SMALL = rectangle(SCENE, 20, 20, 60, 60)
CORNER = rectangle(SCENE, 540, 340, 600, 400)


def test_without_layers_a_run_is_the_ordinary_one():
    model, pixels = FakeModel(), picture(SCENE, [WIDE, SMALL, CORNER])
    found = run(model, pixels, Crops())
    frame = Frame(*SCENE)
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
    lonely = CropAnswers(left, (piece(left, rectangle(size, 300, 100, left[2], 250)),))
    nothing = CropAnswers(right, ())
    for keep_cut in (False, True):
        crops = Crops(tile=512, halo=100, keep_cut=keep_cut)
        found = CropsFound(size, (lonely, nothing), (), Thresholds(), crops, True, 0, 0).refilter(Thresholds())
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
    assert kept[1].clean_up == ("dropped 1 island, 9 px",)
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
    family = segmenter._family

    def decode_for(embedding, frame):
        size = (frame.width, frame.height)
        return lambda points: family.decode(embedding, frame, [make_prompt(size, points=[point]) for point in points])

    found = find_in_crops(
        coffee.image, family.encode, decode_for, Sampling("grid"), Thresholds(), Budget(),
        Crops(n_layers=1, point_grids=[grid(4), grid(3)]), embedding=coffee._embedding,
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
