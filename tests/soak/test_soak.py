"""Random sequences of commands, interrupted at random: nothing is lost, mixed up or half-written.

There are 200 of them, or `SOAK_SEQUENCES`. `SOAK_SEED` is the beginning of the random numbers, and `SOAK_SEQUENCE` runs
one sequence alone: `SOAK_SEED=7 SOAK_SEQUENCE=31 make slow PYTEST=tests/soak`. The moments of signals depend on the
machine, too.
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
SEQUENCES = int(os.environ.get("SOAK_SEQUENCES", "200"))
SEQUENCE = os.environ.get("SOAK_SEQUENCE")


Places = list[tuple[CommandProcesses, Path]]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Two processes, since CI has two cores, each with a folder `begin` of images and results; they stay there."""
    helpers = [CommandProcesses(), CommandProcesses()]
    places = [(helper, tmp_path_factory.mktemp("soak")) for helper in helpers]
    for helper, home in places:
        (home / "work").mkdir()
        prepare(home / "work", helper)
        shutil.copytree(home / "work", home / "begin")
    yield places
    for each in helpers:
        each.close()


def soak(places: Places, sequences: range, length: int) -> int:
    """Run sequences in all places at once, and return how many commands were interrupted."""

    def run(number: int) -> int:
        place = places.pop()
        helper, home = place
        shutil.rmtree(home / "work")
        folder = shutil.copytree(home / "begin", home / "work")  # a batch knows where its images are: always here
        sequence = Soak(folder, random.Random(f"{SEED} {number}"), helper)
        try:
            sequence.run(length)
        except AssertionError as error:
            raise AssertionError(f"SOAK_SEED={SEED} SOAK_SEQUENCE={number}: {error}") from error
        finally:
            places.append(place)
        return sequence.interruptions

    with ThreadPoolExecutor(len(places)) as pool:
        return sum(pool.map(run, sequences))


@pytest.mark.slow
def test_a_few_sequences(places: Places) -> None:
    soak(places, range(2), 2)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_random_sequences_lose_and_mix_nothing(places: Places) -> None:
    print(f"SOAK_SEED={SEED}")
    numbers = range(SEQUENCES) if SEQUENCE is None else range(int(SEQUENCE), int(SEQUENCE) + 1)
    interruptions = soak(places, numbers, 3)
    assert interruptions > len(numbers) // 2, "the signals came too late to test anything"
