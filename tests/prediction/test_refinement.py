"""Looking again: in a mirror, and at an object alone in full resolution."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask import PromptError
from anymask.prediction.flip_tta import flip_logits, flip_prompt
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide, warp_logits


def blob(frame, x, y, radius):
    """Logits that fall off from (x, y), in pixels of the image."""
    scale = frame.resized[0] / frame.width / 4
    rows, columns = np.mgrid[:256, :256] + 0.5
    return (radius * scale - np.hypot(columns - x * scale, rows - y * scale)).astype(np.float32)


@given(st.integers(40, 900), st.integers(40, 900), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_mask_of_the_mirror_image_is_flipped_back(width, height, across, down):
    frame = ResizeLongestSide(width, height)
    radius = 0.15 * max(width, height)
    here = blob(frame, across * width, down * height, radius)
    there = blob(frame, width - across * width, down * height, radius)
    columns, rows = frame.valid_logits()
    assert np.abs(flip_logits(there, frame) - here)[:rows, : columns - 1].max() < 1.0
    assert iou(flip_logits(there, frame)[:rows, :columns] > 0, here[:rows, :columns] > 0) > 0.9


@given(st.integers(40, 900), st.integers(40, 900), st.floats(0, 1), st.floats(0, 1))
def test_a_prompt_mirrored_twice_is_the_prompt(width, height, across, down):
    frame, point = ResizeLongestSide(width, height), (across * width, down * height)
    prompt = Prompt([point], [0], [point[0] / 2, 1, point[0] / 2 + 9, 20], blob(frame, *point, 20))
    once = flip_prompt(prompt, frame)
    assert once.points[0] == pytest.approx([width - point[0], point[1]])
    twice = flip_prompt(once, frame)
    assert twice.points == pytest.approx(prompt.points)
    assert twice.box == pytest.approx(prompt.box)
    assert once.box[2] - once.box[0] == pytest.approx(9)
    assert twice.labels == prompt.labels


@given(st.integers(0, 500), st.integers(0, 300), st.integers(200, 500), st.integers(200, 500))
def test_a_mask_lies_at_the_same_place_in_a_window(x, y, width, height):
    frame, window = ResizeLongestSide(1000, 800), (x, y, x + width, y + height)
    seen = ResizeLongestSide(width, height)
    middle = (x + width / 2, y + height / 2)
    carried = warp_logits(blob(frame, *middle, 80), frame.logit_grid(), seen.logit_grid(window))
    mask, expected = seen.upscale(carried), np.zeros((height, width), bool)
    rows, columns = np.mgrid[:height, :width] + 0.5
    expected = np.hypot(columns - width / 2, rows - height / 2) < 80
    assert iou(mask, expected) > 0.93


def drawn_wave(side=3600):
    """A dark wavy line, 30 pixels thick, on a light ground, and its true mask."""
    across = np.linspace(0, 1, 200)
    points = np.stack([900 + 800 * across, 1200 + 250 * np.sin(9 * across)], axis=1).astype(np.int32)
    canvas = np.zeros((side, side), np.uint8)
    cv2.polylines(canvas, [points], False, 255, 30)
    pixels = np.full((side, side, 3), 225, np.uint8)
    pixels[canvas > 0] = (40, 45, 90)
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8), canvas > 0


@pytest.fixture(scope="module")
def wave(segmenter):
    pixels, truth = drawn_wave()
    return segmenter.encode(pixels), truth


BOX = [880, 925, 1720, 1475]


def test_a_thin_line_in_a_large_image_is_segmented_in_detail(wave):
    encoded, truth = wave
    plain, near = (encoded.segment(box=BOX, refine=how)[0].array for how in ("off", "auto"))
    assert iou(near, truth) > iou(plain, truth) + 0.03
    assert iou(near, truth) > 0.88


def test_what_lies_outside_the_window_stays(wave):
    encoded, _ = wave
    plain, near = (encoded.segment(box=BOX, refine=how)[0].array for how in ("off", "max"))
    margin = 300
    outside = np.ones(plain.shape, bool)
    outside[925 - margin : 1475 + margin, 880 - margin : 1720 + margin] = False
    assert not (plain & outside & ~near).any()


def test_refining_never_breaks_a_constraint(coffee):
    for prompt in ({"points": [(290, 215), (362, 285)], "labels": [1, 0]}, {"box": [170, 14, 412, 264]}):
        assert coffee.segment(**prompt, refine="off")[0].follows_prompt
        assert coffee.segment(**prompt, refine="max")[0].follows_prompt


def test_several_objects_cost_no_more_passes_of_the_encoder(wave, monkeypatch):
    encoded, _ = wave
    monkeypatch.setattr(encoded.runtime.model, "encode", lambda *_: pytest.fail("encoded again"))
    encoded.segment(boxes=[BOX, [880, 925, 1300, 1475]], refine="auto")


CUP_BOX, SPOON_BOX = [170, 14, 412, 264], [330, 220, 480, 320]


@pytest.fixture
def cost(segmenter, monkeypatch):
    """What is done from now on: passes of the encoder, and the prompts of each run of the decoder."""
    model, cost = segmenter.runtime.model, {"encoded": 0, "decoded": []}
    encode, decode = model.encode, model.decode

    def count_encode(pixels):
        cost["encoded"] += 1
        return encode(pixels)

    def count_decode(embedding, frame, prompts, **options):
        cost["decoded"].append(len(prompts))
        return decode(embedding, frame, prompts, **options)

    monkeypatch.setattr(model, "encode", count_encode)
    monkeypatch.setattr(model, "decode", count_decode)
    return cost


def test_a_box_takes_one_run_of_the_decoder_and_no_pass_of_the_encoder(coffee, cost):
    coffee.segment(box=CUP_BOX)
    assert cost == {"encoded": 0, "decoded": [3]}


def test_many_boxes_share_runs_of_the_decoder_and_get_the_masks_of_each_alone(coffee, cost):
    boxes = [CUP_BOX, SPOON_BOX] * 9
    together = coffee.segment(boxes=boxes)
    assert cost == {"encoded": 0, "decoded": [48, 6]}
    alone = [coffee.segment(box=box)[0] for box in boxes[:2]]
    assert all(iou(together[index], alone[index % 2]) > 0.99 for index in range(len(boxes)))


def test_max_adds_the_mirrored_image_to_a_box(coffee, cost):
    coffee.segment(box=CUP_BOX, refine="max")
    assert cost["decoded"][:2] == [3, 3]


def test_no_click_on_a_large_image_takes_more_than_one_pass_of_the_encoder(segmenter, wave, cost):
    encoded, truth = segmenter.encode(wave[0].pixels), wave[1]
    clicks, passes, previous = [(1300, 956), (950, 1305), (1650, 1310), (1300, 1100)], [], None
    for count in range(1, 5):
        before, labels = cost["encoded"], [int(truth[y, x]) for x, y in clicks[:count]]
        previous = encoded.segment(points=clicks[:count], labels=labels, previous=previous)[0]
        passes.append(cost["encoded"] - before)
    assert max(passes) == 1


def test_the_next_prompt_finds_the_window_of_the_one_before_encoded(wave, cost):
    encoded, _ = wave
    encoded.segment(box=BOX)
    before = cost["encoded"]
    encoded.segment(box=BOX, points=[(1300, 1100)], labels=[0])
    assert cost["encoded"] == before


def test_a_box_with_an_excluded_point_is_not_grown_over_it(coffee):
    for x in range(300, 420, 20):
        mask = coffee.segment(box=CUP_BOX, points=[(x, 250)], labels=[0])[0]
        assert mask.array[250, x] == (not mask.follows_prompt.points[0])


def test_an_unknown_way_to_refine_is_refused(coffee):
    with pytest.raises(PromptError, match="refine must be one of auto, off, max, not 'sharp'"):
        coffee.segment(points=[(290, 215)], refine="sharp")
