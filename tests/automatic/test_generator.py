"""Thresholds, sampling and budgets of mask generation on fake models, and the real model on a small grid."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.automatic.budget import Budget
from anymask.automatic.crop_boxes import layer_points
from anymask.automatic.generator import MaskGenerator
from anymask.automatic.image_view import ImageView
from anymask.automatic.learned_sampling import LearnedPointSampler
from anymask.automatic.mask_data import logit_shape, measure_masks
from anymask.automatic.options import GeneratorOptions, Thresholds
from anymask.automatic.point_sampling import FarthestPointSampler, build_point_grid
from anymask.automatic.thresholds import filter_masks
from anymask.errors import ModelError, PromptError
from anymask.models.sam.token_merging import merge_tokens
from anymask.structures.nms import nms
from anymask.structures.prompt import Prompt, point_prompts
from anymask.structures.transforms import ResizeLongestSide

FRAME = ResizeLongestSide(256, 128)


def squares(*corners, height=10.0):
    """Logits of axis-aligned squares (x, y, side) in a 256×128 image, one cell per pixel."""
    logits = np.full((len(corners), 1, 256, 256), -height, np.float32)
    for image, (x, y, side) in zip(logits, corners, strict=True):
        image[0, y : y + side, x : x + side] = height
    return logits


def masks_of(*corners, scores=None):
    logits = squares(*corners)
    scores = np.full((len(corners), 1), 0.95, np.float32) if scores is None else np.array(scores, np.float32)[:, None]
    points = np.array([(x + side / 2, y + side / 2) for x, y, side in corners], np.float64).reshape(-1, 2)
    return measure_masks(FRAME, points, logits, scores, [1])


class FakeModel:
    """Decodes a point as the square object it lies in, or as an empty mask."""

    def __init__(self, corners):
        self.corners = corners
        self.prompted = []

    def __call__(self, points):
        self.prompted.extend(map(tuple, points))
        logits = np.full((len(points), 4, 256, 256), -10, np.float32)
        scores = np.full((len(points), 4), 0.1, np.float32)
        for image, score, (px, py) in zip(logits, scores, points, strict=True):
            for x, y, side in self.corners:
                if x <= px < x + side and y <= py < y + side:
                    image[1, y : y + side, x : x + side] = 10
                    score[1] = 0.97
        return logits, scores


def view_of(model, embedding=None, parallel_requests=1):
    """A view of the 256×128 image that is decoded by a function of places."""
    embedding = np.zeros((1, 4096, 256), np.float32) if embedding is None else embedding
    return ImageView(FRAME, embedding, model, None, parallel_requests)


def search(model, budget=None, **options):
    embedding = np.random.default_rng(0).standard_normal((1, 4096, 256)).astype(np.float32)
    options = GeneratorOptions(**({"sampling": "grid", "points_per_side": 16} | options))
    return MaskGenerator(options, budget).generate(view_of(model, embedding))


@pytest.mark.parametrize("method", ["grid", "adaptive"])
@pytest.mark.parametrize("parallel_requests", [2, 3, 16])
def test_a_batch_decoded_in_parts_at_once_has_the_same_masks(method, parallel_requests):
    embedding = np.random.default_rng(0).standard_normal((1, 4096, 256)).astype(np.float32)
    corners = [(8 * i, 10 + 3 * i, 7 + i) for i in range(25)]
    generator = MaskGenerator(GeneratorOptions(sampling=method, points_per_side=16, points_per_batch=10))

    class Uneven(FakeModel):
        def __call__(self, places):
            time.sleep(0.002 * (places[0, 0] % 3))  # later parts are often done first
            logits, scores = super().__call__(places[:, :2])
            odd = places[:, 0] // 16 % 2 == 1
            scores[odd, 2] = 0.85  # prompted again, with a box
            logits[odd, 2, 10:90, 20:200] = 10
            return logits, scores

    one, parts = (
        generator.generate(view_of(Uneven(corners), embedding, requests)) for requests in (1, parallel_requests)
    )
    assert parts.prompts == one.prompts > 64
    assert np.array_equal(parts.indices, one.indices)
    for name in ("points", "levels", "scores", "stability", "areas", "boxes", "fitted", "refined", "logits"):
        assert np.array_equal(getattr(parts.masks, name), getattr(one.masks, name)), name


def test_an_error_in_a_part_of_a_batch_is_raised():
    def broken(points):
        raise ModelError("no such graph")

    generator = MaskGenerator(GeneratorOptions(sampling="grid", points_per_side=4))
    with pytest.raises(ModelError, match="no such graph"):
        generator.generate(view_of(broken, parallel_requests=2))


class TestMeasure:
    def test_area_box_and_stability_of_a_square(self):
        masks = masks_of((40, 20, 30))
        assert masks.areas[0] == 900
        assert masks.boxes[0] == pytest.approx([40, 20, 70, 50], abs=0.6)
        assert masks.stability[0] > 0.9
        assert np.array_equal(masks.mask(0).array, FRAME.upscale(squares((40, 20, 30))[0, 0]))

    def test_refined_stability_counts_pixels_of_the_image(self):
        frame = ResizeLongestSide(1000, 700)
        rng = np.random.default_rng(1)
        logits = np.cumsum(np.cumsum(rng.standard_normal((3, 1, 256, 256)), 2), 3).astype(np.float32) / 60
        masks = measure_masks(frame, np.zeros((3, 2)), logits, np.ones((3, 1), np.float32), [1])
        masks.refine(np.array([True, False, True]))
        for index in (0, 2):
            stored = masks.full_logits(index)
            inner, outer = (np.count_nonzero(frame.upscale(stored, t)) for t in (1.0, -1.0))
            assert masks.stability[index] == pytest.approx(inner / max(1, outer))
        assert masks.refined.tolist() == [True, False, True]

    def test_very_large_images_are_counted_in_coarser_pixels(self):
        frame = ResizeLongestSide(13000, 9000)
        assert (frame.measured.width, frame.measured.height) == (4096, 2836)
        assert FRAME.measured is FRAME
        rng = np.random.default_rng(2)
        logits = np.cumsum(np.cumsum(rng.standard_normal((1, 1, 256, 256)), 2), 3).astype(np.float32) / 60
        masks = measure_masks(frame, np.zeros((1, 2)), logits, np.ones((1, 1), np.float32), [1])
        masks.refine(np.ones(1, bool))
        masks.fit_boxes(np.ones(1, bool))
        stored = masks.full_logits(0)
        assert masks.boxes[0] == pytest.approx(frame.box_above(stored), abs=4)
        exact = frame.count_above(stored, 1.0) / frame.count_above(stored, -1.0)
        assert masks.stability[0] == pytest.approx(exact, abs=1e-3)

    def test_logits_on_the_padding_do_not_count(self):
        logits = squares((10, 200, 20))  # below the image's last row
        masks = measure_masks(FRAME, np.zeros((1, 2)), logits, np.ones((1, 1), np.float32), [1])
        assert masks.areas[0] == 0
        assert masks.boxes[0].tolist() == [0, 0, 0, 0]
        assert not masks.mask(0).array.any()


class TestThresholds:
    def test_duplicates_are_removed_and_the_better_one_stays(self):
        masks = masks_of((10, 10, 40), (11, 11, 40), (100, 10, 40), scores=[0.9, 0.95, 0.93])
        assert filter_masks(masks, Thresholds(box_nms_thresh=0.7)).tolist() == [1, 2]

    def test_area_and_region_of_interest(self):
        masks = masks_of((10, 10, 10), (60, 10, 40), (150, 10, 100))
        assert sorted(filter_masks(masks, Thresholds(min_area=500))) == [1, 2]
        assert sorted(filter_masks(masks, Thresholds(max_area=2000))) == [0, 1]
        assert sorted(filter_masks(masks, Thresholds(roi=(0, 0, 50, 50)))) == [0]

    @pytest.mark.parametrize(
        "wrong",
        [{"stability_score_thresh": 2}, {"box_nms_thresh": -1}, {"min_area": 5, "max_area": 4}, {"min_area": -1}],
    )
    def test_impossible_thresholds_are_refused(self, wrong):
        with pytest.raises(PromptError):
            Thresholds(**wrong)

    @settings(max_examples=15)
    @given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
    def test_refilter_equals_a_new_search(self, score, stability, overlap):
        model = FakeModel([(10, 10, 20), (50, 30, 60), (52, 32, 58), (160, 5, 90)])
        thresholds = Thresholds(score, stability, overlap)
        first = search(model, points_per_side=6).refilter(thresholds)
        fresh = search(model, points_per_side=6, **thresholds.as_dict())
        assert first.indices.tolist() == fresh.indices.tolist()

    @given(st.lists(st.tuples(*[st.integers(0, 40)] * 4), max_size=25), st.floats(0, 1), st.integers(0, 99))
    def test_suppression_is_the_greedy_one(self, corners, threshold, seed):
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.float64).reshape(-1, 4)
        scores = np.random.default_rng(seed).random(len(boxes))
        expected = []
        for i in np.argsort(-scores, kind="stable"):
            if all(overlap(boxes[i], boxes[j]) <= threshold for j in expected):
                expected.append(i)
        assert nms(boxes, scores, threshold).tolist() == expected


def overlap(a, b):
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


class TestSampling:
    @pytest.mark.parametrize("size", [(300, 100), (1920, 1080), (7, 700)])
    def test_grid_points_lie_in_the_image_whatever_its_shape(self, size):
        """T7: a grid over the padded square wastes half of its points on padding.

        https://github.com/ultralytics/ultralytics/issues/26129
        """
        points = build_point_grid(32) * size
        assert len(points) == 1024
        assert ((points > 0) & (points < size)).all()

    @given(st.integers(1, 12), st.integers(1, 12))
    def test_farthest_point_sampling_returns_every_point_once(self, side, batch):
        embedding = np.random.default_rng(side).standard_normal((1, 4096, 256)).astype(np.float32)
        points = build_point_grid(side) * (256, 128)
        sampler, points_returned = FarthestPointSampler(points, embedding, FRAME), []
        while len(batch_points := sampler.next(batch)):
            points_returned.extend(map(tuple, batch_points))
        assert sorted(points_returned) == sorted(map(tuple, points))

    def test_skipped_points_are_never_returned(self):
        points = build_point_grid(4) * (256, 128)
        sampler = FarthestPointSampler(points, np.zeros((1, 4096, 256), np.float32), FRAME)
        sampler.skip(points[:, 0] < 128)
        assert (sampler.next(16)[:, 0] > 128).all()

    @given(st.integers(1, 12), st.integers(1, 12))
    def test_learned_sampling_returns_every_point_once(self, side, batch):
        embedding = np.random.default_rng(side).standard_normal((1, 4096, 256)).astype(np.float32)
        points = build_point_grid(side) * (256, 128)
        sampler, points_returned = LearnedPointSampler(points, embedding, FRAME), []
        while len(batch_points := sampler.next(batch)):
            points_returned.extend(map(tuple, batch_points))
            sampler.update(masks_of(*[(20, 20, 30)] * len(batch_points)), np.ones(len(batch_points), bool))
        assert sorted(points_returned) == sorted(map(tuple, points))

    def test_points_inside_a_mask_are_expected_to_bring_fewer_new_masks(self):
        embedding = np.zeros((1, 4096, 256), np.float32)
        points = build_point_grid(16) * (256, 128)
        sampler = LearnedPointSampler(points, embedding, FRAME)
        prompted = sampler.next(1)[0]
        before = sampler.features()
        x, y = (prompted - 12).astype(int).clip(0)
        sampler.update(masks_of((x, y, 24)), np.ones(1, bool))
        inside = np.all((points >= (x, y)) & (points < (x + 24, y + 24)), axis=1)
        expected = sampler.expected_new_masks()
        near = np.abs(points - prompted).max(axis=1) < 40
        assert 1 < inside.sum() < near.sum()
        assert expected[inside].max() < expected[near & ~inside].max()
        assert not np.array_equal(before, sampler.features())

    @pytest.mark.parametrize(
        "wrong", [{"sampling": "random"}, {"points_per_side": 0}, {"points_per_side": 999}, {"points_per_batch": 0}]
    )
    def test_impossible_sampling_is_refused(self, wrong):
        with pytest.raises(PromptError):
            GeneratorOptions(**wrong)

    @pytest.mark.parametrize("points", [np.zeros((0, 2)), [[0.5, 1.5]], [[np.nan, 0.5]]])
    def test_impossible_point_grids_are_refused(self, points):
        with pytest.raises(PromptError, match="point_grids"):
            layer_points(GeneratorOptions(point_grids=[points]))

    @pytest.mark.parametrize("batch", [1, 7, 16, 64])
    def test_an_odd_last_batch_loses_no_point(self, batch):
        """T15: a last chunk that is only recognised when the grid divides evenly.

        https://github.com/huggingface/transformers/issues/35530
        """
        model = FakeModel([(10, 10, 60)])
        found = search(model, points_per_side=5, points_per_batch=batch)
        assert found.prompts == len(model.prompted) == 25
        assert len(found.indices) == 1

    def test_adaptive_sampling_prompts_fewer_points_and_finds_the_same_objects(self):
        corners = [(10, 10, 50), (80, 20, 60), (170, 40, 70)]
        full, fewer = FakeModel(corners), FakeModel(corners)
        assert len(search(full).indices) == len(search(fewer, sampling="adaptive").indices) == 3
        assert len(fewer.prompted) < 0.6 * len(full.prompted)


class TestNearMisses:
    class Hesitant(FakeModel):
        """Predicts for the mask of a point an IoU just below the threshold, and for the mask of a box one above it."""

        def __call__(self, places):
            if places.shape[1] == 2:
                logits, scores = super().__call__(places)
                return logits, np.minimum(scores, 0.85)
            logits = np.full((len(places), 4, 256, 256), -10, np.float32)
            for image, (x0, y0, x1, y1) in zip(logits, places.round().astype(int), strict=True):
                image[1, y0:y1, x0:x1] = 10
                image[2] = 10
            return logits, np.full((len(places), 4), 0.97, np.float32)

    def test_near_misses_are_prompted_with_their_box_and_only_the_mask_of_the_same_object_stays(self):
        corners = [(10, 10, 50), (80, 20, 60), (170, 40, 70)]
        found = search(self.Hesitant(corners), sampling="adaptive")
        passing = found.masks.take(found.indices)
        assert sorted(passing.boxes.round().tolist()) == [[x, y, x + side, y + side] for x, y, side in corners]
        for point, (x0, y0, x1, y1) in zip(passing.points, passing.boxes, strict=True):
            assert x0 <= point[0] <= x1
            assert y0 <= point[1] <= y1


@pytest.fixture
def clock(monkeypatch):
    """A clock that only models move: seconds pass where `clock.seconds` is raised."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("time.perf_counter", lambda: clock.seconds)
    return clock


