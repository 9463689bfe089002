"""Every recipe works as a program, with real weights."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image
import pytest

from anymask import Segmenter
from anymask.formats import yolo
from anymask.server.connection import ServerError
from anymask.structures.overlap import iou

RECIPES = Path(__file__).parent.parent.parent / "examples" / "recipes"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, coffee_path: Path, chelsea_path: Path) -> Path:
    """A folder with the images of the cup and the cat."""
    folder = tmp_path_factory.mktemp("images")
    for path in (coffee_path, chelsea_path):
        shutil.copy(path, folder)
    return folder


def run(*command: str | Path, code: int = 0) -> str:
    """Run a recipe as a program, with the commands of this environment; returns its output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    first = [sys.executable] if str(command[0]).endswith(".py") else ["sh"]
    done = subprocess.run([*first, *map(str, command)], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def recipe(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_product_is_cut_out_and_centred_on_white(coffee_path: Path, tmp_path: Path) -> None:
    run(RECIPES / "cut_out_product.py", coffee_path, "--box", "75,15,480,395", "--side", "300", "--out", tmp_path)
    with PIL.Image.open(tmp_path / "coffee.png") as opened:
        alpha = np.asarray(opened.getchannel("A"))
    assert 0.6 < (alpha > 127).mean() < 0.9  # an ellipse in its box fills 0.79 of it
    assert not alpha[:5, :5].any()
    with PIL.Image.open(tmp_path / "coffee.jpg") as opened:
        square = np.asarray(opened)
    assert square.shape == (300, 300, 3)
    rows, columns = np.nonzero((square < 245).any(axis=2))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(150, abs=8)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(150, abs=8)
    assert columns.max() - columns.min() == pytest.approx(0.85 * 300, abs=15)


def test_a_missing_image_is_reported_in_one_line(tmp_path: Path) -> None:
    said = run(RECIPES / "cut_out_product.py", "missing.jpg", "--box", "0,0,9,9", "--out", tmp_path / "out", code=1)
    assert said.splitlines() == ["cut_out_product: missing.jpg: no such file"]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_cells_are_counted(segmenter: Segmenter) -> None:
    count_cells, number = recipe("count_cells"), 40
    encoded = segmenter.encode(count_cells.draw_cells(number, seed=1))
    cells = count_cells.find_cells(encoded, 24, 90, 0.7, 24)
    assert abs(len(cells) - number) <= 0.05 * number
    assert all(iou(one.array, other.array) < 0.1 for one in cells for other in cells if one is not other)


@pytest.mark.slow
def test_the_count_comes_with_a_table_and_an_image(tmp_path: Path) -> None:
    said = run(RECIPES / "count_cells.py", "--draw", "12", "--out", tmp_path)
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert said.startswith(f"{len(rows)} cells, ")
    assert len(rows) == 12
    with PIL.Image.open(tmp_path / "counted.png") as counted, PIL.Image.open(tmp_path / "drawn.png") as drawn:
        assert counted.size == drawn.size
        assert np.any(np.asarray(counted.convert("RGB")) != np.asarray(drawn))


@pytest.mark.slow
def test_a_folder_becomes_a_yolo_dataset(images: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    run(RECIPES / "label_for_yolo.sh", images, made, "cup, cat")
    assert {path.name for path in (made / "yolo" / "images").iterdir()} == {"coffee.jpg", "chelsea.jpg"}
    labels = {masks.record.path: [mask.label for mask in masks] for masks in yolo.read_dataset(made / "yolo")}
    assert {Path(str(path)).name: names for path, names in labels.items()} == {
        "coffee.jpg": ["cup"],
        "chelsea.jpg": ["cat"],
    }
    before = (made / "yolo" / "data.yaml").read_bytes()
    assert "already exists" in run(RECIPES / "label_for_yolo.sh", images, made, "cup, cat", code=2)
    assert (made / "yolo" / "data.yaml").read_bytes() == before


def test_text_that_the_detector_does_not_know_makes_no_dataset(images: Path, tmp_path: Path) -> None:
    assert "unicorn" in run(RECIPES / "label_for_yolo.sh", images, tmp_path / "made", "unicorn", code=2)
    assert not (tmp_path / "made" / "yolo").exists()


def test_a_client_waits_when_the_server_is_busy_and_gives_up_on_other_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    api_client, waited = recipe("api_client"), list[float]()
    monkeypatch.setattr(api_client.time, "sleep", waited.append)
    responses: list[object] = [
        ServerError("busy", 429, "queue-full", 3),
        ServerError("busy", 429, "queue-full"),
        "mask",
    ]

    def send() -> object:
        response = responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    assert api_client.with_retries(send) == "mask"
    assert waited == [3, 1]
    responses[:] = [ServerError("no", 413), "not requested"]
    with pytest.raises(ServerError, match="no"):
        api_client.with_retries(send)
    assert responses == ["not requested"]
