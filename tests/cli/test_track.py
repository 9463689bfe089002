"""`anymask track`, with the real model on few frames."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.tracking import outputs
from anymask.tracking.folder import palette_png
from benchmarks.tracking.sequences import BLUE, HEIGHT, RED, WIDTH, background, toy

RED_TOY, BLUE_TOY = toy(1, RED), toy(2, BLUE)


def write_frames(folder: Path, count: int) -> np.ndarray:
    """Two toys that move; returns the first label map."""
    folder.mkdir()
    first = np.zeros((HEIGHT, WIDTH), np.uint16)
    for index in range(count):
        canvas = background("chelsea")
        layers = [BLUE_TOY.placed(100 + 4 * index, 110, 0.8), RED_TOY.placed(260 - 4 * index, 190, 0.8)]
        for number, layer in enumerate(layers, start=1):
            alpha = layer[..., 3:] / 255
            canvas = canvas * (1 - alpha) + layer[..., :3] * alpha
            if index == 0:
                first[alpha[..., 0] > 0.5] = number
        PIL.Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)).save(folder / f"f_{index + 8}.png")
    (folder.parent / "first.png").write_bytes(palette_png(first))
    return first


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("masks/*.png"))}


def test_masks_coco_and_overlay_and_a_second_run_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, out = write_frames(tmp_path / "frames", 3), tmp_path / "out"
    (tmp_path / "frames" / "f_9.png").write_bytes(b"broken")
    command = ["track", str(tmp_path / "frames"), "--mask", str(tmp_path / "first.png"), "--out", str(out), "--json"]
    assert main([*command, "--max-frames", "1"]) == 0
    begun = (out / "masks" / "f_8.png").read_bytes()
    assert main(command) == 0
    earlier, summary = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (earlier["frames"], summary["frames"], summary["now"]) == (1, 3, 2)
    assert [each["frame"] for each in summary["unreadable"]] == ["f_9"]
    assert [(each["id"], each["visible"], each["lost"]) for each in summary["objects"]] == [(1, 2, 0), (2, 2, 0)]
    masks = {path.stem: PIL.Image.open(path) for path in (out / "masks").glob("*.png")}
    assert set(masks) == {"f_8", "f_10"}
    assert masks["f_8"].mode == "P"
    assert masks["f_8"].getpalette()[3:9] == [128, 0, 0, 0, 128, 0]
    assert np.array_equal(np.asarray(masks["f_8"]), first)
    assert (out / "masks" / "f_8.png").read_bytes() == begun
    coco = COCO(str(out / "coco.json"))
    assert [each["file_name"] for each in coco.dataset["images"]] == ["f_8.png", "f_10.png"]
    assert [each["frame_id"] for each in coco.dataset["images"]] == [0, 2]
    assert [each["track_id"] for each in coco.dataset["annotations"]] == [1, 2, 1, 2]
    for each in coco.dataset["annotations"][2:]:
        assert np.array_equal(coco.annToMask(each), np.asarray(masks["f_10"]) == each["track_id"])
    assert (out / "overlay.mp4").stat().st_size > 1000
    mask = out / "masks" / "f_10.png"
    mask.write_bytes(begun)  # somebody's work
    assert main([*command, "--restart"]) == 2
    assert "f_10.png has been changed since" in capsys.readouterr().err
    assert mask.read_bytes() == begun
    assert main(["track", str(tmp_path / "frames"), "--box", "60,60,140,160", "--out", str(out)]) == 2
    assert "has another run (other settings): give another --out" in capsys.readouterr().err


@pytest.mark.slow
def test_without_pyav_the_overlay_is_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path / "frames", 1)
    monkeypatch.setattr(outputs, "has_pyav", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert main(["track", "frames", "--box", "70,80,140,150"]) == 0
    printed = capsys.readouterr().out
    assert "overlay as images: for a video pip install 'anymask[video]'" in printed
    assert PIL.Image.open(tmp_path / "anymask-out" / "frames" / "overlay" / "f_8.png").size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frames"], "nothing to follow: give at least one --box"),
        (["frames", "--mask", "none.png"], "there is no mask none.png"),
        (["frames", "--box", "1,1,9,9", "--start", "f_77"], "--start f_77 is no frame"),
        (["nowhere", "--box", "1,1,9,9"], "there is no nowhere"),
        (["frames", "--box", "1,1,9,9", "--out", "frames"], "--out frames is the folder of the frames"),
        (["frames", "--prompts", "prompts.csv"], "no frame for 1 image of prompts.csv, such as other.png"),
        (["frames", "--box", "1,1,9,9", "--out", "taken"], "was not written by anymask track"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("frames").mkdir()
    PIL.Image.new("RGB", (40, 30)).save("frames/f_1.png")
    Path("prompts.csv").write_text("image,x,y\nother.png,3,4\n")
    Path("taken/masks").mkdir(parents=True)
    Path("taken/masks/f_1.png").write_bytes(b"mine")
    assert main(["track", *arguments]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert Path("taken/masks/f_1.png").read_bytes() == b"mine"


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 6)
    command = [
        sys.executable,
        "-m",
        "anymask",
        "track",
        "frames",
        "--mask",
        "first.png",
        "--precision",
        "f32",
        "--quiet",
    ]
    process = subprocess.Popen([*command, "--out", "killed"], cwd=tmp_path)
    done = tmp_path / "killed" / "masks" / "f_10.png"
    while not done.exists():
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / "coco.json").exists()
    stopped = subprocess.Popen([*command, "--out", "killed"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    done = tmp_path / "killed" / "masks" / "f_12.png"
    while not done.exists() and stopped.poll() is None:
        time.sleep(0.02)
    os.kill(stopped.pid, signal.SIGINT)
    error = stopped.communicate()[1]
    if stopped.returncode:  # else the last frame was quicker than the signal
        assert stopped.returncode == 130
        assert "done in killed; the same command goes on from there" in error
    subprocess.run([*command, "--out", "killed"], cwd=tmp_path, check=True)
    subprocess.run([*command, "--out", "whole"], cwd=tmp_path, check=True)
    assert len(contents(tmp_path / "whole")) == 6
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert (tmp_path / "killed" / "coco.json").read_bytes() == (tmp_path / "whole" / "coco.json").read_bytes()
    assert [path.name for path in (tmp_path / "killed").glob(".anymask-*")] == []
