"""`anymask label` where it cannot begin, and `anymask convert` of what was labelled."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import yaml

from anymask import load, open_image
from anymask.cli import main
from anymask.formats.datasets import read_dataset
from anymask.projects.objects import ObjectChange
from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project
from anymask.structures import rle


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path, citrus_path: Path) -> Path:
    """Three images: one done, one in work, and one without objects."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for path in (coffee_path, citrus_path):
        shutil.copy(path, folder)
    shutil.copy(chelsea_path, folder / "more")
    with Project(ProjectPlace.of(folder)) as project:
        cup, cat = (project.classes.add(name).id for name in ("cup", "cat"))
        for name, size, kind, state in (
            ("coffee.jpg", (400, 600), cup, "done"),
            ("more/chelsea.jpg", (300, 451), cat, None),
        ):
            number = project.images.find(name)
            assert number is not None
            mask = np.zeros(size, np.bool_)
            mask[10:60, 20:90] = True
            change = ObjectChange("a", rle.encode(mask), kind)
            project.sessions.save(number, 0, [change], state=state)  # type: ignore[arg-type]
    return folder


def test_a_project_is_converted_with_its_numbers_and_images(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "yolo"
    assert main(["convert", str(folder), "--to", "yolo", "--out", str(out), "--copy"]) == 0
    assert yaml.safe_load((out / "data.yaml").read_text())["names"] == {0: "cup", 1: "cat"}
    assert (out / "labels" / "more" / "chelsea.txt").read_text().startswith("1 ")
    assert (out / "images" / "coffee.jpg").read_bytes() == (folder / "coffee.jpg").read_bytes()
    assert main(["convert", str(folder), "--to", "coco", "--out", str(tmp_path / "coco.json"), "--only-done"]) == 0
    content = json.loads((tmp_path / "coco.json").read_text())
    assert [each["file_name"] for each in content["images"]] == ["coffee.jpg"]
    assert {each["name"]: each["id"] for each in content["categories"]} == {"cup": 0, "cat": 1}


def test_a_project_elsewhere_is_split(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / ".anymask", tmp_path / "work")
    out = tmp_path / "split"
    options = ["--split", "0.5,0.5", "--copy"]
    assert main(["convert", str(tmp_path / "work"), "--to", "coco", "--out", str(out), *options]) == 0
    assert [len(list(read_dataset(out / f"{name}.json"))) for name in ("train", "val")] == [1, 1]
    assert len(list(out.rglob("*.jpg"))) == 2


def test_an_empty_project_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder / ".anymask")
    Project(ProjectPlace.of(folder)).close()
    assert main(["convert", str(folder), "--to", "coco", "--out", str(tmp_path / "out.json")]) == 2
    line = f"anymask: there is nothing in the project of {folder} yet: no image has objects or is done\n"
    assert capsys.readouterr().err == line
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("name", "line"), [("nothing", "no such folder"), ("coffee.jpg", "a file; name the folder of the images")]
)
def test_what_is_no_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], name: str, line: str) -> None:
    assert main(["label", str(folder / name), "--no-browser"]) == 2
    assert capsys.readouterr().err == f"anymask: {folder / name}: {line}\n"


def test_a_port_that_is_taken_is_refused_where_it_was_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["label", str(folder), "--port", port, "--no-browser"]) == 2
    assert capsys.readouterr().err == f"anymask: cannot listen at 127.0.0.1 port {port}: Address already in use\n"


def test_a_project_that_is_open_is_refused_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Project(ProjectPlace.of(folder), "http://127.0.0.1:1234/"):
        assert main(["label", str(folder), "--no-browser", "--port", "0"]) == 2
    assert capsys.readouterr().err.startswith(
        f"anymask: the project {folder}/.anymask is open in http://127.0.0.1:1234/: use that one"
    )


@pytest.mark.slow
def test_a_folder_is_encoded_ahead(folder: Path) -> None:
    """What `batch --embed-only` stores is what the server of the project finds; nothing but `.anymask` is new."""
    before = sorted(folder.rglob("*.jpg"))
    segmenter = load("mobile-sam", precision="f32", threads=2)
    hashes = [open_image(each).pixel_hash for each in before]
    for path in filter(None, map(segmenter.stored_embedding, hashes)):  # of other tests
        path.unlink()
    assert main(["batch", str(folder), "--embed-only", "--precision", "f32", "--threads", "2", "--quiet"]) == 0
    assert sorted(folder.rglob("*.jpg")) == before
    assert {each.name for each in folder.iterdir()} == {".anymask", "coffee.jpg", "citrus.jpg", "more"}
    assert None not in [segmenter.stored_embedding(each) for each in hashes]
