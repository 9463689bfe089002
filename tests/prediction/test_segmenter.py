"""From an image and a prompt to a mask, with the real weights. `tests/reference` compares with the official code."""

import copy
import gc
import io
import multiprocessing
import pickle
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest

import anymask
import anymask.weights
from anymask.errors import ImageError, PromptError
from anymask.structures.overlap import iou

CUP, SPOON, TABLE = (290, 215), (362, 285), (60, 60)
CUP_BOX, SPOON_BOX = [170, 14, 412, 264], [315, 65, 430, 330]


def image_of_size(path, size):
    return np.asarray(PIL.Image.open(path).convert("RGB").resize(size))


def same(a, b):
    return np.allclose(a.logits, b.logits, atol=2e-3) and np.allclose(a.scores, b.scores, atol=1e-4)


class TestCandidates:
    def test_three_masks_or_one(self, coffee):
        three = coffee.predict(points=[CUP], labels=[1])
        one = coffee.predict(points=[CUP], labels=[1], multimask=False)
        assert three.masks.shape == (3, 400, 600)
        assert three.masks.dtype == np.bool_
        assert three.logits.shape == (3, 256, 256)
        assert three.scores.shape == (3,)
        assert (one.masks.shape, one.logits.shape, one.scores.shape) == ((1, 400, 600), (1, 256, 256), (1,))

    def test_they_unpack_as_in_the_official_predictor(self, coffee):
        candidates = coffee.predict(points=[CUP], labels=[1])
        masks, scores, logits = candidates
        assert (masks.shape, scores.shape, logits.shape) == ((3, 400, 600), (3,), (3, 256, 256))
        assert masks is candidates.masks

    def test_logits_fed_back_change_the_mask(self, coffee):
        first = coffee.predict(points=[CUP])
        again = coffee.predict(points=[CUP], mask_input=first.logits[:1], multimask=False)
        fresh = coffee.predict(points=[CUP], multimask=False)
        assert not np.allclose(again.logits, fresh.logits, atol=0.1)

    def test_an_empty_mask_is_not_the_same_as_no_mask(self, coffee):
        """T2: exports blend a "has mask" flag between the two; here no flag can be set wrongly.

        https://github.com/facebookresearch/segment-anything/issues/360
        """
        none = coffee.predict(points=[CUP])
        zeros = coffee.predict(points=[CUP], mask_input=np.zeros((1, 256, 256), np.float32))
        assert not np.allclose(none.logits, zeros.logits, atol=0.1)
        assert same(none, coffee.predict(points=[CUP], mask_input=None))


class TestBatches:
    def test_each_prompt_of_a_batch_gets_the_mask_it_gets_alone_in_any_order(self, coffee):
        """T15: ragged numbers of points in one batch.

        https://github.com/huggingface/transformers/issues/35530
        """
        points = [[CUP], [SPOON, (400, 250)], [TABLE, CUP, SPOON], [(500, 300)]]
        labels = [[1], [1, 1], [1, 0, 0], [1]]
        alone = [coffee.segment(points=p, labels=n)[0] for p, n in zip(points, labels, strict=True)]
        for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
            together = coffee.segment(points=[points[i] for i in order], labels=[labels[i] for i in order])
            for mask, i in zip(together, order, strict=True):
                assert np.allclose(mask.logits, alone[i].logits, atol=2e-3)
                assert mask.score == pytest.approx(alone[i].score, abs=1e-4)

    def test_more_prompts_than_one_run_of_the_decoder_takes(self, coffee):
        boxes = [(x, y, x + 90, y + 80) for x, y in ((20 + 37 * i % 480, 20 + 53 * i % 290) for i in range(20))]
        together = coffee.segment(boxes=boxes)
        assert len(together) == 20
        for i in (0, 15, 16, 19):
            alone = coffee.segment(box=boxes[i])[0]
            assert np.allclose(together[i].logits, alone.logits, atol=2e-3)

    def test_one_mask_per_box_in_the_order_of_the_boxes(self, coffee):
        """T8: a set of boxes loses the order, here each mask lies in its own box.

        https://github.com/CASIA-LMC-Lab/FastSAM/issues/134
        """
        boxes = [SPOON_BOX, CUP_BOX, SPOON_BOX]
        result = coffee.segment(boxes=boxes)
        assert len(result) == 3
        assert np.array_equal(result[0].array, result[2].array)
        for mask, box in zip(result, boxes, strict=True):
            assert mask.follows_prompt.box > 0.8
            assert box[0] - 15 <= mask.box[0] <= mask.box[2] <= box[2] + 15


