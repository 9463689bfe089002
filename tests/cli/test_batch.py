"""`anymask batch` as a person runs it, apart from killed processes and full disks (tests/batch)."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from anymask import Segmenter, load, open_image
from anymask.cli import main
from anymask.prediction.embedding_cache import EmbeddingStore

CUP, SPOON = [170, 14, 242, 250], [315, 65, 115, 265]


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images and a broken one, with boxes.json beside the folder; the test runs there."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    shutil.copyfile(coffee_path, folder / "coffee.jpg")
    shutil.copyfile(chelsea_path, folder / "cats" / "chelsea.jpg")
    (folder / "broken.jpg").write_bytes(coffee_path.read_bytes()[:20000])
    images = [{"id": 1, "file_name": "coffee.jpg"}, {"id": 2, "file_name": "cats/chelsea.jpg"}]
    content = {
        "images": [*images, {"id": 3, "file_name": "broken.jpg"}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "spoon"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": CUP},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": SPOON},
            {"id": 3, "image_id": 3, "category_id": 2, "bbox": SPOON},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return folder


def test_boxes_of_a_coco_file_become_labelled_masks_in_a_coco_file(
    folder: Path, segmenter: Segmenter, capsys: Any
) -> None:
    options = ["--precision", "f32", "--format", "coco", "--format", "png"]
    assert run("batch", "photos", "--prompts", "boxes.json", "--out", "out", *options) == 1
    printed = capsys.readouterr()
    assert "3 images: 2 done, 1 failed; 2 masks" in printed.out
    assert printed.err.startswith("failed: photos/broken.jpg: the image is truncated or damaged")
    content = json.loads(Path("out/results/coffee.jpg.json").read_text())
    assert [mask["label"] for mask in content["masks"]] == ["cup", "spoon"]
    boxes = [[x, y, x + width, y + height] for x, y, width, height in (CUP, SPOON)]
    expected = segmenter.encode(folder / "coffee.jpg").segment(boxes=boxes)
    assert [mask["rle"] for mask in content["masks"]] == [mask.rle for mask in expected]
    nothing = json.loads(Path("out/results/cats/chelsea.jpg.json").read_text())
    assert (nothing["masks"], nothing["image"]["width"]) == ([], 451)
    assert sorted(path.name for path in Path("out/png/coffee.jpg").iterdir()) == ["mask_000.png", "mask_001.png"]
    dataset = COCO("out/coco.json")
    assert [each["file_name"] for each in dataset.loadImgs(dataset.getImgIds())] == ["coffee.jpg", "cats/chelsea.jpg"]
    assert np.array_equal(dataset.annToMask(dataset.anns[1]).astype(bool), expected[0].array)
    assert {each["name"] for each in dataset.cats.values()} >= {"cup", "spoon"}
    with Path("out/failures.csv").open() as table:
        (failure,) = csv.DictReader(table)
    assert failure["photo"] == "broken.jpg"


def test_a_repaired_image_is_done_the_next_time_and_nothing_else(folder: Path, coffee_path: Path, capsys: Any) -> None:
    command = ["batch", "photos", "--prompts", "boxes.json", "--out", "out", "--json"]
    assert run(*command) == 1
    first = json.loads(capsys.readouterr().out)
    assert (first["now"], first["done"], first["failed"]) == (3, 2, 1)
    assert run(*command) == 1
    assert json.loads(capsys.readouterr().out)["now"] == 0
    shutil.copyfile(coffee_path, folder / "broken.jpg")
    assert run(*command) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["now"], report["done"], report["failed"], report["masks"]) == (1, 3, 0, 3)
    assert not Path("out/failures.csv").exists()


def test_fail_fast_stops_at_the_broken_image(folder: Path, capsys: Any) -> None:
    (folder / "broken.jpg").rename(folder / "a.jpg")
    for number in range(60):
        shutil.copyfile(folder / "coffee.jpg", folder / f"more_{number}.jpg")
    command = ["batch", "photos", "--embed-only", "--out", "out", "--json"]
    assert run(*command, "--fail-fast") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] == 1
    assert report["waiting"] > 0
    assert run(*command) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["done"], report["failed"], report["waiting"]) == (62, 1, 0)


def test_an_address_of_a_local_folder_is_that_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(
        json.dumps({"images": [{"id": 1, "file_name": "coffee.jpg"}], "annotations": []})
    )
    assert run("batch", f"file://{folder}", "--prompts", "boxes.json", "--out", f"file://{tmp_path}/there", "-q") == 0
    assert json.loads((tmp_path / "there/results/coffee.jpg.json").read_text())["masks"] == []


@pytest.mark.slow
def test_everything_and_replay_of_the_whole_folder(folder: Path, capsys: Any) -> None:
    (folder / "broken.jpg").unlink()
    assert run("batch", "photos", "--everything", "--points-per-side", 5, "--out", "photos/out", "--quiet") == 0
    assert run("batch", "photos", "--everything", "--points-per-side", 5, "--out", "photos/out") == 0
    assert "2 images: 2 done" in capsys.readouterr().out
    assert run("replay", "photos/out") == 0
    assert "2 of 2 results the same bit for bit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--select", "part"], "options.select was object, now part"),
        (["--precision", "f32", "--engine", "onnxruntime"], "engine was"),
        (["--images", "photos/cats"], "--images was none, now"),
    ],
)
def test_other_settings_in_a_begun_folder_are_refused(
    folder: Path, capsys: Any, changed: list[str], message: str
) -> None:
    command = ["batch", "photos/coffee.jpg", "--prompts", "boxes.json", "--out", "out"]
    run(*command)
    before = Path("out/results/coffee.jpg.json").read_bytes()
    capsys.readouterr()
    assert run(*command, *changed) == 2
    printed = capsys.readouterr()
    assert "out was begun with other settings" in printed.err
    assert "--restart" in printed.err
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert Path("out/results/coffee.jpg.json").read_bytes() == before


def test_only_the_image_with_other_boxes_is_processed_again(folder: Path, capsys: Any) -> None:
    command = ["batch", "photos", "--prompts", "boxes.json", "--out", "out", "--json"]
    run(*command)
    content = json.loads(Path("boxes.json").read_text())
    content["annotations"][0]["bbox"][0] += 1
    Path("boxes.json").write_text(json.dumps(content))
    untouched = Path("out/results/cats/chelsea.jpg.json").stat()
    capsys.readouterr()
    run(*command)
    assert json.loads(capsys.readouterr().out)["now"] == 1
    box = json.loads(Path("out/results/coffee.jpg.json").read_text())["prompts"][0]["box"]
    assert box == [171, 14, 413, 264]
    assert Path("out/results/cats/chelsea.jpg.json").stat().st_mtime_ns == untouched.st_mtime_ns


def test_embed_only_stores_the_embedding_of_every_image(
    folder: Path, tmp_path: Path, segmenter: Segmenter, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("batch", "photos", "--embed-only", "--precision", "f32", "--out", "out", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["done"], report["failed"]) == (2, 1)
    with_store = load("mobile-sam", precision="f32")
    path = with_store.embedding_path(open_image(folder / "coffee.jpg"))
    assert path is not None
    assert path.is_file()
    assert np.array_equal(
        with_store.encode(folder / "coffee.jpg").tokens, segmenter.encode(folder / "coffee.jpg").tokens
    )
    path.unlink()
    assert run("batch", "photos", "--embed-only", "--precision", "f32", "--out", "out", "--json") == 1
    assert json.loads(capsys.readouterr().out)["now"] == 1


def test_a_store_too_small_for_the_job_is_refused_before_it_starts(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddingStore, "cap", 5_000_000)
    assert run("batch", "photos", "--embed-only", "--out", "out") == 2
    assert "--store-gb" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos", "--out", "out"], "say what to do"),
        (["photos", "--out", "out", "--everything", "--text", "cup"], "say what to do"),
        (["photos", "--everything"], "--out"),
        (["nowhere", "--out", "out", "--everything"], "there is no nowhere"),
        (["empty", "--out", "out", "--everything"], "there are no images in empty"),
        (["photos", "--out", "out", "--everything", "--format", "jpeg2"], "no format is called 'jpeg2'"),
        (["photos", "--out", "out", "--everything", "--points-per-side", "0"], "points-per-side"),
        (["photos", "--out", "out", "--text", "zebra crossing lamp"], "zebra crossing lamp"),
        (["photos", "--out", "photos/coffee.jpg", "--everything"], "it is a file"),
        (["photos", "--out", "out", "--everything", "--model", "sam-vit-x"], "sam-vit-x"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder: Path, capsys: Any, arguments: list[str], message: str) -> None:
    Path("empty").mkdir()
    assert run("batch", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_a_damaged_manifest_is_refused_and_stays(folder: Path, capsys: Any) -> None:
    Path("out").mkdir()
    Path("out/manifest.sqlite").write_bytes(b"something else, of the same name" * 99)
    assert run("batch", "photos", "--everything", "--out", "out") == 2
    assert "is damaged, or not a manifest" in capsys.readouterr().err
    assert Path("out/manifest.sqlite").read_bytes().startswith(b"something else")
