"""A real run of anymask beside a tool that cannot run, stopped before its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import main
from benchmarks.peers.measure import Settings, measure
from benchmarks.peers.peers import OWN, Peer


@pytest.mark.reference
def test_a_run_that_is_stopped_keeps_what_was_measured(
    chelsea_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = Peer("absent", "a tool for a program that is not there", "absent.mjs", packages=("absent@1",))

    def say(line: str) -> None:
        if line == "boxes, turn 1 of 2":
            raise KeyboardInterrupt

    tasks = ("encode", "click", "boxes", "everything")
    measured = measure(Settings([OWN, absent], tasks, pairs=2, threads=2, image=chelsea_path), say)
    assert measured.interrupted
    assert list(measured.seconds) == ["encode", "click"]
    assert [len(by_peer["anymask"]) for by_peer in measured.seconds.values()] == [2, 2]
    assert all(0 < each < 60 for by_peer in measured.seconds.values() for each in by_peer["anymask"])
    assert measured.failures == {("absent", "start"): "node is not on the PATH"}
    assert measured.peaks["anymask"]["click"] > 100_000_000
    assert measured.image == {"name": "chelsea.jpg", "width": 451, "height": 300}
    assert measured.agreement["click"] == {}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--peers", "torch"], "no peer is called 'torch'"),
        (["--tasks", "dance"], "no task is called 'dance'"),
        (["--pairs", "0"], "--pairs"),
        (["--image", "no-such-photo.jpg"], "no-such-photo.jpg"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--quiet"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert line in said.err


@pytest.mark.reference
def test_the_command_keeps_its_files(chelsea_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--peers", "anymask", "--tasks", "click,cold", "--pairs", "1", "--threads", "2"]
    assert main([*words, "--image", str(chelsea_path), "--out", str(tmp_path / "report"), "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(said.out)
    assert found == json.loads((tmp_path / "report" / "bench.json").read_text(encoding="utf-8"))
    assert {task: len(by_peer["anymask"]["seconds"]["values"]) for task, by_peer in found["tasks"].items()} == {
        "click": 1,
        "cold": 1,
    }
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"bench.json", "bench.md", "bench.png"}
