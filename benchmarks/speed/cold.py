"""Whole commands, from the shell's return key to the files, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.official import Peers, Settings
from benchmarks.speed.images import ROOT, TRUCK_POINT, truck
from benchmarks.speed.pairs import Comparison, run_alone, run_in_turns
from tests.support.model_files import encoder_and_decoder

HELP_RUNS = 11


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare `anymask segment` with a script of the official code that writes the same three files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = truck(folder)
        ours = partial(_run, _our_command(peers.settings, image, folder / "ours"), _own_cache(folder))
        official = partial(_run, _official_command(peers, image, folder))
        yield run_in_turns(
            "anymask segment, a new image",
            ours,
            official,
            peers.settings.pairs,
            notes=("weights and compiled graphs are cached, the embedding is not",),
            before_ours=lambda: shutil.rmtree(folder / "cache" / "embeddings", ignore_errors=True),
        )
        yield run_in_turns(
            "anymask segment, the same image again",
            ours,
            official,
            peers.settings.pairs,
            notes=("the embedding is cached too; the official code has no such cache",),
        )
    yield run_alone("anymask --help", partial(_run, [sys.executable, "-m", "anymask", "--help"]), HELP_RUNS)
    yield run_alone("python -c pass", partial(_run, [sys.executable, "-c", "pass"]), HELP_RUNS)


def _our_command(settings: Settings, image: Path, out: Path) -> list[str]:
    point = ",".join(map(str, TRUCK_POINT))
    options = {
        "--point": point,
        "--out": str(out),
        "--threads": str(settings.threads),
        "--engine": settings.engine,
        "--precision": settings.precision,
    }
    flat = [argument for option in options.items() for argument in option]
    return [sys.executable, "-m", "anymask", "segment", str(image), *flat, "--quiet"]


def _official_command(peers: Peers, image: Path, folder: Path) -> list[str]:
    checkpoint = folder / "mobile_sam.pth"
    torch.save(peers.official_model.state_dict(), checkpoint)
    where = [str(number) for number in TRUCK_POINT]
    threads = str(peers.settings.threads)
    script = [sys.executable, "-m", "benchmarks.peers.workers.official_command"]
    return [*script, str(checkpoint), str(image), *where, str(folder / "official"), threads]


def _own_cache(folder: Path) -> dict[str, str]:
    """A cache of this run's own, so that deleting embeddings deletes nobody else's."""
    bundle = folder / "bundle" / "mobile-sam"
    bundle.mkdir(parents=True)
    for file in encoder_and_decoder():
        shutil.copyfile(file, bundle / file.name)
    return {"ANYMASK_MODELS": str(bundle.parent), "ANYMASK_CACHE": str(folder / "cache")}


def _run(command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message is what it wrote.
    """
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr.strip()}")
