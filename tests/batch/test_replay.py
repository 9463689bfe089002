"""Every result can be made again from what it records."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from anymask import EncodedImage, GroundedSegmenter, InputError, Segmenter
from anymask.batch.replay import Replayer, results_in
from anymask.cli import main
from anymask.formats import masks_json
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import Call


def save(result: MaskSet, tmp_path: Path) -> Path:
    path = tmp_path / "masks.json"
    masks_json.write(result, path)
    return path


def make(segmenter: Segmenter, encoded: EncodedImage, kind: str) -> MaskSet:
    if kind == "boxes and points":
        return encoded.segment(
            boxes=[[170, 14, 412, 264], [315.5, 65, 430, 330], [0, 0, 900, 50]],
            points=[[(290, 60)], [], []], labels=[[0], None, None], select="part", max_hole_area=50,
        )  # fmt: skip
    if kind == "each point":
        return encoded.segment(points=[(290, 215), (362, 285), (60, 60)], labels=[1, 1, 0], objects="per_point")
    if kind == "groups":
        return encoded.segment(
            points=[(0.48, 0.54), (0.6, 0.71), (0.93, 0.15)], objects="auto", coordinates="normalized"
        )
    if kind == "everything":
        return encoded.everything(points_per_side=6, min_mask_region_area=20, roi=[0, 0, 400, 400])
    if kind == "everything cut short":
        calls: list[int] = []
        return encoded.everything(
            points_per_side=8, points_per_batch=4, stop=lambda: len(calls) >= 3, progress=lambda _: calls.append(1)
        )
    if kind == "refiltered":
        return encoded.everything(points_per_side=6).refilter(pred_iou_thresh=0.7)
    return GroundedSegmenter(segmenter, "coco-ssd", max_hole_area=9)(encoded.source, "cup, spoon")


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    """Loads the model once for all results, as one command does."""
    return Replayer()


SLOW_KINDS = ("groups", "everything cut short", "refiltered", "text")


@pytest.mark.parametrize(
    "kind",
    [
        "boxes and points",
        "everything",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("each point", "groups", "everything cut short", "refiltered", "text")
        ),
    ],
)
def test_the_same_masks_bit_for_bit(
    segmenter: Segmenter, coffee: EncodedImage, replayer: Replayer, tmp_path: Path, kind: str
) -> None:
    before = make(segmenter, coffee, kind)
    assert len(before)
    replay = replayer(save(before, tmp_path))
    assert replay.alike
    assert replay.same
    assert replay.ious == (1.0,) * len(before)
    assert [mask.score for mask in replay.now] == [mask.score for mask in before]
    assert replay.now.provenance.call == before.provenance.call


@pytest.mark.slow
def test_another_engine_is_measured(segmenter: Segmenter, coffee: EncodedImage, tmp_path: Path, capsys: Any) -> None:
    path = save(make(segmenter, coffee, "each point"), tmp_path)
    options = ["--engine", "onnxruntime", "--precision", "f32"]
    assert main(["replay", str(path), *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["engine"], report["alike"], report["masks_now"]) == ("onnxruntime", False, 2)
    assert 0.99 < report["least_iou"] <= 1
    assert len(report["ious"]) == 2


@pytest.mark.slow
def test_masks_that_are_not_the_models_are_detected(
    segmenter: Segmenter, coffee: EncodedImage, tmp_path: Path, capsys: Any
) -> None:
    path = save(make(segmenter, coffee, "each point"), tmp_path)
    content = json.loads(path.read_text())
    content["masks"][0]["rle"], content["masks"][1]["rle"] = content["masks"][1]["rle"], content["masks"][0]["rle"]
    path.write_text(json.dumps(content))
    assert main(["replay", str(path)]) == 1
    assert ", least 0." in capsys.readouterr().out


@pytest.mark.slow
def test_the_masks_can_be_written_again(segmenter: Segmenter, coffee: EncodedImage, tmp_path: Path) -> None:
    path = save(make(segmenter, coffee, "each point"), tmp_path)
    assert main(["replay", str(path), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    again = json.loads((tmp_path / "again" / "masks.json").read_text())
    assert [mask["rle"] for mask in again["masks"]] == [mask["rle"] for mask in json.loads(path.read_text())["masks"]]
    assert (tmp_path / "again" / "mask_001.png").is_file()


@pytest.fixture
def result(segmenter: Segmenter, coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result in a folder with its image, named by a relative path."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(coffee_path, "photo.jpg")
    return save(segmenter.encode("photo.jpg").segment(points=[(290, 215)]), tmp_path)


@pytest.mark.slow
def test_an_image_can_be_replayed_from_elsewhere_and_may_move(
    result: Path, replayer: Replayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result.parent / "elsewhere").mkdir()
    monkeypatch.chdir(result.parent / "elsewhere")
    assert replayer(result).same
    (result.parent / "photo.jpg").rename("photo.jpg")
    (result.parent / "photo.d").mkdir()
    for image, same in ((result.parent / "photo.d", False), (Path(), True), (Path("photo.jpg"), True)):
        monkeypatch.setattr(replayer, "image", image)
        if same:
            assert replayer(result).same
        else:
            with pytest.raises(InputError, match=r"the image photo\.jpg of .* is not there"):
                replayer(result)


def test_another_image_is_refused(result: Path, replayer: Replayer, chelsea_path: Path) -> None:
    shutil.copyfile(chelsea_path, "photo.jpg")
    with pytest.raises(InputError, match=r"is not the image that .* was made from"):
        replayer(result)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "0" * 64}, "other weights of mobile-sam"),
        ({"weights": None}, "does not state how it was made"),
        ({"call": None}, "does not state how it was made"),
        ({"call": Call("guess").as_dict()}, "'guess', which this version"),
        ({"call": Call("segment", {"select": {"unrepeatable": "function"}}).as_dict()}, "select was a function"),
        ({"prompts": [{"points": [[290, 215]], "labels": [1], "mask_input": True}]}, "from an earlier mask"),
    ],
)
def test_what_cannot_be_made_again_says_why(
    result: Path, replayer: Replayer, change: dict[str, Any], words: str
) -> None:
    result.write_text(json.dumps({**json.loads(result.read_text()), **change}))
    with pytest.raises(InputError, match=words):
        replayer(result)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no result in"):
        results_in(tmp_path)


@pytest.mark.parametrize(("names", "words"), [((), "0 masks.json"), (("a/masks.json", "b/masks.json"), "2 masks.json")])
def test_a_zip_that_is_no_result_is_one_line(
    names: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("other.txt", *names):
            archive.writestr(name, "{}")
    assert main(["replay", str(tmp_path / "a.zip")]) == 2
    assert f"anymask: there are {words} in {tmp_path}/a.zip" in capsys.readouterr().err


def test_a_damaged_zip_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/masks.json", "{here}")
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes().replace(b"{here}", b"{gone}"))
    assert main(["replay", str(tmp_path / "a.zip")]) == 2
    assert "cannot read a/masks.json in" in capsys.readouterr().err
