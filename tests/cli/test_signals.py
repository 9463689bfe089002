"""Ctrl-C and SIGTERM end a command in one line, leave no draft, and say by the exit code which it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("number", "code", "line"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_while_files_are_written(
    number: signal.Signals, code: int, line: str, tmp_path: Path, citrus_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    boxes = [word for i in range(12) for word in ("--box", f"{i * 50},{i * 40},{i * 50 + 300},{i * 40 + 300}")]
    process = subprocess.Popen(
        [sys.executable, "-m", "anymask", "segment", str(citrus_path), *boxes, "--soft", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    while not list(tmp_path.glob(".anymask-*/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code, errors
    assert errors.strip() == f"anymask: {line}"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("calls", range(1, 25, 2))
def test_a_signal_at_the_very_beginning(calls: int) -> None:
    """SIGTERM at one of the first calls that the command line makes, wherever that is."""
    program = f"""
import os, signal, sys
from anymask.cli import main
left = {calls}

def watch(frame, event, argument):
    global left
    if event == "call" and (left := left - 1) == 0:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGTERM)

sys.argv[1:] = ["--version"]
signal.signal(signal.SIGTERM, lambda *_: os._exit(77))  # before ours is set up
sys.setprofile(watch)
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 77:
        assert (done.returncode, done.stderr) == (143, "anymask: terminated\n")
