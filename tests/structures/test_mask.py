"""A Mask is rendered once, only when looked at, and tells the truth about itself."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco

from anymask.errors import AnymaskError, InputError
from anymask.formats.supervision import to_supervision
from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt, make_prompts
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import ImageRecord, Provenance
from tests.support.mask_shapes import BoolMask, disc, masks, ring


def counted(array: BoolMask, calls: list[int]) -> Callable[[], BoolMask]:
    def render() -> BoolMask:
        calls.append(1)
        time.sleep(0.01)
        return array.copy()

    return render


class TestMask:
    def test_nothing_is_rendered_until_somebody_looks_and_then_once_for_all_threads(self) -> None:
        calls: list[int] = []
        mask = Mask(counted(disc(40, 60, 9), calls), (60, 40), score=0.9)
        repr(mask)
        assert not calls
        threads = [threading.Thread(target=lambda: mask.array.sum()) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert mask.area == mask.array.sum()
        assert len(calls) == 1

    def test_the_array_cannot_be_written(self) -> None:
        mask = Mask(lambda: np.ones((4, 5), bool), (5, 4))
        with pytest.raises(ValueError, match="read-only"):
            mask.array[0, 0] = False

    @settings(max_examples=100, deadline=None)
    @given(masks)
    def test_area_box_and_rle_are_those_of_the_pixels(self, array: BoolMask) -> None:
        mask = Mask.from_array(array)
        x0, y0, x1, y1 = mask.box
        assert mask.area == array.sum() == array[y0:y1, x0:x1].sum()
        if mask.area:
            inside = array[y0:y1, x0:x1]
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        else:
            assert mask.box == [0, 0, 0, 0]
        assert np.array_equal(coco.decode(mask.rle), array)

    @settings(max_examples=50, deadline=None)
    @given(masks)
    def test_a_mask_from_rle_is_equal_without_being_decoded_for_area_and_box(self, array: BoolMask) -> None:
        first = Mask.from_array(array)
        second = Mask.from_rle(first.rle, score=0.5)
        assert (second.area, second.box, second.rle) == (first.area, first.box, first.rle)
        assert not second.is_rendered
        assert iou(first, second) == 1.0

    def test_released_masks_come_back(self) -> None:
        calls: list[int] = []
        mask = Mask(counted(disc(40, 60, 9), calls), (60, 40))
        area = mask.array.sum()
        mask.release()
        assert not mask.is_rendered
        assert mask.array.sum() == area
        assert len(calls) == 2
        given_whole = Mask.from_array(disc(4, 4, 2))
        given_whole.release()
        assert given_whole.is_rendered

    def test_masks_travel_between_processes_with_everything_known_of_them(self) -> None:
        logits = np.ones((256, 256), np.float32)
        mask = Mask(lambda: disc(40, 60, 9), (60, 40), score=0.9, label="dog", logits=logits, edits=["filled"])
        twin = pickle.loads(pickle.dumps(mask))
        assert iou(mask, twin) == 1.0
        assert (twin.score, twin.label, twin.edits) == (0.9, "dog", ("filled",))
        assert np.array_equal(twin.logits, logits)

    def test_whole_numbers_make_a_mask_and_real_numbers_do_not(self) -> None:
        assert Mask.from_array(np.array([[0, 255], [1, 0]], np.uint8)).area == 2
        with pytest.raises(InputError, match="float64"):
            Mask.from_array(np.zeros((4, 4)))

    @pytest.mark.parametrize("array", [np.zeros((4, 4, 3), bool), np.zeros(4, bool), np.zeros((0, 4), bool), True])
    def test_arrays_that_are_no_masks_are_refused(self, array: Any) -> None:
        with pytest.raises(InputError, match="shape"):
            Mask.from_array(array)

    def test_a_renderer_of_another_size_or_type_is_found_out(self) -> None:
        with pytest.raises(InputError, match=r"60x40 needs a bool array \[40, 60\], got bool \[60, 40\]"):
            _ = Mask(lambda: np.zeros((60, 40), bool), (60, 40)).array
        with pytest.raises(InputError, match="uint8"):
            Mask(np.zeros((40, 60), np.uint8), (60, 40))  # type: ignore[arg-type]

    def test_replace_renders_and_encodes_nothing(self) -> None:
        def render() -> Any:
            raise AssertionError("the pixels are not needed")

        mask = Mask(render, (9, 7), logits=np.ones((7, 9), np.float32))
        assert mask.replace(label="cup").logits is mask.logits

    def test_replace_changes_one_thing_and_leaves_the_first_mask_alone(self) -> None:
        mask = Mask.from_array(disc(40, 60, 9), score=0.9)
        named = mask.replace(label="dog")
        assert (named.label, named.score, named.area) == ("dog", 0.9, mask.area)
        assert mask.label is None
        with pytest.raises(InputError, match="aera"):
            mask.replace(aera=3)


class TestClean:
    def test_a_clean_mask_is_returned_as_it_is(self) -> None:
        mask = Mask.from_array(ring(9, 12))
        assert mask.remove_small_regions() is mask
        assert mask.remove_small_regions(holes=3, islands=3) is mask

    def test_edits_are_noted_and_the_prompt_check_is_dropped(self) -> None:
        kept = PromptCheck((True,))
        mask = Mask.from_array(ring(9, 12), score=0.9, follows_prompt=kept)
        cleaned = mask.remove_small_regions(holes=1000)
        assert cleaned.area == 9 * 12
        assert cleaned.edits == ("filled 2 holes, 78 px",)
        assert cleaned.score == 0.9
        assert cleaned.follows_prompt is None
        assert mask.follows_prompt is kept

    def test_the_prompt_is_checked_again_when_a_filled_hole_covers_an_excluded_point(self) -> None:
        array = np.pad(ring(9, 12), 30)
        (prompt,) = make_prompts((72, 69), points=[(31, 31), (36, 34)], labels=[1, 0])
        assert PromptCheck.of(array, prompt)
        cleaned = Mask.from_array(array).remove_small_regions(holes=100, prompt=prompt)
        assert cleaned.follows_prompt is not None
        assert not cleaned.follows_prompt
        assert cleaned.follows_prompt.points == (True, False)

    def test_negative_areas_are_refused(self) -> None:
        with pytest.raises(InputError, match="-1"):
            Mask.from_array(ring(9, 12)).remove_small_regions(-1)


class TestSatisfaction:
    def test_points_are_read_at_the_pixel_that_contains_them(self) -> None:
        mask = np.zeros((10, 10), bool)
        mask[4, 7] = True
        (prompt,) = make_prompts((10, 10), points=[(7.9, 4.9), (8, 4), (7, 5)], labels=[1, 0, 1])
        kept = PromptCheck.of(mask, prompt)
        assert kept is not None
        assert kept.points == (True, True, False)
        assert not kept

    def test_a_box_is_followed_when_the_masks_box_fits_it(self) -> None:
        mask = np.zeros((100, 100), bool)
        mask[20:60, 10:50] = True
        (close, far) = make_prompts((100, 100), boxes=[[12, 20, 50, 60], [40, 50, 90, 90]])
        kept, broken = PromptCheck.of(mask, close), PromptCheck.of(mask, far)
        assert kept
        assert kept.box == pytest.approx(38 / 40)
        assert kept.box_share == pytest.approx(38 / 40)
        assert broken is not None
        assert not broken
        assert broken.box_share == pytest.approx(100 / 1600)

    def test_a_prompt_without_constraints_is_not_checked(self) -> None:
        assert PromptCheck.of(np.ones((4, 4), bool), Prompt(text="dog")) is None


class TestIou:
    def test_equal_masks_give_exactly_one_also_when_empty(self) -> None:
        assert iou(disc(40, 60, 9), Mask.from_array(disc(40, 60, 9))) == 1.0
        assert iou(np.zeros((4, 4), bool), np.zeros((4, 4), bool)) == 1.0

    def test_half_overlap(self) -> None:
        a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
        a[:, :2], b[:, 1:3] = True, True
        assert iou(a, b) == pytest.approx(1 / 3)

    def test_masks_of_different_images_are_refused(self) -> None:
        with pytest.raises(InputError, match="different images"):
            iou(np.zeros((4, 4), bool), np.zeros((4, 5), bool))


def three_masks() -> MaskSet:
    image = open_image(np.zeros((40, 60, 3), np.uint8))
    prompts = make_prompts((60, 40), boxes=[[0, 0, 20, 20], [20, 0, 40, 20], [40, 0, 60, 20]])
    arrays = [np.zeros((40, 60), bool) for _ in prompts]
    for i, array in enumerate(arrays):
        array[:20, 20 * i : 20 * i + 20] = True
    found = [
        Mask.from_array(a, score=0.9 - i / 10, prompt_index=i, label=["cat", "dog", "cat"][i])
        for i, a in enumerate(arrays)
    ]
    return MaskSet(found, image=image, prompts=prompts, provenance=Provenance("mobile-sam", "openvino", "f32"))


class TestMaskSet:
    def test_it_is_a_sequence_whose_slices_keep_everything(self) -> None:
        result = three_masks()
        assert len(result) == 3
        assert result[-1] is list(result)[2]
        part = result[1:]
        assert isinstance(part, MaskSet)
        assert list(part) == [result[1], result[2]]
        assert part.colour_indices == (1, 2)
        assert (part.provenance, part.prompts, part.image) == (result.provenance, result.prompts, result.image)

    def test_the_union_covers_all_and_has_a_size_without_masks(self) -> None:
        result = three_masks()
        assert result.union().sum() == 20 * 60
        empty = result[:0].union()
        assert empty.shape == (40, 60)
        assert not empty.any()

    def test_masks_of_another_size_are_refused(self) -> None:
        with pytest.raises(InputError, match="does not belong"):
            MaskSet([Mask.from_array(disc(4, 4, 1))], image=ImageRecord(60, 40))

    def test_without_its_image_a_result_is_not_drawn_but_refused_in_one_line(self) -> None:
        result = MaskSet([], image=ImageRecord(60, 40))
        assert result.size == (60, 40)
        assert result._repr_png_() is None
        with pytest.raises(InputError, match="image"):
            result.draw()

    def test_it_says_what_it_is(self) -> None:
        text = repr(three_masks())
        assert "3 masks of 60x40" in text
        assert "mobile-sam on openvino f32" in text

    def test_notebooks_get_a_png(self) -> None:
        picture = three_masks()._repr_png_()
        assert picture is not None
        assert picture.startswith(b"\x89PNG")


def test_walking_over_masks_keeps_memory_within_the_budget() -> None:
    made = [Mask(lambda: np.zeros((100, 100), bool), (100, 100)) for _ in range(6)]
    looked_at_before = made[5].array
    for mask in iter_bounded(made, max_bytes=25_000):
        assert mask.area == 0
    assert [mask.is_rendered for mask in made] == [True, True, False, False, False, True]
    assert made[5].array is looked_at_before


def test_supervision_gets_boxes_masks_scores_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeDetections(SimpleNamespace):
        """Stands in for supervision.Detections, whose package brings a second OpenCV: only keeps what it is given."""

        @classmethod
        def empty(cls) -> FakeDetections:
            return cls(xyxy=[])

    monkeypatch.setitem(__import__("sys").modules, "supervision", SimpleNamespace(Detections=FakeDetections))
    result = three_masks()
    detections = result.to_supervision()
    assert detections.xyxy.tolist() == [[0, 0, 20, 20], [20, 0, 40, 20], [40, 0, 60, 20]]
    assert detections.mask.shape == (3, 40, 60)
    assert detections.confidence.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert detections.class_id.tolist() == [0, 1, 0]
    assert detections.data["class_name"].tolist() == ["cat", "dog", "cat"]
    nameless = to_supervision([result[0].replace(label=None), result[1]])
    assert (nameless.class_id.tolist(), nameless.data["class_name"].tolist()) == ([0, 1], ["", "dog"])
    detected = to_supervision([mask.replace(detector_score=0.5) for mask in result])
    assert detected.confidence.tolist() == [0.5] * 3
    assert len(result[:0].to_supervision().xyxy) == 0


def test_without_supervision_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(AnymaskError, match=r"pip install 'anymask\[supervision\]'"):
        three_masks().to_supervision()


def test_a_mask_is_an_array_and_combines_with_others() -> None:
    left, right = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    left[:, :4], right[:, 2:] = True, True
    a, b = Mask.from_array(left, score=0.9), Mask.from_array(right)
    assert np.array_equal(np.asarray(a), left)
    assert np.asarray(a).dtype == np.bool_
    assert np.array_equal(np.asarray(a, dtype=np.uint8), left.astype(np.uint8))
    assert np.array_equal((a & b).array, left & right)
    assert np.array_equal((a | b).array, left | right)
    assert np.array_equal((~a).array, ~left)
    assert (a & b).score is None
    with pytest.raises(InputError, match="different images"):
        a & Mask.from_array(np.ones((2, 2), bool))
    assert np.array_equal(a & left, left), "with an array it is an array"
