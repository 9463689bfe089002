"""`anymask stats` tells what a dataset consists of, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main
from anymask.visualization.overlay import PALETTE

POLYGON = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A YOLO dataset with an object twice, a broken line, a background, and labels whose image is gone."""
    folder = tmp_path / "cups"
    labels = {"a": f"0 {POLYGON}\n0 {POLYGON}\n1 {POLYGON}\n7 0.5\n", "b": "", "gone": f"0 {POLYGON}"}
    for name, text in labels.items():
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text(text)
        if name != "gone":
            PIL.Image.new("RGB", (80, 60)).save(folder / "images" / f"{name}.jpg")
    (folder / "data.yaml").write_text("train: images\nnames: [cup, Straße, plate]\n")
    lines = [{"photo": f"{name}.jpg", "width": 80, "height": 60} for name in labels]
    (folder / "photos.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


def test_a_table_and_what_is_wrong(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(dataset)]) == 0
    said = capsys.readouterr().out
    for line in (
        f"{dataset}: 3 images, 4 masks of 3 classes",
        "  1 image without objects",
        "cup           3       2      0       3      0",
        "plate         0       0      0       0      0",
        "overlaps: 3 pairs of objects with an IoU above 0.5; 1 of one class have 0.9 or more",
        "  a.jpg: objects 0 and 1, cup and cup, IoU 1.00",
        "image files: 2 found, 1 missing or of another size",
        "  gone.jpg",
        "broken, or no mask: 1 × broken line",
    ):
        assert line in said.splitlines()


def test_json_has_everything(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(dataset), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"]["cup"] == {"objects": 3, "images": 2, "small": 0, "medium": 3, "large": 0}
    assert found["areas"]["50%"] == 1200
    assert found["overlaps"]["duplicates"] == 1
    assert found["missing_images"] == ["gone.jpg"]
    assert found["skipped"]["counts"] == {"broken line": 1}


def test_the_plot_is_an_image(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(dataset), "--plot", str(tmp_path / "new" / "cups.png"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    pixels = np.asarray(PIL.Image.open(tmp_path / "new" / "cups.png").convert("RGB"))
    medium = (pixels == PALETTE[4]).all(axis=-1)
    assert medium.sum() > 1000, "bars of the colour of medium objects"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "nothing"),
        (["cups", "--plot", "cups.jpg"], ".png"),
        (["cups", "--plot", "cups/images/a.png"], "input"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(dataset.parent)
    PIL.Image.new("RGB", (80, 60)).save("cups/images/a.png")
    before = Path("cups/images/a.png").read_bytes()
    assert main(["stats", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert Path("cups/images/a.png").read_bytes() == before
