"""Files appear complete or not at all, under names that nobody else has, whoever writes and dies at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from anymask.errors import AnymaskError, InputError
from anymask.io.atomic import (
    check_folder,
    check_output,
    protect_input,
    protected_inputs,
    publish,
    staged_folder,
    write_file,
    write_files,
)
from tests.support.paused_process import Paused


def texts_in(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def writers(*texts: str) -> list:
    return [partial(Path.write_text, data=text) for text in texts]


TAKES_NAMES = """
import sys
from functools import partial
from pathlib import Path
from anymask.io.atomic import write_files

print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    texts = [f"{sys.argv[2]} {number}"] * (1 + number % 3)
    print(*write_files(Path(sys.argv[1]), [partial(Path.write_text, data=text) for text in texts], numbered=True))
"""


def test_two_processes_that_write_at_once_never_take_one_name(tmp_path: Path) -> None:
    processes = [Paused(TAKES_NAMES, str(tmp_path / "out" / "p.png"), name, "120") for name in "ab"]
    for each in processes:
        each.go()
    written = {}
    for name, each in zip("ab", processes, strict=True):
        for number, line in enumerate(each.finish().splitlines()):
            for path in line.split():
                assert path not in written, "two results have one file"
                written[path] = f"{name} {number}"
    assert len(written) == 2 * 40 * (1 + 2 + 3)
    assert {str(tmp_path / "out" / name): text for name, text in texts_in(tmp_path / "out").items()} == written


def test_files_that_belong_together_take_one_free_number(tmp_path: Path) -> None:
    (tmp_path / "p_001.png").write_text("mine")
    files = write_files(tmp_path / "p.png", writers("1", "2"), numbered=True)
    assert [path.name for path in files] == ["p-2_000.png", "p-2_001.png"]
    assert texts_in(tmp_path) == {"p_001.png": "mine", "p-2_000.png": "1", "p-2_001.png": "2"}


def test_a_named_file_is_replaced_and_an_input_is_not(tmp_path: Path) -> None:
    write_files(tmp_path / "p.png", writers("1"))
    write_files(tmp_path / "p.png", writers("2"))
    assert texts_in(tmp_path) == {"p.png": "2"}
    with protected_inputs():
        protect_input(tmp_path / "p.png")
        with pytest.raises(InputError, match="is an input"):
            write_files(tmp_path / "p.png", writers("3"))
        with pytest.raises(InputError, match="is an input"):
            check_output(tmp_path / "p.png")
    assert texts_in(tmp_path) == {"p.png": "2"}


def test_a_file_system_without_links_has_free_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError(1, "operation not permitted")

    monkeypatch.setattr(os, "link", link)
    for text in "12":
        write_files(tmp_path / "p.png", writers(text), numbered=True)
    assert texts_in(tmp_path) == {"p.png": "1", "p-2.png": "2"}


WRITES_SLOWLY = """
import sys, time
from pathlib import Path
from anymask.io.atomic import staged_folder, write_stream

with staged_folder(Path(sys.argv[1])) as stage, write_stream(Path(sys.argv[1]) / "file") as file:
    (stage / "deep").mkdir()
    (stage / "deep" / "half").write_text("half")
    file.write(b"half")
    file.flush()
    print("ready", flush=True)
    time.sleep(60)
"""
WRITES = """
import sys
from pathlib import Path
from anymask.io.atomic import write_file

print("ready", flush=True)
sys.stdin.readline()
write_file(Path(sys.argv[1]) / "other", b"whole")
"""


def test_drafts_of_a_killed_process_are_removed_by_the_next_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    (tmp_path / ".mine").write_text("hidden")
    slow = Paused(WRITES_SLOWLY, str(tmp_path))
    drafts = {path for path in tmp_path.iterdir() if path.name.startswith(".anymask-")}
    assert len(drafts) == 2
    assert not (tmp_path / "file").exists()
    for expected in (drafts, set()):
        other = Paused(WRITES, str(tmp_path))
        other.go()
        other.finish()
        assert {path for path in tmp_path.iterdir() if path.name.startswith(".anymask-")} == expected
        slow.kill()
    assert texts_in(tmp_path) == {".mine": "hidden", "other": "whole"}


def test_drafts_beside_a_folder_that_came_since_are_removed_too(tmp_path: Path) -> None:
    left = tmp_path / ".anymask-12345678"
    left.mkdir()
    (left / "half").write_text("half")
    (tmp_path / "new").mkdir()
    write_files(tmp_path / "new" / "p.png", writers("1"))
    assert texts_in(tmp_path) == {"new/p.png": "1"}


def test_a_new_folder_appears_at_once_with_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with staged_folder(folder) as stage:
        (stage / "labels").mkdir()
        (stage / "labels" / "1.txt").write_text("1")
        (stage / "scratch").write_text("no file of the result")
        (stage / "data.yaml").write_text("2")
        assert not folder.exists()
        assert publish(stage, folder, ["labels", "data.yaml"]) == [folder / "labels", folder / "data.yaml"]
    assert texts_in(tmp_path) == {"new/data/labels/1.txt": "1", "new/data/data.yaml": "2"}


def test_a_folder_that_comes_meanwhile_keeps_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with staged_folder(folder) as stage:
        (stage / "a").write_text("1")
        folder.mkdir()
        (folder / "mine").write_text("mine")
        publish(stage, folder, ["a"])
    assert texts_in(tmp_path) == {"data/a": "1", "data/mine": "mine"}


WAITS = """
import signal, sys
from anymask.io.signals import uninterrupted
came, number = [], signal.Signals(int(sys.argv[1]))
signal.signal(number, lambda which, frame: came.append(which))
with uninterrupted():
    signal.raise_signal(number)
    assert came == []
assert came == [number]
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_files_have_moved(number: signal.Signals) -> None:
    # In a process of its own: Python's fault handler, which pytest turns on, gives signals a stack that is too small
    # once OpenVINO has used the tile registers of a processor.
    run = subprocess.run([sys.executable, "-c", WAITS, str(int(number))], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_what_cannot_be_written_is_known_before_and_told_without_the_name_of_a_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match=r"cannot write into .*deep: .*file is a file; give a folder"):
        check_folder(file / "deep")
    check_folder(tmp_path / "new" / "deep")
    long = tmp_path / ("x" * 300)
    with pytest.raises(AnymaskError, match=f"^cannot write {long}: file name too long$"):
        write_file(long, b"")
    with pytest.raises(AnymaskError, match=f"^cannot write {long}: file name too long$"), staged_folder(tmp_path) as s:
        write_file(s / long.name, b"")
    assert texts_in(tmp_path) == {"file": "mine"}
