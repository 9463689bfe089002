"""Readers of what strangers wrote take it or refuse it in one line: whatever it is, soon, and in little memory.

The corpus is what fuzzing starts from and what it has found; `make fuzz` looks for more.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz_targets import FILE_MARK, TARGETS, packed, run, unpacked
from tests.fuzz.mutations import mutated

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"
IN_PROCESS = sorted(set(TARGETS) - {"server"})  # the server has schemathesis, and a target of `make fuzz`


def seeds(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def test_every_target_has_a_corpus_and_the_other_way_round() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("target", IN_PROCESS)
def test_what_our_own_writers_wrote_is_taken(target: str) -> None:
    refused_on_purpose = {
        "picture-window/seed-ppm", "picture-window/seed-png-alpha", "picture-window/seed-tiff-inks",
        "prompts/seed-5", "steps/seed-1",
    }  # fmt: skip
    for path in sorted((CORPUS / target).glob("seed-*")):
        assert run(target, path.read_bytes()) == (f"{target}/{path.name}" not in refused_on_purpose), path


def test_inputs_of_the_corpus_break_nothing() -> None:
    """In a process of its own, which the limits on time and memory are for."""
    command = [sys.executable, "-m", "tests.fuzz.run_fuzz", "--replay"]
    command += [str(CORPUS / target) for target in IN_PROCESS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{done.stdout[-300:]}\n{done.stderr[-3000:]}"
    assert done.stdout.count("\n") == sum(len(seeds(target)) for target in IN_PROCESS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", IN_PROCESS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_changed_inputs_are_taken_or_refused(target: str, seed: int) -> None:
    rng, inputs = random.Random(seed), seeds(target)
    run(target, mutated(rng.choice(inputs), inputs, rng))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True), st.binary(max_size=40), max_size=3))
def test_several_files_travel_as_one_input(files: dict[str, bytes]) -> None:
    files = {name: content.replace(FILE_MARK, b"") for name, content in files.items()}
    files = {name: content for name, content in files.items() if not any(each.startswith(f"{name}/") for each in files)}
    with unpacked(packed(files)) as folder:
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == files


def test_a_broken_reader_is_noticed() -> None:
    """The runner itself: an input that breaks its target ends with its traceback and exit code 1."""
    code = (
        "import sys\nfrom tests.fuzz import fuzz_targets, run_fuzz\n"
        "def broken(data):\n    raise IndexError('the reader fell over')\n"
        "fuzz_targets.TARGETS['csv'] = broken\n"
        "sys.exit(run_fuzz.replay([run_fuzz.CORPUS / 'csv']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert "the reader fell over" in done.stderr