class TestFrames:
    @pytest.mark.parametrize(("size", "click"), [((1920, 1200), (960, 690)), ((333, 1999), (166, 1150))])
    def test_a_click_lies_in_its_mask_whatever_the_shape_of_the_image(self, segmenter, coffee_path, size, click):
        """T4: clicks scaled by another rule than the image.

        https://github.com/cvat-ai/cvat/issues/8610
        """
        encoded = segmenter.encode(image_of_size(coffee_path, size))
        mask = encoded.segment(points=[click])[0]
        assert mask.array.shape == (size[1], size[0])
        assert mask.array[click[1], click[0]]
        assert mask.follows_prompt

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_rotated_phone_image_gives_the_same_mask(self, segmenter, coffee, coffee_path, orientation):
        """T5, T6: the same displayed image, stored in any of the eight ways, gives the same mask.

        https://github.com/CVHub520/X-AnyLabeling/issues/447
        """
        upright = PIL.Image.open(coffee_path).convert("RGB")
        turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how to store it, so that displaying turns it back
        stored = upright if orientation == 1 else upright.transpose(PIL.Image.Transpose(turns[orientation]))
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        stored.save(file, "png", exif=exif)
        encoded = segmenter.encode(file.getvalue())
        assert encoded.size == coffee.size
        assert np.array_equal(encoded.segment(points=[CUP])[0].array, coffee.segment(points=[CUP])[0].array)

    def test_an_image_with_red_and_blue_swapped_gives_another_embedding(self, segmenter, coffee):
        """T3: a tool that mixes them up must not get the same embedding.

        https://github.com/wkentaro/labelme/issues/2466
        """
        swapped = segmenter.encode(coffee.pixels[..., ::-1])
        a, b = coffee.embedding.ravel(), swapped.embedding.ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) < 0.99

    def test_percent_and_centre_boxes_mean_the_same_place(self, coffee):
        pixels = coffee.segment(box=SPOON_BOX)[0]
        centre = coffee.segment(box=[372.5, 197.5, 115, 265], box_format="cxcywh")[0]
        percent = coffee.segment(box=[52.5, 16.25, 71.666667, 82.5], coordinates="percent")[0]
        assert np.array_equal(pixels.array, centre.array)
        assert iou(pixels, percent) > 0.999


