"""From words to masks, with real weights; detectors that a test makes up are named Fake."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from anymask import (
    DetectionOptions,
    EncodedImage,
    GroundedSegmenter,
    ModelError,
    PromptError,
    Segmenter,
    load,
    open_image,
)
from anymask.formats.registry import find_format
from anymask.structures.overlap import iou
from tests.support.fake_detectors import FakeDetector, detections

CUP, SPOON = (170, 14, 412, 240), (315, 65, 430, 330)


@pytest.fixture(scope="module")
def pipeline(segmenter: Segmenter) -> GroundedSegmenter:
    return GroundedSegmenter(segmenter, "coco-ssd")


# Points inside the thing and points of what lies beside it, looked at in the images.
@pytest.mark.parametrize(
    ("name", "text", "label", "inside", "outside"),
    [
        ("chelsea", "cat", "cat", [(220, 150), (140, 120), (300, 40)], [(430, 60), (10, 20)]),
        ("astronaut", "person", "person", [(225, 100), (150, 300), (90, 420)], [(390, 120), (440, 400), (30, 100)]),
        ("coffee", "coffee cup", "cup", [(290, 60), (230, 180), (370, 140)], [(120, 250), (300, 330), (560, 60)]),
        ("stereo_motorcycle", "motorbike", "motorcycle", [(190, 320), (580, 380), (330, 250)], [(60, 180), (500, 60)]),
        ("camera", "person", "person", [(230, 120), (120, 250), (60, 350)], [(400, 200), (450, 400), (230, 20)]),
    ],
)
def test_the_named_object_is_cut_out(
    pipeline: GroundedSegmenter, name: str, text: str, label: str, inside: list[Any], outside: list[Any]
) -> None:
    image = getattr(skimage.data, name)()
    (mask,) = pipeline(image[0] if isinstance(image, tuple) else image, text)
    assert mask.label == label
    assert all(mask.array[y, x] for x, y in inside)
    assert not any(mask.array[y, x] for x, y in outside)
    assert mask.detector_score is not None
    assert mask.detector_score > 0.5
    assert mask.score is not None
    assert mask.score > 0.8
    assert mask.follows_prompt


@pytest.fixture(scope="module")
def dogs() -> Path:
    path = Path(__file__).parents[3] / "shared" / "photos" / "dogs.jpg"
    if not path.is_file():
        pytest.skip(f"NO PHOTOGRAPH {path}: both dogs by path are not tested here")
    return path


def test_one_word_selects_both_dogs(pipeline: GroundedSegmenter, dogs: Path) -> None:
    result = pipeline(dogs, "dog")
    left, right = sorted(result, key=lambda mask: mask.box[0])
    assert left.label == right.label == "dog"
    assert left.array[1600, 1500]
    assert right.array[1600, 2600]
    assert iou(left, right) < 0.01


def test_an_encoded_image_takes_text(coffee: EncodedImage) -> None:
    result = coffee.segment_text("mug, zebra", detector="coco-ssd")
    assert [mask.label for mask in result] == ["cup"]
    assert [prompt.text for prompt in result.prompts] == ["mug", "zebra"]
    assert result.prompts[0].notes == ("'mug' is taken as 'cup'",)
    assert result.prompts[1].notes == ("nothing was found for 'zebra'",)
    assert result.provenance.detector == "coco-ssd"
    assert result.provenance.seconds.keys() == {"load", "encode", "decode", "detect"}
    assert result[0].prompt_index == 0


def test_text_gives_the_masks_of_its_boxes(coffee: EncodedImage) -> None:
    detector = FakeDetector([("spoon", 0.6, SPOON), ("cup", 0.9, CUP)])
    named = coffee.segment_text("cup, spoon", detector=detector)
    boxed = coffee.segment(boxes=[CUP, SPOON])
    assert [mask.label for mask in named] == ["cup", "spoon"]
    assert [mask.detector_score for mask in named] == pytest.approx([0.9, 0.6])
    for one, other in zip(named, boxed, strict=True):
        assert iou(one, other) > 0.99
        assert one.score == pytest.approx(other.score, abs=1e-3)
    assert [prompt.box.tolist() for prompt in named.prompts if prompt.box is not None] == [list(CUP), list(SPOON)]


def test_all_boxes_are_decoded_in_one_batch(segmenter: Segmenter, coffee_path: Path) -> None:
    encoded = segmenter.encode(coffee_path)
    batch_sizes = []
    decode = encoded.decode
    encoded.decode = lambda prompts: batch_sizes.append(len(prompts)) or decode(prompts)  # type: ignore[func-returns-value,method-assign]
    rows = [("thing", 0.9 - i / 100, (40 * i, 30 * i, 40 * i + 60, 30 * i + 60)) for i in range(10)]
    encoded.segment_text("thing", detector=FakeDetector(rows))
    assert batch_sizes == [30], "each box in three sizes"


def test_a_result_without_masks_is_written_by_every_format(pipeline: GroundedSegmenter, tmp_path: Path) -> None:
    result = pipeline(np.full((60, 90, 3), 128, np.uint8), "zebra")
    assert len(result) == 0
    assert result.size == (90, 60)
    assert not result.union().any()
    assert result.prompts[0].as_dict() == {"points": [], "labels": [], "box": None, "text": "zebra"}
    result.save(tmp_path / "none.json")
    again = find_format("masks-json").read(tmp_path / "none.json")
    assert (len(again), again.prompts[0].text, again.provenance.detector) == (0, "zebra", "coco-ssd")
    assert result.draw().size == (90, 60)


def test_an_image_without_detections_is_not_encoded(segmenter: Segmenter, coffee_path: Path) -> None:
    class Blind(Segmenter):
        def encode(self, *arguments: Any, **options: Any) -> EncodedImage:
            raise AssertionError("encoded an image without detections")

    blind = Blind.__new__(Blind)
    blind.__dict__.update(segmenter.__dict__)
    assert len(GroundedSegmenter(blind, FakeDetector([]))(coffee_path, "dog")) == 0


def test_two_boxes_of_one_object_give_one_mask(segmenter: Segmenter, coffee: EncodedImage) -> None:
    # Neither IoU of the boxes reaches its threshold: only the masks tell that both show the cup.
    loose = (140, 0, 420, 270)
    detector = FakeDetector([("cup", 0.9, CUP), ("mug", 0.8, loose)])
    masks = coffee.segment(boxes=[CUP, loose])
    assert iou(masks[0], masks[1]) > 0.8
    result = coffee.segment_text("cup, mug", detector=detector)
    assert [(mask.label, mask.prompt_index) for mask in result] == [("cup", 0)]
    separate = GroundedSegmenter(segmenter, detector, mask_nms_thresh=1).segment(coffee, "cup, mug")
    assert [(mask.label, mask.prompt_index) for mask in separate] == [("cup", 0), ("mug", 1)]


def test_different_objects_in_one_box_stay_separate(coffee: EncodedImage) -> None:
    detector = FakeDetector([("cup", 0.9, CUP), ("spoon", 0.8, SPOON)])
    assert len(coffee.segment_text("cup, spoon", detector=detector)) == 2


def test_limits_of_a_search_hold(segmenter: Segmenter, coffee: EncodedImage) -> None:
    rows = [("cup", 0.9, CUP), ("spoon", 0.8, SPOON), ("spoon", 0.7, (20, 20, 60, 60))]
    detector = FakeDetector(rows)
    assert len(coffee.segment_text("x", detector=detector, search=DetectionOptions(max_per_label=1))) == 2
    assert len(coffee.segment_text("x", detector=detector, search=DetectionOptions(threshold=0.85))) == 1
    assert len(coffee.segment_text("x", detector=detector, search=DetectionOptions(min_area=0.05))) == 2


def test_scores_of_both_survive_being_saved(coffee: EncodedImage, tmp_path: Path) -> None:
    result = coffee.segment_text("cup", detector="coco-ssd")
    result.save(tmp_path / "masks.json")
    (mask,) = find_format("masks-json").read(tmp_path / "masks.json")
    assert mask.label == "cup"
    assert mask.detector_score == pytest.approx(result[0].detector_score)
    assert mask.score == pytest.approx(result[0].score)
    assert iou(mask, result[0]) == 1


def test_labels_reach_supervision(coffee: EncodedImage) -> None:
    detections = coffee.segment_text("cup, table", detector="coco-ssd").to_supervision()
    assert list(detections.data["class_name"]) == ["cup", "dining table"]
    assert detections.mask.shape == (2, 400, 600)


def test_results_of_many_images_come_in_order(
    pipeline: GroundedSegmenter, coffee_path: Path, chelsea_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.prediction.grounded._BATCH", 2)

    def images() -> Iterator[Path]:
        yield from (coffee_path, chelsea_path, coffee_path)

    results = list(pipeline.many(images(), "cat, cup"))
    assert [[mask.label for mask in result] for result in results] == [["cup"], ["cat"], ["cup"]]
    assert iou(results[0][0], results[2][0]) > 0.999


def test_threads_share_a_pipeline(pipeline: GroundedSegmenter, coffee_path: Path, chelsea_path: Path) -> None:
    images = [coffee_path, chelsea_path] * 2
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda path: pipeline(path, "cat, cup"), images))
    assert [result[0].label for result in results] == ["cup", "cat"] * 2
    assert iou(results[0][0], results[2][0]) == iou(results[1][0], results[3][0]) == 1


def test_a_rotated_phone_image_gives_the_rotated_mask(
    pipeline: GroundedSegmenter, coffee_path: Path, tmp_path: Path
) -> None:
    import PIL.Image

    with PIL.Image.open(coffee_path) as original:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        original.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
        upright = open_image(original.convert("RGB"))
    (turned,), (straight,) = pipeline(tmp_path / "turned.png", "cup"), pipeline(upright, "cup")
    assert turned.size == straight.size == (600, 400)
    assert iou(turned, straight) > 0.98


class FakeLookAlikes(FakeDetector):
    """Finds two boxes for any crop, and remembers the crop."""

    def find_similar(self, pixels: np.ndarray, query: np.ndarray, *, threshold: float, label: str) -> Any:
        self.seen = query.shape, threshold
        return detections([(label, 0.9, CUP), (label, 0.8, SPOON)])


def test_more_things_like_the_one_in_a_box(segmenter: Segmenter, coffee_path: Path) -> None:
    detector = FakeLookAlikes([])
    result = GroundedSegmenter(segmenter, detector).find_similar(coffee_path, [170, 14.4, 411.6, 240], label="crockery")
    assert [mask.label for mask in result] == ["crockery", "crockery"]
    assert detector.seen == ((226, 242, 3), 0.6)


def test_a_detector_of_phrases_cannot_search_for_crops(pipeline: GroundedSegmenter, coffee_path: Path) -> None:
    with pytest.raises(PromptError, match="coco-ssd takes text only; owlv2-base and owlvit-base"):
        pipeline.find_similar(coffee_path, CUP)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"text": ""}, "text is ''"),
        ({"text": ["cup", " "]}, "a phrase is empty"),
        ({"text": "🐶"}, "has no letter"),
        ({"text": "unicorn"}, "coco-ssd knows 80 things"),
        ({"text": [f"thing {i}" for i in range(500)]}, "and 497 more"),
        ({"text": "cup", "select": "best"}, "select must be one of"),
    ],
)
def test_a_bad_text_prompt_is_refused_in_one_line(coffee: EncodedImage, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(PromptError) as refusal:
        coffee.segment_text(**{"detector": "coco-ssd", **arguments})
    assert reason in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_segmenters_and_detectors_are_not_taken_for_each_other(coffee: EncodedImage) -> None:
    with pytest.raises(ModelError, match="mobile-sam segments and does not detect"):
        coffee.segment_text("cup", detector="mobile-sam")
    with pytest.raises(ModelError, match="coco-ssd finds boxes and makes no masks"):
        load("coco-ssd")


def test_values_out_of_range_are_refused(segmenter: Segmenter) -> None:
    with pytest.raises(PromptError, match="mask_nms_thresh must lie between 0 and 1, not 2"):
        GroundedSegmenter(segmenter, "coco-ssd", mask_nms_thresh=2)
