"""Commands never write over an input or another result, and say what they did with each of several images."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import PIL.Image
import pytest

from anymask.cli import main

FEW = ("--points-per-side", "2", "--quiet")


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coffee_path: Path, chelsea_path: Path) -> Path:
    """A working folder with two images of one name: a/p.jpg and b/p.jpg."""
    monkeypatch.chdir(tmp_path)
    for name, path in (("a", coffee_path), ("b", chelsea_path)):
        (tmp_path / name).mkdir()
        shutil.copy(path, tmp_path / name / "p.jpg")
    return tmp_path


def images_in(out: Path) -> dict[str, str]:
    """Folder → the image that its masks.json names."""
    return {path.parent.name: json.loads(path.read_bytes())["image"]["path"] for path in out.glob("*/masks.json")}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_images_of_one_name_have_a_folder_each(here: Path) -> None:
    for name in ("a", "b", "a"):
        assert run("segment", f"{name}/p.jpg", "--point", "50%,50%", "--quiet") == 0
    assert images_in(here / "anymask-out") == {"p": "a/p.jpg", "p-2": "b/p.jpg"}


def test_a_named_folder_of_another_image_is_refused_unless_overwritten(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("segment", "a/p.jpg", "--point", "50%,50%", "--out", "x", "--quiet") == 0
    before = {path.name: path.read_bytes() for path in (here / "x").iterdir()}
    for command in (("segment", "--point", "50%,50%"), ("everything", *FEW), ("detect", "--text", "cat")):
        assert run(command[0], "b/p.jpg", *command[1:], "--out", "x") == 2
        assert capsys.readouterr().err == (
            "anymask: x has the results of another image: give another --out, or --overwrite\n"
        )
    assert {path.name: path.read_bytes() for path in (here / "x").iterdir()} == before
    assert run("segment", "b/p.jpg", "--point", "50%,50%", "--out", "x", "--overwrite", "--quiet") == 0
    assert json.loads((here / "x" / "masks.json").read_bytes())["image"]["path"] == "b/p.jpg"


def test_a_folder_never_mixes_the_results_of_two_commands(here: Path) -> None:
    assert run("everything", "a/p.jpg", *FEW, "--out", "x") == 0
    assert names_in(here / "x") == ["labels.png", "masks.json", "overlay.png", "sa1b.json"]
    (here / "x" / "notes.txt").write_text("mine")
    assert run("segment", "a/p.jpg", "--point", "50%,50%", "--out", "x", "--quiet") == 0
    assert names_in(here / "x") == ["mask_000.png", "masks.json", "notes.txt", "overlay.png"]
    assert run("detect", "a/p.jpg", "--text", "cup", "--out", "x", "--quiet") == 0
    assert names_in(here / "x") == ["detections.json", "notes.txt", "overlay.png"]
    for command in (("segment", "--point", "50%,50%", "--quiet"), ("everything", *FEW)):  # without --out
        assert run(command[0], "a/p.jpg", *command[1:]) == 0
    assert "labels.png" not in names_in(here / "anymask-out" / "p")
    assert "labels.png" in names_in(here / "anymask-out" / "p-2")


@pytest.mark.parametrize(
    "command",
    [
        ("cutout", "photo.png", "--point", "50%,50%", "--out", "photo.png"),
        ("cutout", "photo.png", "--point", "50%,50%", "--out", "link.png"),
        ("cutout", "photo.png", "--point", "50%,50%", "--out", "hard.png"),
        ("cutout", "photo.png", "--mask", "mask.png", "--out", "mask.png"),
        ("cutout", "photo.png", "--point", "50%,50%", "--background", "mask.png", "--out", "mask.png"),
        ("inpaint", "photo.png", "--point", "50%,50%", "--out", "photo.png"),
        ("draw", "r", "--out", "photo.png"),
        ("draw", "r/masks.json", "--out", "r/overlay.png"),
        ("convert", "coco.json", "--to", "coco", "--out", "coco.json"),
        ("convert", "r", "--to", "masks-json", "--out", "r/masks.json"),
    ],
    ids=" ".join,
)
def test_no_command_writes_over_one_of_its_inputs(here: Path, command: tuple[str, ...], capsys) -> None:
    with PIL.Image.open("a/p.jpg") as image:
        image.save("photo.png")
    assert run("segment", "photo.png", "--point", "50%,50%", "--out", "r", "--quiet") == 0
    assert run("convert", "r", "--to", "coco", "--out", "coco.json", "--quiet") == 0
    shutil.copy("r/mask_000.png", "mask.png")
    Path("link.png").symlink_to("photo.png")
    Path("hard.png").hardlink_to("photo.png")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(*command) == 2
    errors = capsys.readouterr().err
    assert errors.endswith(" is an input: give the output another name\n")
    assert errors.count("\n") == 1
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_an_edited_image_without_a_name_takes_a_free_one(here: Path) -> None:
    for _ in range(2):
        assert run("cutout", "a/p.jpg", "--point", "50%,50%", "--quiet") == 0
    assert run("inpaint", "a/p.jpg", "--point", "50%,50%", "--quiet") == 0
    assert names_in(here / "anymask-out") == ["p-cutout-2.png", "p-cutout.png", "p-inpainted.png"]


@pytest.mark.slow
def test_several_images_come_with_a_summary_and_one_exit_code(here: Path, capsys) -> None:
    (here / "broken.jpg").write_bytes(b"no image")
    images = ("a/p.jpg", "broken.jpg", "b/p.jpg")
    assert run("segment", *images, "--text", "cup,cat", "--json", "--quiet") == 2
    captured = capsys.readouterr()
    assert [entry["image"]["path"] for entry in json.loads(captured.out)] == ["a/p.jpg", "b/p.jpg"]
    first, last = captured.err.splitlines()
    assert first.startswith("anymask: broken.jpg: ")
    assert last == "anymask: 2 of 3 images done; failed: broken.jpg"
    assert run("detect", "a/p.jpg", "b/p.jpg", "--text", "cup", "--out", "boxes", "--quiet") == 0
    assert names_in(here / "boxes") == ["p", "p-2"]
    assert run("everything", "a/p.jpg", "b/p.jpg", *FEW, "--out", "all") == 0
    assert images_in(here / "all") == {"p": "a/p.jpg", "p-2": "b/p.jpg"}
    assert run("cutout", "a/p.jpg", "b/p.jpg", "--text", "cup,cat", "--out", "shop", "--quiet") == 0
    assert names_in(here / "shop") == ["p-cutout-2.png", "p-cutout.png"]


def test_standard_streams_are_an_image_and_its_result(here: Path, capfdbinary, monkeypatch) -> None:
    for command, check in (
        (("segment", "-", "--point", "50%,50%", "--out", "-"), lambda data: json.loads(data)["masks"][0]["rle"]),
        (("detect", "-", "--text", "cup", "--out", "-"), lambda data: json.loads(data)["detections"][0]["box"]),
        (("everything", "-", *FEW, "--out", "-"), lambda data: json.loads(data)["image"]["width"]),
        (("cutout", "-", "--point", "50%,50%", "--out", "-"), lambda data: PIL.Image.open(io.BytesIO(data)).size),
        (("inpaint", "-", "--point", "50%,50%", "--out", "-"), lambda data: PIL.Image.open(io.BytesIO(data)).size),
    ):
        with Path("a/p.jpg").open("rb") as file, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(file))
            assert run(*command) == 0
        sys.stdout.flush()
        assert check(capfdbinary.readouterr().out)
    assert names_in(here) == ["a", "b"]


def test_a_name_of_250_bytes_gets_a_folder_and_the_json_has_it_whole(here: Path) -> None:
    name = "ü" * 123 + ".jpg"
    shutil.copy("a/p.jpg", name)
    assert run("segment", name, "--point", "50%,50%", "--quiet") == 0
    assert list(images_in(here / "anymask-out").values()) == [name]
