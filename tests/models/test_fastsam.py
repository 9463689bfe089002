"""What prompts mean to FastSAM, on segments that are known; `tests/reference` compares its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import anymask
from anymask import EncodedImage, ModelError, PromptError, WeightsError, weights
from anymask.cli import main
from anymask.models.fastsam.model import FastSam
from tests.support.fake_fastsam import fake_fastsam

# The image is 160×120, and lies in the square with 20 grey rows above it.
WHOLE, CUP, SPECK, HANDLE, PLATE = 0, 1, 2, 3, 4
SEGMENTS = [
    (0.9, (8, 28, 152, 132)),
    (0.85, (24, 40, 64, 80)),
    (0.45, (40, 56, 44, 60)),
    (0.7, (96, 48, 140, 112)),
    (0.8, (100, 52, 120, 72)),
    (0.5, (8, 28, 152, 128)),  # the whole once more
    (0.2, (80, 132, 92, 140)),
]
BOXES = [[x0, y0 - 20, x1, y1 - 20] for _, (x0, y0, x1, y1) in SEGMENTS]
"""The tight boxes of the segments in the image."""
ON_CUP, ON_SPECK, ON_RIGHT, ON_RIGHT_PART, ON_TABLE, OUTSIDE = (
    (30, 30),
    (42, 38),
    (130, 80),
    (110, 40),
    (80, 60),
    (4, 4),
)


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def loaded(path: Path, **options: Any) -> anymask.Segmenter:
    if "drawn" not in weights.all_models():
        weights.add_model("drawn", [path], family="fastsam")
    return anymask.load("drawn", **{"engine": "onnxruntime", "device": "cpu", "threads": 1, **options})


@pytest.fixture
def encoded(tmp_path: Path, pixels: np.ndarray) -> EncodedImage:
    return loaded(fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS)).encode(pixels)


def boxes_of(result: Any) -> list[list[int]]:
    return [mask.box for mask in result]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"points": [ON_CUP]}, CUP),
        ({"points": [ON_SPECK]}, CUP),  # the speck there is much less sure, and so no sensible segment
        ({"points": [ON_SPECK], "select": "part"}, SPECK),
        ({"points": [ON_SPECK], "select": "score"}, WHOLE),
        ({"points": [ON_TABLE]}, WHOLE),
        ({"points": [ON_RIGHT]}, HANDLE),
        ({"points": [ON_RIGHT_PART, ON_RIGHT]}, HANDLE),  # the smallest that has both
        ({"points": [ON_CUP, ON_RIGHT]}, WHOLE),
        ({"points": [ON_RIGHT_PART, ON_RIGHT], "labels": [1, 0]}, PLATE),
        ({"box": [26, 22, 60, 58]}, CUP),
        ({"box": [0, 0, 160, 120]}, WHOLE),
    ],
)
def test_a_prompt_means_one_segment(encoded: EncodedImage, asked: dict[str, Any], expected: int) -> None:
    (mask,) = encoded.segment(**asked)
    assert mask.box == BOXES[expected]
    assert mask.score == pytest.approx(SEGMENTS[expected][0])
    assert (mask.logits, mask.stability) == (None, None)
    assert mask.follows_prompt
    assert mask.array.shape == (120, 160)


def test_several_objects_come_in_the_order_of_their_prompts(encoded: EncodedImage) -> None:
    order = [PLATE, CUP, HANDLE, CUP]
    assert boxes_of(encoded.segment(boxes=[BOXES[i] for i in order])) == [BOXES[i] for i in order]
    assert boxes_of(encoded.segment(points=[ON_RIGHT, ON_CUP], objects="per_point")) == [BOXES[HANDLE], BOXES[CUP]]
    ragged = encoded.segment(boxes=[BOXES[CUP], BOXES[PLATE]], points=[[], [ON_RIGHT]])
    assert boxes_of(ragged) == [BOXES[CUP], BOXES[HANDLE]]


def test_points_come_before_the_box(encoded: EncodedImage) -> None:
    like_the_plate = [98, 30, 118, 50]
    assert encoded.segment(box=like_the_plate)[0].box == BOXES[PLATE]
    (mask,) = encoded.segment(box=like_the_plate, points=[ON_RIGHT])
    assert mask.box == BOXES[HANDLE]
    assert mask.follows_prompt.points == (True,)
    assert not mask.follows_prompt


def test_an_excluded_click_is_cut_out_where_no_segment_leaves_it_out(encoded: EncodedImage) -> None:
    (mask,) = encoded.segment(points=[ON_TABLE, ON_CUP], labels=[1, 0])
    assert mask.follows_prompt
    whole, cup = (encoded.segment(points=[point])[0].array for point in (ON_TABLE, ON_CUP))
    assert np.array_equal(mask.array, whole & ~cup)


def test_clicks_that_no_segment_has_together_join_theirs(encoded: EncodedImage) -> None:
    (mask,) = encoded.segment(points=[ON_CUP, ON_RIGHT, ON_TABLE], labels=[1, 1, 0])
    cup, handle = (encoded.segment(points=[point])[0].array for point in (ON_CUP, ON_RIGHT))
    assert np.array_equal(mask.array, cup | handle)
    assert mask.follows_prompt


def test_union_mode_joins_all_segments_under_included_points(encoded: EncodedImage) -> None:
    (every,) = encoded.segment(points=[ON_RIGHT_PART], mode="union")
    assert every.box == BOXES[WHOLE]
    (some,) = encoded.segment(points=[ON_RIGHT_PART, ON_TABLE], labels=[1, 0], mode="union")
    assert some.box == BOXES[HANDLE]
    with pytest.raises(PromptError, match="mode must be one of object, union, not 'all'"):
        encoded.segment(points=[ON_CUP], mode="all")


def test_clicks_are_grouped_by_segments(encoded: EncodedImage) -> None:
    two = encoded.segment(points=[ON_CUP, ON_RIGHT, ON_RIGHT_PART], objects="auto")
    assert boxes_of(two) == [BOXES[CUP], BOXES[HANDLE]]
    assert [len(prompt.points) for prompt in two.prompts] == [1, 2]
    assert boxes_of(encoded.segment(points=[ON_RIGHT, ON_RIGHT_PART], objects="auto")) == [BOXES[HANDLE]]


def test_where_nothing_lies_the_mask_is_empty_and_does_not_follow_its_prompt(encoded: EncodedImage) -> None:
    for asked in ({"points": [OUTSIDE]}, {"box": [0, 110, 5, 119]}, {"points": [OUTSIDE], "mode": "union"}):
        result = encoded.segment(**asked)
        assert (result[0].area, result[0].score, bool(result[0].follows_prompt)) == (0, 0.0, False)
        assert result.prompts[0].notes == ("no segment of sufficient confidence lies there; a lower conf finds more",)
    (found,) = encoded.segment(points=[(85, 115)], conf=0.1)
    assert found.box == BOXES[6]


def test_everything_is_what_the_settings_leave_the_surest_first(encoded: EncodedImage) -> None:
    result = encoded.everything()
    assert boxes_of(result) == [BOXES[i] for i in (WHOLE, CUP, PLATE, HANDLE, SPECK)]
    assert [mask.score for mask in result] == sorted((mask.score for mask in result), reverse=True)
    assert len(encoded.everything(iou=1.0)) == 6
    assert len(encoded.everything(conf=0.1)) == 6
    assert len(result.refilter(conf=0.75)) == len(encoded.everything(conf=0.75)) == 3
    assert len(encoded.everything(max_det=2)) == 2
    assert boxes_of(encoded.everything(min_area=20, max_area=2000)) == [BOXES[CUP], BOXES[PLATE]]
    assert boxes_of(encoded.everything(roi=[90, 0, 159, 119], max_det=3)) == [BOXES[PLATE]]
    assert result.tree.parents.tolist() == [-1, 0, 3, 0, 1]
    assert (result.partition().labels > 0).all()
    assert result.provenance.call.options["conf"] == 0.4


def test_settings_of_load_hold_for_every_call(tmp_path: Path, pixels: np.ndarray) -> None:
    path = fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS)
    encoded = loaded(path, conf=0.75, max_det=2).encode(pixels)
    assert len(encoded.everything()) == 2
    assert encoded.segment(points=[ON_RIGHT])[0].box == BOXES[WHOLE]
    assert encoded.segment(points=[ON_RIGHT], conf=0.4, max_det=9)[0].box == BOXES[HANDLE]
    assert encoded.segment(points=[ON_RIGHT])[0].box == BOXES[WHOLE]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_exports_that_suppress_boxes_themselves_and_the_store(
    tmp_path: Path, pixels: np.ndarray, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = loaded(fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS, suppressed=True), engine=engine)
    assert segmenter.precision == "f32"
    first = segmenter.encode(pixels)
    assert len(first.everything(iou=0.1)) == 6  # nothing is suppressed twice
    monkeypatch.setattr(FastSam, "encode", lambda *_: pytest.fail("the pass was not stored"))
    again = segmenter.encode(pixels)
    assert boxes_of(again.segment(points=[ON_CUP])) == [BOXES[CUP]]


def test_an_open_input_sees_the_smallest_frame(tmp_path: Path) -> None:
    path = fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS, shape=("n", 3, "h", "w"))
    family = loaded(path, imgsz=640).network
    assert isinstance(family, FastSam)
    assert family.frame((600, 400)).sides == (640, 448)
    assert family.frame((400, 600)).sides == (448, 640)
    assert loaded(path).network.imgsz == 160  # what the export says


def test_text_is_left_to_the_detector(encoded: EncodedImage) -> None:
    def cups(pixels: np.ndarray, phrases: Any) -> Any:
        return [[24, 20, 64, 60], [25, 21, 64, 60], [96, 28, 140, 92]], ["cup", "cup", "cup"], [0.9, 0.8, 0.7]

    result = encoded.segment_text("cup", detector=cups)
    assert boxes_of(result) == [BOXES[CUP], BOXES[HANDLE]]
    assert [mask.label for mask in result] == ["cup", "cup"]


def test_what_it_cannot_do_is_refused_in_one_line(encoded: EncodedImage) -> None:
    first = encoded.segment(points=[ON_CUP])[0]
    refused = [
        (lambda: encoded.segment(points=[ON_CUP], previous=first), "drawn takes no mask as a prompt"),
        (lambda: encoded.segment(mask_input=np.zeros((1, 256, 256))), "drawn takes no mask as a prompt"),
        (lambda: encoded.predict(points=[ON_CUP], mask_input=np.zeros((1, 256, 256))), "takes no mask as a prompt"),
        (lambda: encoded.predict(points=[ON_CUP]).logits, "drawn has no logits"),
        (lambda: list(encoded.predict(points=[ON_CUP])), "drawn has no logits"),
        (lambda: encoded.predict(points=[ON_CUP]).stability, "drawn has no stability|drawn has no frame"),
        (lambda: encoded.embedding, "drawn has no embedding"),
        (lambda: encoded.everything(points_per_side=8), "takes no points_per_side: conf, iou and max_det"),
    ]
    for ask, words in refused:
        with pytest.raises(ModelError, match=words) as raised:
            ask()
        assert "\n" not in str(raised.value)
    for settings in ({"conf": 0}, {"conf": 1.5}, {"iou": -0.1}, {"max_det": 0}, {"max_det": 1.5}, {"conf": "x"}):
        with pytest.raises(PromptError, match=f"{next(iter(settings))} must"):
            encoded.everything(**settings)
    with pytest.raises(TypeError, match=r"everything\(\) has no option 'points'"):
        encoded.everything(points=3)


def test_candidates_are_the_segments_that_keep_the_prompt(encoded: EncodedImage) -> None:
    found = encoded.predict(points=[ON_SPECK])
    assert found.masks.shape == (3, 120, 160)
    assert found.scores.tolist() == pytest.approx([0.45, 0.85, 0.9])
    assert [int(mask.sum()) for mask in found.masks] == sorted(int(mask.sum()) for mask in found.masks)
    assert len(encoded.predict(points=[ON_SPECK], multimask=False).scores) == 1
    assert encoded.predict(box=BOXES[CUP]).scores[0] == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"imgsz": 640}, "takes 160x160 only: imgsz=640 needs an export with dynamic=True"),
        ({}, {"points_per_side": 8}, "have no option 'points_per_side': it takes imgsz, conf, iou, max_det"),
        ({"shape": ("n", 3, "h", "w")}, {"imgsz": 641}, "imgsz must be a multiple of 32"),
        ({"shape": (4, 3, 160, 160)}, {}, "takes 4 images at a time: export it with batch=1"),
        ({"shape": (1, 1, 160, 160)}, {}, "a YOLO export takes one"),
        ({"element": TensorProto.FLOAT16}, {}, "half precision"),
        ({"outputs": ("output0",)}, {}, r"is not a FastSAM export: its outputs are \[1, 37, 64\]"),
    ],
)
def test_other_exports_and_options_are_refused_before_any_work(
    tmp_path: Path, change: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    path = fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS, **change)
    with pytest.raises(ModelError, match=words) as raised:
        loaded(path, **options)
    assert "\n" not in str(raised.value)


def test_a_checkpoint_that_was_not_exported_is_refused_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "FastSAM-s.pt").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"yolo export model=FastSAM-s\.pt format=onnx"):
        loaded(tmp_path / "FastSAM-s.pt")


def test_the_licence_gate_asks(tmp_path: Path, chelsea_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"FastSAM-s\.pt, make FastSAM-s\.onnx of it with 'yolo export .*AGPL-3\.0"):
        anymask.load("fastsam-s")
    path = fake_fastsam(tmp_path / "FastSAM-s.onnx", SEGMENTS)
    assert main(["models", "add", "fastsam-s", str(path), "--family", "fastsam", "--licence", "AGPL-3.0"]) == 0
    asked = [
        "segment",
        str(chelsea_path),
        "--point",
        "200,150",
        "--model",
        "fastsam-s",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(asked) == 1
    assert "allow it by name: --allow agpl-3.0" in capsys.readouterr().err
    with pytest.raises(WeightsError, match=r"only apache-2\.0 may be used"):
        anymask.load("fastsam-s", allow="apache-2.0")
    assert main([*asked, "--allow", "agpl-3.0"]) == 0
    assert not (tmp_path / "out" / "mask_001.png").exists()


def test_everything_from_the_command_line(
    tmp_path: Path, chelsea_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.add_model("drawn", [fake_fastsam(tmp_path / "drawn.onnx", SEGMENTS)], family="fastsam")
    asked = ["everything", str(chelsea_path), "--model", "drawn", "--out", str(tmp_path / "out")]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["masks"]) == 5
    assert all(mask["stability"] is None for mask in told["masks"])
    assert main([*asked, "--json", "--model-option", "conf=0.75", "--model-option", "max_det=2"]) == 0
    assert len(json.loads(capsys.readouterr().out)["masks"]) == 2
    for wrong in (
        ["--model-option", "conf"],
        ["--model-option", "conf=1", "--model-option", "conf=1"],
        ["--model-option", "shape=1"],
        ["--model-option", "conf=7"],
    ):
        assert main([*asked, *wrong]) == 2
        assert capsys.readouterr().err.strip().count("\n") <= 3  # click's own usage lines
    assert main([*asked, "--points-per-side", "8"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