class TestSegment:
    def test_what_ran_is_in_every_result(self, coffee):
        run = coffee.segment(points=[CUP]).provenance
        assert (run.model, run.engine, run.precision, run.device, run.threads) == (
            "mobile-sam",
            "openvino",
            "f32",
            "cpu",
            2,
        )
        assert run.version == anymask.__version__
        assert set(run.seconds) == {"load", "encode", "decode"}

    def test_a_prompt_always_gets_a_mask(self, coffee):
        """T7: no confidence filter swallows the mask of a hopeless click.

        https://github.com/ultralytics/ultralytics/issues/26129
        """
        result = coffee.segment(points=[(2, 2)], labels=[0])
        assert len(result) == 1

    def test_excluded_points_stay_outside(self, coffee):
        mask = coffee.segment(points=[CUP, SPOON], labels=[1, 0])[0]
        assert mask.follows_prompt
        assert mask.array[CUP[1], CUP[0]]
        assert not mask.array[SPOON[1], SPOON[0]]

    def test_the_second_click_uses_the_first_mask(self, coffee):
        """T16: logits are kept for nothing where they are never fed back.

        https://github.com/cvat-ai/cvat/issues/10475
        """
        points, labels = [CUP, SPOON, TABLE, (110, 300), (260, 60)], [1, 0, 0, 1, 1]
        first = coffee.segment(points=points[:4], labels=labels[:4])[0]
        second = coffee.segment(points=points, labels=labels, previous=first)[0]
        by_hand = coffee.predict(points, labels, mask_input=first.logits[None], multimask=False)
        fresh = coffee.segment(points=points, labels=labels)[0]
        assert iou(second.logits > 0, by_hand.logits[0] > 0) > 0.9
        assert not np.allclose(second.logits, fresh.logits, atol=0.1)

    def test_a_second_click_stays_with_what_it_does_not_contradict(self, coffee):
        first = coffee.segment(points=[CUP])[0]
        more = coffee.segment(points=[CUP, (110, 300)], labels=[1, 1], previous=first)[0]
        assert more.follows_prompt
        assert np.count_nonzero(first.array & ~more.array) < 0.05 * first.area

    def test_clean_up_on_request(self, coffee):
        result = coffee.segment(points=[TABLE], select="score", max_hole_area=10**6, max_island_area=50)
        assert result[0].area >= coffee.segment(points=[TABLE], select="score")[0].area
        assert result[0].edits

    def test_a_mask_file_is_a_prompt(self, coffee):
        saucer = coffee.segment(points=[(110, 300)])[0]
        again = coffee.segment(mask_input=saucer.array, points=[(110, 300)])[0]
        assert iou(again, saucer) > 0.9

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "point"),
            ({"points": [(700, 10)]}, "700"),
            ({"points": [CUP], "labels": [2]}, "2"),
            ({"points": [CUP], "labels": [1, 0]}, "labels"),
            ({"box": [400, 300, 100, 100]}, "400"),
            ({"points": [(float("nan"), 1)]}, "nan"),
            ({"points": [CUP], "select": "best"}, "best"),
        ],
    )
    def test_a_prompt_that_cannot_be_right_is_one_clear_line(self, coffee, arguments, message):
        with pytest.raises(anymask.PromptError) as raised:
            coffee.segment(**arguments)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)


class TestState:
    @pytest.mark.slow
    def test_ten_threads_get_what_one_thread_gets(self, encoding_segmenter, coffee_path):
        """Complaint 25: a predictor that remembers its image returns masks of another one."""
        images = [np.roll(image_of_size(coffee_path, (300, 200)), 60 * i, axis=1) for i in range(3)]
        points = [(60 * i + 20, 100) for i in range(3)]
        encoded_images = [encoding_segmenter.encode(pixels) for pixels in images]
        alone = [encoded.predict(points=[p]) for encoded, p in zip(encoded_images, points, strict=True)]

        def predict(i):
            encoded = encoding_segmenter.encode(images[i]) if i < 3 else encoded_images[i % 3]
            return encoded.predict(points=[points[i % 3]])

        with ThreadPoolExecutor(10) as pool:
            for i, candidates in enumerate(pool.map(predict, range(20))):
                assert np.array_equal(candidates.masks, alone[i % 3].masks)

    def test_the_arrays_of_an_encoded_image_are_read_only(self, coffee):
        with pytest.raises(ValueError, match="read-only"):
            coffee.pixels[0, 0] = 0
        with pytest.raises(ValueError, match="read-only"):
            coffee.tokens[0, 0] = 0

    @pytest.mark.slow
    def test_a_second_process_prompts_a_stored_image_without_the_encoder(self, coffee_path, tmp_path, monkeypatch):
        monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path))
        monkeypatch.setattr("anymask.prediction.segmenter.ensure", lambda entry, **_: _real_weights(entry))
        first = anymask.load("mobile-sam", precision="f32", threads=2).encode(coffee_path)
        second_segmenter = anymask.load("mobile-sam", precision="f32", threads=2)

        def no_encoder(pixels):
            raise AssertionError("the encoder ran although the embedding is in the store")

        monkeypatch.setattr(second_segmenter.network, "encode", no_encoder)
        second = second_segmenter.encode(coffee_path)
        assert np.array_equal(first.embedding, second.embedding)
        assert np.array_equal(first.segment(points=[CUP])[0].array, second.segment(points=[CUP])[0].array)

    def test_an_image_with_one_pixel_changed_has_its_own_embedding_in_the_store(self, coffee_path):
        pixels = image_of_size(coffee_path, (600, 400))
        assert anymask.open_image(pixels).pixel_hash != anymask.open_image(np.roll(pixels, 1, axis=0)).pixel_hash
        assert anymask.open_image(pixels).pixel_hash != anymask.open_image(pixels.reshape(600, 400, 3)).pixel_hash


