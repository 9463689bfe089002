"""Random sequences of commands, interrupted at random: nothing is lost, mixed up or half-written.

`SOAK_SEED` is the beginning of the random numbers, and `SOAK_SEQUENCE` runs one sequence alone:
`SOAK_SEED=7 SOAK_SEQUENCE=31 make slow PYTEST=tests/soak`. The moments of signals depend on the machine, too.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command_processes import CommandProcesses
from tests.support.soak import Soak, prepare

SEED = int(os.environ.get("SOAK_SEED", "1"))
SEQUENCE = os.environ.get("SOAK_SEQUENCE")


@pytest.fixture(scope="module")
def processes() -> Iterator[list[CommandProcesses]]:
    """Two, since CI has two cores."""
    helpers = [CommandProcesses(), CommandProcesses()]
    yield helpers
    for each in helpers:
        each.close()


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory, processes: list[CommandProcesses]) -> Path:
    """The folder that every sequence begins with."""
    folder = tmp_path_factory.mktemp("beginning")
    prepare(folder, processes[0])
    return folder


def soak(beginning: Path, tmp_path: Path, processes: list[CommandProcesses], sequences: range, length: int) -> int:
    """Run sequences on all helpers at once, and return how many commands were interrupted."""

    def run(number: int) -> int:
        helper = processes.pop()
        folder = shutil.copytree(beginning, tmp_path / str(number))
        sequence = Soak(folder, random.Random(f"{SEED} {number}"), helper)
        try:
            sequence.run(length)
        except AssertionError as error:
            raise AssertionError(f"SOAK_SEED={SEED} SOAK_SEQUENCE={number}: {error}") from error
        finally:
            processes.append(helper)
        return sequence.interruptions

    with ThreadPoolExecutor(len(processes)) as pool:
        return sum(pool.map(run, sequences))


def test_a_few_sequences(beginning: Path, tmp_path: Path, processes: list[CommandProcesses]) -> None:
    soak(beginning, tmp_path, processes, range(2), 2)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_200_random_sequences_lose_and_mix_nothing(
    beginning: Path, tmp_path: Path, processes: list[CommandProcesses]
) -> None:
    print(f"SOAK_SEED={SEED}")
    numbers = range(200) if SEQUENCE is None else range(int(SEQUENCE), int(SEQUENCE) + 1)
    interruptions = soak(beginning, tmp_path, processes, numbers, 3)
    assert interruptions > len(numbers) // 2, "the signals came too late to test anything"
