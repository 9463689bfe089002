"""`anymask detect`, and words in `anymask segment`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main

Captured = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def test_boxes_are_printed_drawn_and_recorded(coffee_path: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("detect", coffee_path, "--text", "mug", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("cup 0.9")
    assert printed[1] == "note: 'mug' is taken as 'cup'"
    assert printed[2].startswith("detector coco-ssd, opencv f32: ")
    assert printed[3:] == [str(tmp_path / "out" / name) for name in ("overlay.png", "detections.json")]
    content = json.loads((tmp_path / "out" / "detections.json").read_text())
    (found,) = content["detections"]
    assert (found["label"], found["phrase"]) == ("cup", "mug")
    assert found["box"] == pytest.approx([174, 13, 411, 241], abs=3)
    assert printed[0].endswith("box " + ",".join(str(round(edge)) for edge in found["box"]))
    with PIL.Image.open(tmp_path / "out" / "overlay.png") as overlay, PIL.Image.open(coffee_path) as original:
        assert overlay.size == original.size
        changed = np.abs(np.asarray(overlay, int) - np.asarray(original, int)).sum(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert (columns.min(), columns.max()) == pytest.approx((174, 411), abs=6)
    assert rows.max() == pytest.approx(241, abs=6)


def test_json_and_nothing_else_on_standard_output(coffee_path: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("detect", coffee_path, "--text", "cup, table", "--json", "--out", tmp_path) == 0
    captured = capsys.readouterr().out
    assert captured == (tmp_path / "detections.json").read_text()
    content = json.loads(captured)
    assert list(content) == [
        "image", "detector", "engine", "precision", "version", "phrases", "notes", "detections", "seconds", "folder",
    ]  # fmt: skip
    assert (content["image"]["width"], content["image"]["height"]) == (600, 400)
    assert [each["label"] for each in content["detections"]] == ["cup", "dining table"]
    assert content["phrases"] == ["cup", "table"]


@pytest.mark.parametrize("arguments", [("--text", "cup", "dog"), ("cup", "dog"), ("--text", "cup", "--text", "dog")])
def test_several_texts_can_follow_each_other(
    coffee_path: Path, tmp_path: Path, capsys: Captured, arguments: tuple[str, ...]
) -> None:
    assert run("detect", coffee_path, *arguments, "--json", "--out", tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["phrases"] == ["cup", "dog"]


def test_a_printed_box_can_be_segmented(coffee_path: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("detect", coffee_path, "--text", "cup", "--out", tmp_path / "boxes") == 0
    box = capsys.readouterr().out.splitlines()[0].rpartition("box ")[2]
    assert run("segment", coffee_path, "--box", box, "--json", "--out", tmp_path / "by box") == 0
    by_box = json.loads(capsys.readouterr().out)["masks"][0]
    assert run("segment", coffee_path, "--text", "cup", "--json", "--out", tmp_path / "by word") == 0
    by_text = json.loads(capsys.readouterr().out)["masks"][0]
    assert by_text["box"] == pytest.approx(by_box["box"], abs=3)


def test_segment_with_text_writes_labelled_masks(coffee_path: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("segment", coffee_path, "--text", "mug,zebra", "--detector", "coco-ssd", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "mask 0: cup, detected with 0.9" in printed
    assert "note: 'mug' is taken as 'cup'" in printed
    assert "note: nothing was found for 'zebra'" in printed
    assert "detector coco-ssd: detect " in printed
    content = json.loads((tmp_path / "masks.json").read_text())
    assert content["detector"] == "coco-ssd"
    assert [prompt["text"] for prompt in content["prompts"]] == ["mug", "zebra"]
    (mask,) = content["masks"]
    assert (mask["label"], mask["prompt"], mask["file"]) == ("cup", 0, "mask_000.png")
    assert 0.9 < mask["detector_score"] < 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask_000.png", "masks.json", "overlay.png"]


@pytest.mark.parametrize("command", ["detect", "segment"])
def test_a_search_without_detections_is_reported_in_one_line(
    command: str, coffee_path: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run(command, coffee_path, "--text", "zebra", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "note: nothing was found for 'zebra'"
    assert (tmp_path / "overlay.png").is_file()
    record = json.loads((tmp_path / ("detections.json" if command == "detect" else "masks.json")).read_text())
    assert record["detections" if command == "detect" else "masks"] == []


@pytest.mark.parametrize("command", ["detect", "segment"])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--text", ""], "text is ''"),
        (["--text", "cup", "--text", " "], "text is ' '"),
        (["--text", "🐶"], "phrase '🐶' has no letter"),
        (["--text", "unicorn"], "anymask models pull owlv2-base"),
        ([word for i in range(500) for word in ("--text", f"thing {i}")], "and 497 more"),
        (["--text", "cup", "--detector", "owl"], "unknown detector 'owl'; there are coco-ssd"),
        (["--text", "cup", "--detector", "mobile-sam"], "mobile-sam segments and does not detect"),
        (["--text", "cup", "--detector", "owlvit-base"], "owlvit-base must be downloaded manually"),
        (["--text", "cup", "--detector", "none.onnx"], "there is no detector file none.onnx"),
        (["--text", "cup", "--threshold", "2"], "--threshold"),
        (["--text", "cup", "--zoom", "99"], "--zoom"),
        ([], "given: add --"),
    ],
)
def test_bad_input_is_refused_in_one_line_with_exit_code_2(
    command: str, arguments: list[str], reason: str, coffee_path: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run(command, coffee_path, *arguments, "--out", tmp_path / "out") == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("other", [("--box", "1,2,30,40"), ("--point", "3,4"), ("--exclude-point", "3,4"), ("--each",)])
def test_text_cannot_be_combined_with_other_prompts(
    other: tuple[str, ...], coffee_path: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run("segment", coffee_path, "--text", "cup", *other, "--out", tmp_path / "out") == 2
    assert "--text cannot be combined with --point" in capsys.readouterr().err


def test_limits_reach_the_search(coffee_path: Path, tmp_path: Path, capsys: Captured) -> None:
    everything = ["detect", coffee_path, "--text", "cup,bowl,table,spoon", "--json", "--out", tmp_path]
    assert run(*everything, "--threshold", "0.02") == 0
    many = json.loads(capsys.readouterr().out)["detections"]
    assert run(*everything, "--threshold", "0.9") == 0
    (cup,) = json.loads(capsys.readouterr().out)["detections"]
    assert run(*everything, "--threshold", "0.02", "--max-per-label", "1") == 0
    limited = [each["label"] for each in json.loads(capsys.readouterr().out)["detections"]]
    assert len(many) > len(limited) == len(set(limited))
    assert cup == many[0]


def test_the_default_folder_is_named_after_the_image(
    coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("detect", coffee_path, "--text", "cup", "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "anymask-out" / "coffee" / "detections.json").is_file()


def test_help_shows_examples_on_lines_of_their_own(capsys: Captured) -> None:
    assert run("detect", "--help") == 0
    assert "  anymask detect cat.jpg --text cat\n" in capsys.readouterr().out
