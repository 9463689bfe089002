"""Workers side by side have a core each: engines bind their threads to the first core that a process may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anymask.batch import cpu_affinity as cores

CLAIM = """
import os, sys
from anymask.batch.cpu_affinity import claim_cores
claim_cores(1)
print(*os.sched_getaffinity(0), flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or cores.available_cores() < 2, reason="there is one core, or no binding to it"
)


def claiming(cache: Path) -> tuple[subprocess.Popen[str], set[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "ANYMASK_CACHE": str(cache)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, {int(core) for core in process.stdout.readline().split()}


def test_each_process_gets_a_core_of_its_own_and_a_killed_one_gives_it_back(tmp_path: Path) -> None:
    all_cores = len(os.sched_getaffinity(0))
    started = [claiming(tmp_path) for _ in range(all_cores)]
    try:
        assert sorted(core for _, own in started for core in own) == sorted(os.sched_getaffinity(0))
        late, shared = claiming(tmp_path)
        started.append((late, shared))
        assert len(shared) == 1, "the last one shares a core"
        killed, freed = started[0]
        killed.kill()
        killed.wait()
        started.append(claiming(tmp_path))
        assert started[-1][1] == freed
    finally:
        for process, _ in started:
            process.kill()
            process.communicate()


def test_few_images_large_models_and_little_memory_get_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available_cores", lambda: 8)
    monkeypatch.setattr(cores, "memory_limit", lambda: 16 << 30)
    assert cores.best_workers(1000, 40_000_000) == 8
    assert cores.best_workers(100, 40_000_000) == 1
    assert cores.best_workers(1000, 2_500_000_000) == 1
    monkeypatch.setattr(cores, "memory_limit", lambda: 4 << 30)
    assert cores.best_workers(1000, 40_000_000) == 1
