"""--window, --bands, --page, --max-pixels and --background, on each command that opens images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from anymask.cli import main
from anymask.io.image import open_image

BANDS = 5


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages of 12 bits in 16 with five bands: an object in one page that is not in the other."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    with tifffile.TiffWriter(path) as writer:
        for x in (20, 60):
            page = rng.normal(800, 20, (80, 120, BANDS))
            page[20:60, x : x + 40] += np.array([600, 300, 900, 0, 500])
            writer.write(page.astype(np.uint16), photometric="minisblack", planarconfig="contig", metadata=None)
    return path


def opened(scene: Path, **options: Any) -> np.ndarray:
    return open_image(scene, **options).pixels


def seen_by_inpaint(scene: Path, tmp_path: Path, *options: object) -> np.ndarray:
    """The pixels that a command works on: those outside the mask are written as they are."""
    mask = np.zeros((80, 120), np.uint8)
    mask[0, 0] = 1
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    hole = ("--mask", tmp_path / "mask.png", "--grow", 0, "--feather", 0)
    assert run("inpaint", scene, *hole, "--out", out, *options) == 0
    with PIL.Image.open(out) as image:
        return np.asarray(image)[1:]


def test_what_was_chosen_is_said_on_screen_and_quiet_says_nothing(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = seen_by_inpaint(scene, tmp_path)
    np.testing.assert_array_equal(pixels, opened(scene)[1:])
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if "of 5 bands, bands 1, 2, 3 are shown as red, green, blue" in line]
    assert [line for line in errors if "black,white (percentiles 0.5 and 99.5); another window can be chosen" in line]
    assert [line for line in errors if line.endswith("scene.tif: first of 2 pages; another page can be chosen")]
    seen_by_inpaint(scene, tmp_path, "--quiet")
    assert capsys.readouterr().err == ""


def test_each_option_reaches_the_image(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = seen_by_inpaint(scene, tmp_path, "--window", "500,2000", "--bands", "5,3,1", "--page", 2)
    np.testing.assert_array_equal(pixels, opened(scene, window=(500, 2000), bands=(5, 3, 1), page=2)[1:])
    assert capsys.readouterr().err == ""
    pixels = seen_by_inpaint(scene, tmp_path, "--bands", "4")
    np.testing.assert_array_equal(pixels, opened(scene, bands=(4,))[1:])
    cut = np.dstack([np.full((80, 120, 3), 200), np.arange(80 * 120).reshape(80, 120) % 256]).astype(np.uint8)
    PIL.Image.fromarray(cut).save(tmp_path / "cut.png")
    pixels = seen_by_inpaint(tmp_path / "cut.png", tmp_path, "--background", "#003366")
    np.testing.assert_array_equal(pixels, opened(tmp_path / "cut.png", background=(0, 0x33, 0x66))[1:])
    pixels = seen_by_inpaint(tmp_path / "cut.png", tmp_path, "--background", "0,51,102")
    np.testing.assert_array_equal(pixels, opened(tmp_path / "cut.png", background=(0, 0x33, 0x66))[1:])


COMMANDS = {
    "segment": ("--point", "40,40"),
    "everything": ("--points-per-side", "4"),
    "cutout": ("--point", "40,40", "--edges", "hard"),
    "inpaint": ("--point", "40,40"),
    "detect": ("--text", "dog"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--page", "3"), "there is no page 3: the file has 2, counted from 1"),
        (("--bands", "6,1,1"), "there is no band 6: the image has 5 bands"),
        (("--window", "9,3"), "low must be less than high"),
        (("--window", "9"), "window must be 2 numbers, LOW,HIGH"),
        (("--bands", "1,2"), "bands must be 1 or 3 numbers, R,G,B"),
        (("--bands", "0"), "bands must be at least 1"),
        (("--max-pixels", "100"), "120x80 = 9,600 pixels: the limit is 100"),
    ],
)
def test_every_command_refuses_the_same_in_one_line(
    command: str, option: tuple[str, str], says: str, scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, scene, *COMMANDS[command], *option, "--quiet", "--out", tmp_path / "out.png") == 2
    errors = capsys.readouterr().err
    assert says in errors
    assert list(tmp_path.iterdir()) == []


def test_how_an_image_was_opened_is_recorded_and_drawing_opens_it_so(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opening = ("--window", "500,2000", "--bands", "5,3,1", "--page", 2)
    assert run("segment", scene, "--point", "80,40", *opening, "--out", tmp_path / "out") == 0
    about = json.loads((tmp_path / "out" / "masks.json").read_text())["image"]
    assert about["opened_with"] == {"window": [500.0, 2000.0], "bands": [5, 3, 1], "page": 2}
    drawn = tmp_path / "drawn.png"
    plain = ("--opacity", 0, "--no-points", "--style", "fill")
    assert run("draw", tmp_path / "out", *plain, "--out", drawn) == 0
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open(drawn)), opened(scene, window=(500, 2000), bands=(5, 3, 1), page=2)
    )
    assert run("draw", tmp_path / "out", *plain, "--page", 1, "--out", tmp_path / "other.png") == 0
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open(tmp_path / "other.png")), opened(scene, window=(500, 2000), bands=(5, 3, 1), page=1)
    )


def test_a_pair_is_pasted_back_into_the_image_as_it_was_opened(scene: Path, tmp_path: Path) -> None:
    opening = ("--window", "500,2000", "--page", 2)
    mask = np.zeros((80, 120), np.uint8)
    mask[20:60, 60:100] = 1
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    pair = tmp_path / "pair"
    assert run("inpaint", scene, "--mask", tmp_path / "mask.png", *opening, "--pair", pair) == 0
    out = tmp_path / "out.png"
    assert run("inpaint", "--paste-back", pair, pair / "image.png", "--out", out) == 0
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(out)), opened(scene, window=(500, 2000), page=2))


@pytest.mark.parametrize("command", [*COMMANDS, "draw"])
def test_help_shows_the_options_with_their_forms(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    for form in ("--window LOW,HIGH", "--bands R,G,B", "--page N", "--max-pixels N"):
        assert form in text
    assert command == "cutout" or "--background COLOUR" in text


def test_of_several_images_those_are_opened_for_which_an_option_is_not_meant(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """8 bits have no window, one page no others, grey no fifth band; a file of several that lacks it is refused."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    plain = np.arange(80 * 120, dtype=np.uint8).reshape(80, 120)
    PIL.Image.fromarray(plain).save(folder / "plain.png")
    (folder / "scene.tif").write_bytes(scene.read_bytes())
    opening = {"window": (500, 2000), "bands": (5, 3, 1), "page": 2}
    options = ("--window", "500,2000", "--bands", "5,3,1", "--page", 2)
    assert run("segment", *sorted(folder.iterdir()), "--point", "60,40", *options, "--out", tmp_path / "out") == 0
    errors = capsys.readouterr().err
    for option in opening:
        assert len([line for line in errors.splitlines() if f"plain.png: {option} is ignored" in line]) == 1
    about = {
        each: json.loads((tmp_path / "out" / each / "masks.json").read_text())["image"] for each in ("plain", "scene")
    }
    assert about["plain"].get("opened_with") is None
    assert about["scene"]["opened_with"] == {"window": [500.0, 2000.0], "bands": [5, 3, 1], "page": 2}
    assert run("segment", folder / "plain.png", "--point", "60,40", *options, "--out", tmp_path / "one") == 2


@pytest.mark.slow
def test_a_batch_over_a_mixed_folder_counts_the_images_that_an_option_is_not_meant_for(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    PIL.Image.new("L", (120, 80), 90).save(folder / "plain.png")
    (folder / "scene.tif").write_bytes(scene.read_bytes())
    job = ("batch", folder, "--everything", "--points-per-side", 2, "--engine", "onnxruntime", "--workers", 1)
    assert run(*job, "--window", "500,2000", "--page", 2, "--out", tmp_path / "job", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"], summary["failed"]) == (2, 0)
    (remark,) = [line for line in summary["notes"] if "with a remark" in line]
    assert remark.startswith("2 images with a remark, see --report; plain.png: page is ignored: the file has one page")
    assert "window is ignored: the image has 8 bits per channel" in remark
    assert run("replay", tmp_path / "job", "--quiet") == 0
    capsys.readouterr()
    assert run(*job, "--page", 3, "--out", tmp_path / "third", "--json") == 1
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert failure["reason"].endswith("there is no page 3: the file has 2, counted from 1")
