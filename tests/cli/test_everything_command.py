"""`anymask everything` as a person runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import click
import cv2
import numpy as np
import pytest

from anymask.cli import main

FEW = ["--points-per-side", "6"]


def run(*arguments):
    return main([str(each) for each in arguments])


def test_writes_overlay_label_map_and_both_json_files(chelsea_path, tmp_path, capsys):
    assert run("everything", chelsea_path, *FEW, "--out", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["labels.png", "masks.json", "overlay.png", "sa1b.json"]
    content = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert len(content["masks"]) == len(content["prompts"]) >= 1
    assert f"{len(content['masks'])} objects" in capsys.readouterr().out


def test_partition_leaves_no_pixel_without_an_id(chelsea_path, tmp_path):
    assert run("everything", chelsea_path, *FEW, "--partition", "--quiet", "--out", tmp_path) == 0
    labels = cv2.imread(str(tmp_path / "labels.png"), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (300, 451)
    assert labels.min() >= 1


def test_text_names_the_masks_that_a_detector_finds_too(chelsea_path, tmp_path, capsys):
    assert run("everything", chelsea_path, "--points-per-side", "8", "--text", "cat, sofa", "--out", tmp_path) == 0
    masks = json.loads((tmp_path / "masks.json").read_text())["masks"]
    (cat,) = [mask for mask in masks if mask["label"] == "cat"]
    assert cat["area"] > 0.4 * 451 * 300
    assert cat["detector_score"] > 0.5
    assert all(mask["label"] is None for mask in masks if mask is not cat)
    printed = capsys.readouterr()
    assert "labels: 1 cat" in printed.out
    assert "nothing was found for 'sofa'" in printed.err


def test_detections_without_a_mask_are_reported(coffee_path, tmp_path, capsys):
    assert run("everything", coffee_path, *FEW, "--text", "cup", "--min-area", "150000", "--out", tmp_path) == 0
    assert "1 cup detected where no mask fits the box" in capsys.readouterr().err


def test_a_phrase_that_the_detector_cannot_know_is_refused_at_once(coffee_path, tmp_path, capsys):
    assert run("everything", coffee_path, "--text", "hydraulic ram", "--detector", "coco-ssd", "--out", tmp_path) == 2
    assert "hydraulic ram" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_json_only(chelsea_path, tmp_path, capsys):
    assert run("everything", chelsea_path, *FEW, "--json", "--out", tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "mobile-sam"


def test_a_time_that_is_too_short_says_what_was_skipped(chelsea_path, tmp_path, capsys):
    arguments = ["--sampling", "grid", "--points-per-side", "40", "--max-seconds", "1.5", "--out", tmp_path]
    assert run("everything", chelsea_path, *arguments) == 0
    assert "out of time" in capsys.readouterr().err
    assert (tmp_path / "masks.json").is_file()


@pytest.mark.slow
def test_ctrl_c_writes_the_masks_until_then(chelsea_path, tmp_path):
    arguments = ["--sampling", "grid", "--points-per-side", "48", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "anymask", "everything", str(chelsea_path), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    if "interrupted:" in errors:  # the search had begun: what it found is there
        assert json.loads((tmp_path / "out" / "masks.json").read_text())["prompts"] is not None
    else:
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--points-per-side", "0"], "--points-per-side"),
        (["--stability-score-thresh", "7"], "--stability-score-thresh"),
        (["--crop-n-layers", "9"], "--crop-n-layers"),
        (["--crop-overlap-ratio", "1.5"], "--crop-overlap-ratio"),
        (["--max-seconds", "-1"], "--max-seconds"),
        (["--roi", "400,300,1,1"], "400"),
        (["--sampling", "magic"], "magic"),
    ],
)
def test_bad_values_are_one_line_and_exit_code_2(chelsea_path, tmp_path, capsys, arguments, words):
    assert run("everything", chelsea_path, *arguments, "--out", tmp_path / "out") == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_every_number_on_the_command_line_has_the_library_default():
    """T10: an option parsed as another type, or with another default, than the parameter it stands for.

    https://github.com/facebookresearch/segment-anything/issues/259
    """
    from anymask.automatic.options import GeneratorOptions
    from anymask.cli.everything import command
    from anymask.structures.options import option_fields

    options, context = {option.name: option for option in command.params}, click.Context(command)
    shared = [each for each in option_fields(GeneratorOptions) if each.kind is not None]
    assert len(shared) >= 16
    for each in shared:
        if each.default is not None:
            assert options[each.name].get_default(context) == each.default
        if isinstance(each.default, int | float):
            assert np.isclose(options[each.name].type.convert(str(each.default), None, context), each.default)