class ThousandsOfSmallObjects(FakeModel):
    """2,048 objects of 4×4 pixels, each decoded as all three candidates, in a tenth of a second a batch."""

    def __init__(self, clock):
        super().__init__([(x, y, 3) for x in range(0, 256, 4) for y in range(0, 128, 4)])
        self.clock = clock

    def __call__(self, points):
        self.clock.seconds += 0.1
        self.prompted.extend(map(tuple, points))
        logits = np.full((len(points), 4, 256, 256), -10, np.float32)
        for image, (x, y) in zip(logits, (points[:, :2] // 4 * 4).astype(int), strict=True):
            image[:, y : y + 3, x : x + 3] = 10
        return logits, np.full((len(points), 4), 0.97, np.float32)


class TestBudgetsOnThousandsOfSmallObjects:
    @given(st.floats(0.3, 2))
    @settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_batch_begins_that_would_end_too_late(self, clock, max_seconds):
        started = clock.seconds
        model = ThousandsOfSmallObjects(clock)
        found = search(model, Budget.of(started, max_seconds, None, None, None), points_per_side=32)
        assert clock.seconds - started <= max_seconds
        assert found.stopped == "out of time"
        assert found.prompts == len(model.prompted) < found.max_prompts == 1024
        assert 0 < len(found.indices) <= found.prompts

    @pytest.mark.parametrize("method", ["grid", "adaptive"])
    @pytest.mark.parametrize("megabytes", [4, 11.5])
    def test_masks_never_take_more_memory_than_allowed(self, clock, method, megabytes):
        budget = Budget.of(0, None, megabytes, None, None)
        found = search(ThousandsOfSmallObjects(clock), budget, points_per_side=32, sampling=method)
        batch = 16 * 3 * 129 * 256 * 2
        assert megabytes * 1e6 - batch < found.masks.nbytes() <= megabytes * 1e6
        assert found.stopped == "out of memory allowed"

    def test_the_best_mask_comes_first(self, clock):
        found = search(ThousandsOfSmallObjects(clock), Budget.of(0, 1, None, None, None), points_per_side=32)
        scores = found.masks.scores[found.indices]
        assert np.array_equal(scores, np.sort(scores)[::-1])


class TestEstimate:
    def test_states_what_a_search_will_take(self, clock):
        model = ThousandsOfSmallObjects(clock)
        options = GeneratorOptions(sampling="grid", points_per_side=32)
        before = clock.seconds
        estimate = MaskGenerator(options, Budget.of(0, 2, None, None, None)).estimate(view_of(model))
        assert clock.seconds - before == pytest.approx(0.2)
        assert (estimate.prompts, estimate.parts) == (1024, 1)
        assert estimate.seconds == pytest.approx(6.4)
        assert estimate.megabytes == pytest.approx(1024 * 3 * 129 * 256 * 2 / 1e6)
        assert estimate.reached == round(1024 * (0.9 * 2 - 0.2) / 6.4)
        text = "up to 1,024 prompts: about 6.4 s, masks of 203 MB; the budget will end it after about 256"
        assert str(estimate) == text

    def test_counts_the_prompts_of_crops(self, coffee):
        calls = []
        result = coffee.everything(points_per_side=4, crop_n_layers=1, estimate=calls.append, max_seconds=0.01)
        assert (calls[0].prompts, calls[0].parts) == (result.data.max_prompts, 5)
        assert calls[0].reached == 0
        assert "among them all of 5 parts of the image" in result.skipped


class TestBudgets:
    def test_a_stopped_search_finds_a_subset(self):
        corners = [(x, y, 14) for x in range(0, 240, 16) for y in range(0, 112, 16)]
        whole = search(FakeModel(corners))
        checks = iter([False] * 3 + [True] * 99)
        part = search(FakeModel(corners), Budget(stop=lambda: next(checks)))
        assert part.stopped == "interrupted"
        assert part.prompts == 48 < part.max_prompts == 256
        boxes = {tuple(box) for box in whole.masks.boxes[whole.indices]}
        assert {tuple(box) for box in part.masks.boxes[part.indices]} <= boxes
        assert 0 < len(part.indices) < len(whole.indices)

    @given(
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 80), st.integers(8, 40)), min_size=1, max_size=12),
        st.integers(1, 6),
        st.sampled_from(["grid", "adaptive"]),
    )
    @settings(max_examples=10)
    def test_a_whole_search_has_the_masks_of_a_stopped_one_or_better_ones(self, corners, batches, method):
        whole = search(FakeModel(corners), sampling=method, points_per_side=10)
        checks = iter([False] * batches)
        part = search(FakeModel(corners), Budget(stop=lambda: next(checks, True)), sampling=method, points_per_side=10)
        assert part.prompts <= whole.prompts
        better = {tuple(box): score for box, score in zip(whole.masks.boxes, whole.masks.scores, strict=True)}
        passing = [(whole.masks.boxes[i], whole.masks.scores[i]) for i in whole.indices]
        for index in part.indices:
            box, score = part.masks.boxes[index], part.masks.scores[index]
            assert tuple(box) in better
            assert any(overlap(box, other) > 0.69 and theirs >= score for other, theirs in passing)

    def test_a_deadline_is_met(self):
        class Slow(FakeModel):
            def __call__(self, points):
                time.sleep(0.05)
                return super().__call__(points)

        started = time.perf_counter()
        found = search(Slow([(10, 10, 60)]), Budget.of(started, 0.6, None, None, None))
        assert found.stopped == "out of time"
        assert 0 < found.prompts < 256

    def test_a_memory_limit_is_met(self):
        found = search(FakeModel([(10, 10, 60)]), Budget.of(0, None, 5, None, None))
        assert found.stopped == "out of memory allowed"
        assert found.masks.nbytes() < 5e6 + 16 * 3 * 256 * 256 * 2

    def test_memory_for_less_than_one_batch_is_refused_before_anything_is_decoded(self):
        model = FakeModel([(10, 10, 60)])
        with pytest.raises(PromptError, match=r"at least 3\.2 MB"):
            search(model, Budget.of(0, None, 1, None, None))
        assert model.prompted == []

    def test_no_time_at_all_is_an_empty_result(self):
        found = search(FakeModel([(10, 10, 60)]), Budget(deadline=0))
        assert (found.prompts, len(found.indices), found.stopped) == (0, 0, "out of time")

    def test_progress_is_reported_after_each_batch(self):
        calls = []
        search(FakeModel([(10, 10, 60)]), Budget(progress=calls.append), points_per_side=8)
        assert [status.prompts for status in calls] == [16, 32, 48, 64]
        assert calls[-1].max_prompts == 64
        assert calls[-1].masks > 0

    @pytest.mark.parametrize("wrong", [{"max_seconds": 0}, {"max_memory": -5}])
    def test_impossible_budgets_are_refused(self, coffee, wrong):
        with pytest.raises(PromptError, match="above 0"):
            coffee.everything(**wrong)


