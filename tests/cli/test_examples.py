"""The examples in the help of each command: all are parsed, and those that take seconds are run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from anymask.cli import COMMANDS, group, main
from tests.support.small_datasets import coco_dataset, index_dataset

ELSEWHERE = {
    "detect fruit.jpg --text 'a slice of lemon' --detector owlv2-base": "its weights have to be downloaded by hand",
    "everything '*.jpg' --sampling grid --crop-n-layers 1": "minutes: tests/automatic",
    "everything fruit.jpg": "with a limit of time below",
    "track ": "tests/cli/test_track.py",
    "replay masks ": "a second engine: tests/batch",
    "label ": "a server: tests/cli/test_label.py",
    "serve": "a server: tests/server",
    "mcp": "a server: tests/integrations",
    "inpaint cat.jpg --text 'the cat on the left'": "weights of LaMa: tests/editing",
    "inpaint cat.jpg --text cat --method diffusers": "weights of Stable Diffusion: tests/editing",
    "convert photos ": "a project: tests/projects",
    "batch images --out boxed": "several processes: tests/cli/test_batch.py",
    "replay anymask-out/cat": "as the one with --out",
    "evaluate ": "minutes: tests/evaluation",
    "doctor": "minutes: tests/cli/test_doctor.py",
    "export ": "minutes: tests/export",
    "cache clear": "the cache of these tests: tests/cli/test_cache.py",
}
"""How examples begin that are not run here → why, or where they are."""
WHOLE = ("everything fruit.jpg", "replay anymask-out/cat")
"""Whole examples among them."""


def examples(name: str) -> list[list[str]]:
    """The examples of a command, as words after `anymask`; comments are left out."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    lines = re.findall(r"^ *anymask (.*)$", command.help or "", flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def expanded(word: str) -> list[str]:
    """What a shell makes of a word; the example with ** has it in quotes."""
    return sorted(map(str, Path().glob(word))) if "*" in word and "**" not in word else [word]


def is_example(text: str, begin: str) -> bool:
    return text == begin.strip() or (text.startswith(begin) and begin not in WHOLE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, chelsea_path: Path, citrus_path: Path) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    with Image.open(chelsea_path) as cat:
        cat.resize((900, 600)).save(folder / "cat.jpg")
        for name in ("images", "photos", "frames"):
            (folder / name).mkdir()
            cat.resize((300, 200)).save(folder / name / "frame_0010.jpg")
    shutil.copyfile(citrus_path, folder / "fruit.jpg")
    mask = np.zeros((200, 300), np.uint8)
    mask[50:150, 60:200] = 255
    Image.fromarray(mask).save(folder / "first-frame.png")
    for name in ("lama.onnx", "clip.mp4", "objects.csv", "painted.png"):
        (folder / name).touch()
    index_dataset_folder = folder / "images-with-masks"
    index_dataset_folder.mkdir()
    index_dataset(index_dataset_folder, 1)
    coco_dataset(folder / "coco", [])
    for label, name in (("kitten", "cats"), ("puppy", "dogs")):
        content = {
            "images": [{"id": 1, "file_name": f"{name}.jpg", "width": 300, "height": 200}],
            "categories": [{"id": 1, "name": label}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [60, 50, 140, 100], "area": 14000, "iscrowd": 0,
                 "segmentation": [[60, 50, 200, 50, 200, 150, 60, 150]]},
            ],
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(content))
    content["images"][0]["file_name"] = "frame_0010.jpg"  # type: ignore[index]
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_three_examples_that_it_understands(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    lines = examples(name)
    assert len(lines) >= 3
    assert sum(line[0] == name for line in lines) >= 2
    for line in lines:
        command: click.Command | None = group
        words, context = line, click.Context(group)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(context, words[0])
            words = words[1:]
        assert command is not None, line
        command.make_context("anymask", list(words), parent=context)


@pytest.mark.slow
def test_examples_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the commands: later ones use what earlier ones wrote."""
    monkeypatch.chdir(folder)
    left_out = set()
    run = 0
    for name in ("segment", *(each for each in COMMANDS if each not in ("segment", "stats")), "stats"):
        for line in examples(name)[:: -1 if name == "segment" else 1]:  # the last result of cat.jpg is that of a point
            text = shlex.join(line)
            if reason := next((begin for begin in ELSEWHERE if is_example(text, begin)), None):
                left_out.add(reason)
                continue
            if "--paste-back" in line:
                shutil.copyfile(Path("pair") / "image.png", "painted.png")
            words = [word for each in line for word in expanded(each)]
            assert main(words) == 0, f"{text}: {capsys.readouterr().err}"
            run += 1
    assert run >= 25
    assert left_out == set(ELSEWHERE)
