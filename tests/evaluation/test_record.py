"""An evaluation goes on where it stopped, and takes nothing over that was measured otherwise."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask import AnymaskError, InputError
from anymask.cli import main
from anymask.evaluation.protocols import ProtocolResult
from anymask.evaluation.record import Record, other_records
from tests.support.small_datasets import SIZE, index_dataset

HEADER = {"protocol": "clicks", "clicks": 3, "precision": "f32"}
RESULT = ProtocolResult([{"object": "a", "iou": [0.5, 0.75]}])
QUICK = ("--protocol", "boxes", "--refine", "off", "--precision", "f32", "--against", "none")


def reopen(folder: Path, header: dict[str, Any] = HEADER) -> Record:
    return Record(folder, header)


def test_a_record_can_be_read_back(tmp_path: Path) -> None:
    record = Record(tmp_path, HEADER)
    record.add("a.jpg", "1", RESULT)
    assert record.get("a.jpg", "1") == RESULT
    record.close()
    again = reopen(tmp_path)
    assert again.get("a.jpg", "1") == RESULT
    assert again.get("a.jpg", "2") is None
    assert again.get("b.jpg", "1") is None
    again.add("a.jpg", "2", ProtocolResult())
    again.close()
    last = reopen(tmp_path)
    assert last.get("a.jpg", "2") == ProtocolResult()
    assert len(last) == 1
    last.close()


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_was_cut_short_is_dropped_and_nothing_else(tmp_path: Path, cut: int) -> None:
    record = Record(tmp_path, HEADER)
    record.add("a.jpg", "1", RESULT)
    whole = record.path.stat().st_size
    record.add("b.jpg", "1", RESULT)
    record.close()
    content = record.path.read_bytes()
    record.path.write_bytes(content[: whole + cut] if cut > 0 else content[:cut])
    again = reopen(tmp_path)
    assert (again.get("a.jpg", "1"), again.get("b.jpg", "1")) == (RESULT, None)
    again.add("b.jpg", "1", RESULT)
    again.close()
    assert record.path.read_bytes() == content


def test_another_setting_has_another_record_and_says_in_what_it_differs(tmp_path: Path) -> None:
    first = Record(tmp_path, HEADER)
    first.add("a.jpg", "1", RESULT)
    second = Record(tmp_path, {**HEADER, "precision": "bf16"})
    assert first.path != second.path
    assert len(second) == 0
    assert other_records(second) == [["precision"]]
    assert other_records(first) == []  # the second holds nothing yet
    first.close()
    second.close()


def test_a_record_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    record = Record(tmp_path, HEADER)
    with pytest.raises(InputError, match="another evaluation writes"):
        Record(tmp_path, HEADER)
    record.close()
    reopen(tmp_path).close()


def test_a_damaged_record_is_refused_and_says_where(tmp_path: Path) -> None:
    record = Record(tmp_path, HEADER)
    record.close()
    record.path.write_bytes(record.path.read_bytes() + b"what is this\n")
    with pytest.raises(InputError, match=r"is damaged at byte 5\d: remove it to begin again"):
        reopen(tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises((InputError, AnymaskError), match="cannot write"):
        Record(tmp_path / "out", HEADER)


def lines_of(out: Path) -> list[bytes]:
    return [line for path in sorted(out.rglob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.mark.slow
def test_killed_it_goes_on_and_gives_the_figures_of_a_run_in_one_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    folder, out = index_dataset(tmp_path / "data", 6), tmp_path / "out"
    command = [sys.executable, "-m", "anymask", "evaluate", str(folder), *QUICK, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(lines_of(out)) < 3:  # the header and two images
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = [line for line in lines_of(out) if line.endswith(b"\n")]
    assert 3 <= len(before) < 7, "the kill came too late to test anything"
    assert main(["evaluate", str(folder), *QUICK, "--out", str(out), "--json"]) == 0
    resumed = json.loads(capsys.readouterr().out)
    after = lines_of(out)
    assert after[: len(before)] == before
    assert len(after) == 7
    assert main(["evaluate", str(folder), *QUICK, "--out", str(tmp_path / "other"), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    for report in (resumed, whole):
        report["figures"]["measured"].pop("seconds per box")
    assert resumed["figures"] == whole["figures"]
    assert resumed["intervals"] == whole["intervals"]


@pytest.mark.slow
def test_only_what_has_changed_is_measured_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    folder, out = index_dataset(tmp_path / "data", 3), tmp_path / "out"
    assert main(["evaluate", str(folder), *QUICK, "--out", str(out), "--limit", "2"]) == 0
    assert len(lines_of(out)) == 3
    assert main(["evaluate", str(folder), *QUICK, "--out", str(out)]) == 0
    assert "which holds 2 images" in capsys.readouterr().err
    assert len(lines_of(out)) == 4
    Image.fromarray(np.full(SIZE[::-1], 255, np.uint8)).save(folder / "mask1.png")
    assert main(["evaluate", str(folder), *QUICK, "--out", str(out)]) == 0
    assert "measured again, since the image or its ground truth has changed: 1 of 3 images" in capsys.readouterr().err
    assert len(lines_of(out)) == 5
    assert main(["evaluate", str(folder), *QUICK, "--select", "part", "--out", str(out)]) == 0
    assert "a new record, " in (report := capsys.readouterr().err)
    assert "the existing one has other options" in report
    assert len(lines_of(out)) == 5 + 4