@pytest.fixture(scope="module")
def result(coffee):
    return coffee.everything(sampling="grid", points_per_side=6)


class TestRealModel:
    def test_learned_sampling_supports_embeddings_of_mobile_sam_only(self, coffee):
        assert LearnedPointSampler.supports(coffee.tokens)
        assert not LearnedPointSampler.supports(10 * coffee.tokens)
        assert not LearnedPointSampler.supports(np.zeros_like(coffee.tokens))

    def test_adaptive_sampling_ends_early_where_few_new_masks_are_expected(self, coffee):
        """The whole grid finds 14 masks in this image, with 1,024 prompts."""
        found = coffee.everything()
        assert found.data.prompts <= 256
        assert found.skipped == ""
        assert len(found) >= 12

    @pytest.mark.parametrize("shape", ["wide", "tall", "square"])
    def test_merging_tokens_changes_stable_masks_little(self, coffee, shape):
        """And logits beyond the image are not computed. In f32, so that nothing else is in the difference."""
        pixels = {"wide": coffee.pixels, "tall": coffee.pixels.transpose(1, 0, 2), "square": coffee.pixels[:, :400]}[
            shape
        ]
        encoded = coffee.runtime.encode(np.ascontiguousarray(pixels))
        prompts = [Prompt(box=np.array([40.0, 30, 200, 190])), *point_prompts(build_point_grid(4) * encoded.size)]
        family, frame = encoded.runtime.model, encoded.transform
        assert len(merge_tokens(encoded.tokens, frame)[0]) < {"wide": 2200, "tall": 2200, "square": 3600}[shape]
        logits, scores = family.decode(encoded.tokens, frame, prompts)
        cropped, near_scores = family.decode(encoded.tokens, frame, prompts, searching=True)
        rows, columns = cropped.shape[2:]
        assert (rows, columns) == {"wide": (172, 256), "tall": (256, 172), "square": (256, 256)}[shape]
        assert (rows, columns) >= logit_shape(frame)
        shown = frame.valid_logits()
        exact, near = (part[:, :, : shown[1], : shown[0]] for part in (logits, cropped))
        stable = (exact > 1).sum((2, 3)) / np.maximum((exact > -1).sum((2, 3)), 1) >= 0.9
        overlap = ((exact > 0) & (near > 0)).sum((2, 3)) / np.maximum(((exact > 0) | (near > 0)).sum((2, 3)), 1)
        assert stable.sum() >= 10
        assert overlap[stable].min() >= 0.97
        assert np.abs(scores - near_scores)[stable].max() <= 0.02

    def test_finds_the_objects_on_the_table(self, coffee, result):
        assert len(result) >= 4
        saucer = coffee.segment(points=[(110, 300)])[0].array
        assert max((m.array & saucer).sum() / (m.array | saucer).sum() for m in result) > 0.8
        assert result.skipped == ""
        assert [mask.score for mask in result] == sorted((mask.score for mask in result), reverse=True)

    def test_the_tree_holds_parts_in_wholes(self, result):
        tree = result.tree
        assert len(tree.parents) == len(result)
        for child, parent in enumerate(tree.parents):
            if parent >= 0:
                part, whole = result[child].array, result[int(parent)].array
                assert (part & whole).sum() >= 0.85 * part.sum()

    def test_the_partition_covers_the_image(self, result):
        parts = result.partition()
        assert parts.labels.min() >= 1
        assert sum(mask.area for mask in parts.masks()) == 600 * 400

    def test_refilter_decodes_nothing(self, coffee, result, monkeypatch):
        monkeypatch.setattr(coffee.runtime.model, "decode", None)
        loose = result.refilter(pred_iou_thresh=0.5, stability_score_thresh=0.7)
        assert len(loose) > len(result)
        assert [m.area for m in loose.refilter(pred_iou_thresh=0.88, stability_score_thresh=0.95)] == [
            m.area for m in result
        ]

    def test_region_of_interest(self, coffee):
        result = coffee.everything(points_per_side=6, roi=[300, 60, 440, 340], max_area=30000)
        for mask in result:
            assert 300 <= (mask.box[0] + mask.box[2]) / 2 <= 440
            assert mask.area <= 31000


def test_a_part_of_the_result_has_a_tree_of_its_own(result):
    assert len(result.tree.parents) == len(result) > 2
    assert len(result[:2].tree.parents) == 2
    assert len(result.filter(min_area=result[0].area).tree.parents) >= 1