def _real_weights(entry):
    """The weights of the user's own cache, fetched before the test moved it."""
    return dict(zip((file.name for file in entry.files), WEIGHTS, strict=True))


WEIGHTS = list(anymask.weights.ensure("mobile-sam").values())


def test_what_builds_graphs_is_not_loaded_when_they_come_from_the_cache(coffee, coffee_path):
    """It would add a fifth of a second to every command."""
    coffee.predict(points=[(300, 200)])  # the fixture's graphs are in the cache now
    code = (
        "import sys, anymask\n"
        "encoded = anymask.load('mobile-sam', precision='f32', threads=2, store=False).encode(sys.argv[1])\n"
        "encoded.predict(points=[(300, 200)])\n"
        "print([name for name in ('onnx', 'spox') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(coffee_path)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_no_boxes_give_an_empty_result(coffee) -> None:
    result = coffee.segment(boxes=[])
    assert len(result) == 0
    assert result.arrays.shape == (0, coffee.size[1], coffee.size[0])
    assert not result.union().any()


def area_of_a_click(encoded):
    return encoded.segment(points=[(290, 215)])[0].area


def area_of_a_coffee(segmenter, path):
    return area_of_a_click(segmenter.encode(path))


def test_a_segmenter_and_an_encoded_image_reach_another_process(segmenter, coffee, coffee_path):
    expected = area_of_a_click(coffee)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(area_of_a_coffee, (segmenter, coffee_path)) == expected
        assert pool.map(area_of_a_click, [coffee, coffee]) == [expected, expected]


def test_a_model_leaves_the_memory_with_the_last_image_that_it_encoded(coffee_path):
    segmenter = anymask.load("mobile-sam", threads=2)
    network = weakref.ref(segmenter.network)
    encoded = segmenter.encode(coffee_path)
    del segmenter
    gc.disable()  # not when the garbage collector happens to run, which is long after
    try:
        assert encoded.segment(points=[(110, 300)])[0].area > 0
        assert network() is not None
        del encoded
        assert network() is None
    finally:
        gc.enable()


def test_a_segmenter_that_was_not_loaded_says_how_to_do_it(segmenter):
    bare = copy.copy(segmenter)
    bare._arguments = None
    with pytest.raises(TypeError, match=r"call anymask\.load in each process"):
        pickle.dumps(bare)


def test_an_encoded_image_is_an_array_and_can_be_encoded_by_another_model(segmenter, coffee):
    assert np.array_equal(np.asarray(coffee), coffee.pixels)
    assert np.asarray(coffee, np.float32).dtype == np.float32
    again = segmenter.encode(coffee)
    assert again.source is coffee.source
    with pytest.raises(ImageError, match=r"is opened already: pass channels to anymask\.open_image"):
        segmenter.encode(coffee, channels="bgr")


def test_an_array_of_opencv_is_one_word(segmenter, coffee):
    assert np.array_equal(segmenter.encode(coffee.pixels[..., ::-1], channels="bgr").pixels, coffee.pixels)


def test_what_calls_do_not_take_is_named_with_what_they_take(coffee):
    for name, meant in (("point", "points"), ("point_coords", "points"), ("bboxes", "boxes"), ("refined", "refine")):
        with pytest.raises(TypeError, match=rf"segment\(\) has no option '{name}': did you mean {meant}\?"):
            coffee.segment(**{name: None})
    with pytest.raises(TypeError, match=r"everything\(\) has no option 'points_per_sid': did you mean points_per_side"):
        coffee.everything(points_per_sid=4)
    for previous in (np.zeros((4, 4), bool), coffee.segment(boxes=[])):
        with pytest.raises(PromptError, match=r"previous is of type .*: it takes a Mask, such as"):
            coffee.segment(points=[(290, 215)], previous=previous)
