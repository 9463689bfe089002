"""`anymask segment` as a person runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main

CUP = "290,215"


def run(*arguments):
    return main([str(each) for each in arguments])


def test_writes_what_the_interface_promises(coffee_path, tmp_path, capsys):
    assert run("segment", coffee_path, "--point", CUP, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["mask_000.png", "masks.json", "overlay.png"]
    with PIL.Image.open(folder / "mask_000.png") as mask:
        assert (mask.mode, mask.size) == ("L", (600, 400))
        assert set(np.unique(np.asarray(mask))) == {0, 255}
    with PIL.Image.open(folder / "overlay.png") as overlay:
        assert overlay.size == (600, 400)
    printed = capsys.readouterr().out
    assert "score" in printed
    assert str(folder / "overlay.png") in printed


def test_the_default_folder_is_named_after_the_image(coffee_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("segment", coffee_path, "--point", CUP, "--quiet") == 0
    assert (tmp_path / "anymask-out" / "coffee" / "masks.json").is_file()


def test_json_and_nothing_else_on_standard_output(coffee_path, tmp_path, capsys):
    assert run("segment", coffee_path, "--point", CUP, "--json", "--out", tmp_path) == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert captured.out == (tmp_path / "masks.json").read_text()
    assert (content["image"]["width"], content["image"]["height"]) == (600, 400)
    assert content["model"] == "mobile-sam"
    assert content["prompts"] == [{"points": [[290, 215]], "labels": [1], "box": None, "text": None}]
    (mask,) = content["masks"]
    assert mask["follows_prompt"] is True
    assert mask["rle"]["size"] == [400, 600]
    assert mask["file"] == "mask_000.png"
    assert set(content["seconds"]) == {"load", "encode", "decode"}


def test_boxes_are_objects_in_order(coffee_path, tmp_path, capsys):
    boxes = ["--box", "315,65,430,330", "--box", "170,14,412,264"]
    assert run("segment", coffee_path, *boxes, "--json", "--out", tmp_path) == 0
    content = json.loads(capsys.readouterr().out)
    assert [mask["prompt"] for mask in content["masks"]] == [0, 1]
    assert content["masks"][0]["box"][0] > content["masks"][1]["box"][0]


@pytest.mark.slow
def test_each_point_an_object_with_the_excluded_ones_shared(coffee_path, tmp_path, capsys):
    points = ["--point", CUP, "--point", "362,285", "--not-point", "60,60", "--each"]
    assert run("segment", coffee_path, *points, "--json", "--out", tmp_path) == 0
    prompts = json.loads(capsys.readouterr().out)["prompts"]
    assert [prompt["labels"] for prompt in prompts] == [[1, 0], [1, 0]]


def test_coordinates_in_percent_of_the_image(coffee_path, tmp_path, capsys):
    assert run("segment", coffee_path, "--point", "50%,50%", "--json", "--out", tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["prompts"][0]["points"] == [[300, 200]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{photo}"], "--point"),
        (["{photo}", "--point", "900,10"], "900"),
        (["{photo}", "--point", "ten,10"], "ten"),
        (["{photo}", "--box", "400,300,100,100"], "400"),
        (["{photo}", "--box", "1,1,90,90", "--box", "2,2,80,80", "--point", "5,5"], "once per box"),
        (["{photo}", "--box", "1,1,90,90", "--each"], "--objects per_point"),
        (["no-such-photo.jpg", "--point", "1,1"], "no-such-photo.jpg"),
        (["{folder}", "--point", "1,1"], "is a folder: give one image file"),
        (["{text}", "--point", "1,1"], "picture"),
        (["{empty}", "--point", "1,1"], "empty"),
        (["{truncated}", "--point", "1,1"], "truncated"),
        (["{photo}", "--point", "1,1", "--model", "sam-vit-x"], "sam-vit-x"),
        (["{photo}", "--point", "1,1", "--threads", "0"], "0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(coffee_path, tmp_path, capsys, arguments, words):
    places = {
        "photo": coffee_path,
        "folder": tmp_path,
        "text": tmp_path / "words.jpg",
        "empty": tmp_path / "empty.jpg",
        "truncated": tmp_path / "truncated.jpg",
    }
    places["text"].write_text("not a picture")
    places["empty"].write_bytes(b"")
    places["truncated"].write_bytes(coffee_path.read_bytes()[:20000])
    out = tmp_path / "out"
    code = run("segment", *(argument.format(**places) for argument in arguments), "--out", out)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not out.exists()


def test_an_output_folder_that_is_a_file_is_refused_and_stays(coffee_path, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    assert run("segment", coffee_path, "--point", CUP, "--out", blocked) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert blocked.read_text() == "mine"


def test_ctrl_c_leaves_nothing_half_written(coffee_path, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "anymask", "segment", str(coffee_path), "--point", CUP, "--out", str(out)]
    environment = os.environ | {"ANYMASK_CACHE": str(tmp_path / "cache")}  # cold: there is time to interrupt
    heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # shells have jobs in the background ignore it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True, preexec_fn=heeded)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not out.exists() or sorted(path.name for path in out.iterdir()) == []


HEAVY = {"numpy", "cv2", "PIL", "openvino", "onnxruntime", "onnx", "spox", "rich", "httpx"}


@pytest.mark.parametrize("statement", ["from anymask.cli import main; main(['--help'])", "import anymask"])
def test_nothing_heavy_is_imported_for_help_or_for_the_package(statement):
    code = f"import sys; {statement}; sys.exit(', '.join({HEAVY} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stderr.strip() == ""
