"""`anymask draw`: images of masks that lie on the disk."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main
from anymask.formats.masks_json import read
from anymask.io.image import open_image
from anymask.visualization.overlay import PALETTE


def run(*arguments):
    return main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def results(coffee_path, chelsea_path, tmp_path_factory):
    """Two folders of `anymask segment`."""
    folder = tmp_path_factory.mktemp("answers")
    clicks = ["--point", "290,215", "--point", "362,285", "--exclude-point", "100,250"]
    assert run("segment", coffee_path, *clicks, "--quiet", "--out", folder / "coffee") == 0
    assert run("segment", chelsea_path, "--point", "220,100", "--quiet", "--out", folder / "cat") == 0
    return folder


def test_the_default_is_the_overlay_that_segment_wrote(results, tmp_path):
    assert run("draw", results / "coffee", "--out", tmp_path / "again.png") == 0
    with PIL.Image.open(tmp_path / "again.png") as again, PIL.Image.open(results / "coffee" / "overlay.png") as first:
        assert np.array_equal(np.asarray(again), np.asarray(first))


def test_contours_leave_the_inside_alone(results, coffee_path, tmp_path):
    out = tmp_path / "contour.png"
    assert run("draw", results / "coffee" / "masks.json", "--style", "contour", "--no-points", "--out", out) == 0
    import cv2

    mask = read(results / "coffee" / "masks.json")[0].array
    inside = cv2.erode(mask.view(np.uint8), np.ones((15, 15), np.uint8)) > 0
    drawn, original = np.asarray(PIL.Image.open(out)), open_image(coffee_path).pixels
    assert np.array_equal(drawn[inside], original[inside])
    assert (drawn == PALETTE[0]).all(axis=2).sum() > 300


@pytest.mark.parametrize(("style", "panels"), [("side-by-side", 2), ("candidates", 3)])
def test_panels_stand_in_a_row(results, tmp_path, style, panels):
    assert run("draw", results / "cat", "--style", style, "--out", tmp_path / "row.png") == 0
    with PIL.Image.open(tmp_path / "row.png") as row:
        assert row.width > panels * 451
        assert row.width < (panels + 1) * 451


def test_binary_shows_the_mask_in_white(results, tmp_path):
    assert run("draw", results / "cat", "--style", "binary", "--out", tmp_path / "binary.png") == 0
    mask = read(results / "cat" / "masks.json")[0].array
    drawn = np.asarray(PIL.Image.open(tmp_path / "binary.png").convert("L"))
    assert (drawn == 0).sum() == pytest.approx((~mask).sum(), rel=0.02)


def test_several_make_a_contact_sheet(results, tmp_path):
    assert run("draw", results / "coffee", results / "cat", "--out", tmp_path / "sheet.jpg") == 0
    with PIL.Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 640
        assert 200 < sheet.height < 320


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_clicks_are_an_endless_animation_that_ends_with_the_mask(results, tmp_path, ending):
    out = tmp_path / f"clicks.{ending}"
    assert run("draw", results / "coffee", "--style", "clicks", "--out", out) == 0
    with PIL.Image.open(out) as animation:
        assert animation.n_frames == 7
        assert animation.info["loop"] == 0
        animation.seek(6)
        last = np.asarray(animation.convert("RGB")).astype(int)
    first = np.asarray(PIL.Image.open(results / "coffee" / "overlay.png").convert("RGB")).astype(int)
    assert last.shape == first.shape
    assert np.abs(last - first).mean() < 12
    assert np.abs(last[285, 362] - (22, 190, 60)).max() < 30  # the green of the star survives the palette


def test_an_image_that_moved_or_changed_is_not_drawn_on_by_mistake(
    results, coffee_path, chelsea_path, tmp_path, capsys
):
    folder = tmp_path / "moved"
    shutil.copytree(results / "coffee", folder)
    content = json.loads((folder / "masks.json").read_text())

    def write(path):
        (folder / "masks.json").write_text(json.dumps({**content, "image": {**content["image"], "path": path}}))

    write("gone.jpg")
    assert run("draw", folder, "--out", tmp_path / "a.png") == 2
    assert "--photo" in capsys.readouterr().err
    shutil.copy(coffee_path, folder / "gone.jpg")
    assert run("draw", folder, "--out", tmp_path / "a.png") == 0  # beside masks.json
    pixels = open_image(coffee_path).pixels.copy()
    pixels[0, 0] = 0
    PIL.Image.fromarray(pixels).save(tmp_path / "changed.png")
    write(str(tmp_path / "changed.png"))
    capsys.readouterr()
    assert run("draw", folder, "--out", tmp_path / "b.png") == 2
    assert "changed" in capsys.readouterr().err
    assert run("draw", folder, "--photo", tmp_path / "changed.png", "--out", tmp_path / "b.png") == 0
    assert run("draw", folder, "--photo", chelsea_path, "--out", tmp_path / "c.png") == 2
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{a}/none"], "none"),
        (["{a}/coffee", "--style", "clicks", "--out", "x.png"], ".gif"),
        (["{a}/coffee", "--out", "x.gif"], ".png"),
        (["{a}/coffee", "{a}/cat", "--style", "clicks"], "one masks.json"),
        (["{a}/coffee", "{a}/cat", "--photo", "p.jpg"], "--photo"),
        (["{a}/coffee", "--style", "candidates", "--prompt", "7"], "prompt 7"),
        (["{a}/coffee/mask_000.png"], "masks.json"),
    ],
)
def test_bad_drawings_are_one_line_and_exit_code_2(results, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert run("draw", *(argument.format(a=results) for argument in arguments)) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert words in errors
    assert not list(tmp_path.iterdir())
