"""Worker processes: what they are asked, what they answer, and how they fail."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.environment import PeerError
from benchmarks.peers.process import Worker

ROOT = Path(__file__).parents[2]
TOOL = [sys.executable, "-m", "tests.support.tiny_tool"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker(TOOL, ENVIRONMENT, tmp_path) as started:
        yield started


def test_masks_come_back_as_they_were_whatever_the_tool_prints(worker: Worker) -> None:
    reply = worker.run("masks", keep=True, shape=[2, 5, 7])
    assert reply.masks is not None
    assert np.array_equal(reply.masks, (np.arange(70) % 3 == 0).reshape(2, 5, 7))
    assert reply.best is not None
    assert np.array_equal(reply.best, reply.masks[1])
    assert worker.run("masks", shape=[2, 5, 7]).masks is None


def test_the_step_alone_is_timed(worker: Worker) -> None:
    assert 0.2 <= worker.run("doze", seconds=0.2).seconds < 5
    assert worker.run("doze", seconds=0).seconds < 0.2


def test_a_step_may_tell_its_own_time(worker: Worker) -> None:
    reply = worker.run("scaled")
    assert (reply.seconds, reply.facts) == (42.0, {"prompts": 7})


def test_peak_memory_is_the_worker_s_and_not_that_of_who_started_it(tmp_path: Path) -> None:
    ballast = np.ones(400_000_000, np.uint8)
    with Worker(TOOL, ENVIRONMENT, tmp_path) as started:
        peak = started.run("scaled").peak
    assert peak is not None
    assert 5_000_000 < peak < ballast.nbytes


def test_a_failing_step_is_reported_in_one_line_and_the_next_one_works(worker: Worker) -> None:
    with pytest.raises(PeerError, match=r"^'stumble' failed: ValueError: two lines$"):
        worker.run("stumble")
    assert worker.run("scaled").seconds == 42.0


def test_the_last_line_of_a_process_that_ends_is_reported(worker: Worker) -> None:
    with pytest.raises(PeerError, match="it ended during 'die': the last words"):
        worker.run("die")
    with pytest.raises(PeerError, match="it ended during 'scaled'"):
        worker.run("scaled")


def test_a_step_that_takes_too_long_ends_the_process(worker: Worker) -> None:
    started = time.perf_counter()
    with pytest.raises(PeerError, match="it ended during 'doze'"):
        worker.run("doze", limit=0.3, seconds=60)
    assert time.perf_counter() - started < 30


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="no-such-program cannot be started"):
        Worker(["no-such-program"], os.environ, tmp_path)
