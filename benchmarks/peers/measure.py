"""Measure all peers in one run, in turns."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.weights import ensure
from anymask.weights.sources.errors import shorten
from benchmarks.peers.agreement import Agreement, compare
from benchmarks.peers.environment import Environment, PeerError, is_prepared, prepare
from benchmarks.peers.image import write_image
from benchmarks.peers.machine import allowed_cores, machine
from benchmarks.peers.peers import OWN, Peer
from benchmarks.peers.process import Reply, Worker
from benchmarks.peers.weight_files import weight_files

OBJECTS = 10
ROUNDS = {"encode": 1.0, "click": 1.0, "boxes": 1.0, "cold": 0.6, "everything": 0.3}
"""Turns of each task for each of `pairs`: the long ones get fewer."""

WARMED = ("encode", "click", "boxes")
"""Tasks whose first turn is not counted; the long ones meet processes that are warm already."""


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        peers: the tools, anymask first.
        tasks: of `benchmarks.peers.peers.TASKS`.
        pairs: how often each tool does each of the short tasks.
        threads: CPU threads of each tool; None takes the cores this process may use.
        image: an image, or None for the one in the package.
        engine, precision: anymask's.
    """

    peers: Sequence[Peer]
    tasks: Sequence[str]
    pairs: int = 5
    threads: int | None = None
    image: Path | None = None
    engine: str = "auto"
    precision: str = "auto"


@dataclass
class Measured:
    """What was measured so far; whole or interrupted.

    Attributes:
        machine: where, see `benchmarks.peers.machine`.
        image: its name and size.
        environments: peer → where it ran; only of peers that started.
        runs: peer → what it says about itself.
        seconds: task → peer → seconds, turn by turn.
        peaks: peer → task → most bytes it ever had resident by the end of that task.
        agreement: task → peer → how its masks compare with the official ones.
        failures: (peer, task or "start") → why there is nothing.
        interrupted: whether it was stopped before the end.
    """

    machine: dict[str, Any]
    image: dict[str, Any] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    peaks: dict[str, dict[str, int]] = field(default_factory=dict)
    agreement: dict[str, dict[str, Agreement]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    interrupted: bool = False


@dataclass
class _Running:
    """A peer that has started, and the masks it gave."""

    peer: Peer
    environment: Environment
    worker: Worker
    folder: Path
    masks: dict[tuple[str, int], NDArray[np.bool_]] = field(default_factory=dict)


def measure(settings: Settings, report: Callable[[str], None] = lambda line: None) -> Measured:
    """Install what is missing, start every peer, and have them take turns.

    Ctrl-C ends it early; what was measured by then is returned.

    Args:
        settings: what to measure.
        report: called with a line about each step.

    Raises:
        PeerError: anymask itself does not run.
        ImageError: the image cannot be read.
        WeightsError: the weights cannot be had.
    """
    threads = settings.threads or allowed_cores()
    measured = Measured(machine(threads))
    with tempfile.TemporaryDirectory(prefix="anymask-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        image, size, title = write_image(settings.image, folder)
        measured.image = {"name": title, "width": size[0], "height": size[1]}
        runtime = {"threads": threads, "engine": settings.engine, "precision": settings.precision}
        common = {"image_path": str(image), **runtime}
        running: list[_Running] = []
        try:
            prompts = _prompts(common, folder, report)
            for each in settings.peers:
                if peer := _started(each, common, folder, measured, stack, report):
                    running.append(peer)
            for task in settings.tasks:
                _take_turns(task, running, prompts, settings.pairs, measured, report)
        except KeyboardInterrupt:
            measured.interrupted = True
        for task in measured.seconds:
            measured.agreement[task] = compare(task, {each.peer.name: each.masks for each in running})
    return measured


def _prompts(common: dict[str, Any], folder: Path, report: Callable[[str], None]) -> dict[str, list[list[float]]]:
    """Boxes of objects in the image and a point inside each, by anymask, in a process that is not measured."""
    report("looking for objects to prompt")
    environment = prepare(OWN)
    with Worker(environment.command(OWN.worker), environment.variables(OWN), folder / "prompts") as worker:
        worker.run("load", **common)
        prompts: dict[str, list[list[float]]] = worker.run("objects", count=OBJECTS).facts
    return prompts


def _started(
    peer: Peer,
    common: dict[str, Any],
    folder: Path,
    measured: Measured,
    stack: ExitStack,
    report: Callable[[str], None],
) -> _Running | None:
    """Install, start and load one peer; None, with the reason in `measured`, where that fails.

    Raises:
        PeerError: the peer is anymask itself.
    """
    try:
        if not is_prepared(peer):
            report(f"installing {peer.name}: {', '.join((*peer.packages, *peer.bare_packages))}")
        environment = prepare(peer)
        report(f"starting {peer.name}")
        own_folder = folder / peer.name
        worker = stack.enter_context(Worker(environment.command(peer.worker), environment.variables(peer), own_folder))
        options = {"precision": "f32"} if peer.is_own and peer is not OWN else {}
        model = ensure("mobile-sam")
        files = weight_files(peer.weights, model["encoder.onnx"], model["sam.onnx"], own_folder)
        loaded = worker.run("load", folder=str(own_folder), **common | options | files)
        if "encode" in peer.tasks:
            worker.run("encode")
    except PeerError as error:
        if peer is OWN:
            raise
        measured.failures[peer.name, "start"] = str(error)
        return None
    if peer.is_own and loaded.facts in measured.runs.values():
        measured.failures[peer.name, "start"] = "anymask itself computes in f32 here"
        return None
    measured.environments[peer.name], measured.runs[peer.name] = environment, loaded.facts
    return _Running(peer, environment, worker, own_folder)


def _take_turns(
    task: str,
    running: Sequence[_Running],
    prompts: dict[str, list[list[float]]],
    pairs: int,
    measured: Measured,
    report: Callable[[str], None],
) -> None:
    able = [each for each in running if task in each.peer.tasks]
    rounds = max(1, round(pairs * ROUNDS[task]))
    for turn in range(-1 if task in WARMED else 0, rounds):
        report(f"{task}, turn {turn + 1} of {rounds}" if turn >= 0 else f"{task}, to warm up")
        for each in able:
            if (each.peer.name, task) in measured.failures:
                continue
            try:
                _take_turn(each, task, turn, prompts, measured)
            except PeerError as error:
                measured.failures[each.peer.name, task] = str(error)


def _take_turn(each: _Running, task: str, turn: int, prompts: dict[str, list[list[float]]], measured: Measured) -> None:
    point = prompts["points"][turn % len(prompts["points"])]
    if task == "cold":
        seconds = _whole_command(each, point)
    else:
        step_arguments: dict[str, dict[str, Any]] = {"click": {"point": point}, "boxes": {"boxes": prompts["boxes"]}}
        reply = each.worker.run(task, keep=_is_first(each, task, turn), **step_arguments.get(task, {}))
        _store_masks(each, task, turn, reply)
        seconds = reply.seconds
        if reply.peak is not None:
            measured.peaks.setdefault(each.peer.name, {})[task] = reply.peak
    if turn >= 0:
        measured.seconds.setdefault(task, {}).setdefault(each.peer.name, []).append(seconds)


def _is_first(each: _Running, task: str, turn: int) -> bool:
    """Whether this peer's masks of this prompt are not stored yet; each click is on another object."""
    return turn >= 0 and (task, _prompt_index(task, turn)) not in each.masks


def _prompt_index(task: str, turn: int) -> int:
    return turn % OBJECTS if task == "click" else 0


def _store_masks(each: _Running, task: str, turn: int, reply: Reply) -> None:
    masks = reply.best if task == "click" else reply.masks
    if masks is not None:
        each.masks[task, _prompt_index(task, turn)] = masks


def _whole_command(each: _Running, point: list[float]) -> float:
    """Seconds of the tool's own command from the shell, every file it writes included.

    Raises:
        PeerError: the command failed.
    """
    out = each.folder / "out"
    out.mkdir(exist_ok=True)
    facts = each.worker.run("command", point=point, out=str(out)).facts
    if each.peer.is_own:
        each.worker.run("forget")
    worker = facts.get("module", each.peer.worker)
    command = facts.get("command") or each.environment.command(worker, *facts["arguments"])
    variables = each.environment.variables(each.peer) | facts.get("variables", {})
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=each.folder, env=variables, capture_output=True, start_new_session=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        last_line = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise PeerError(f"its command failed: {shorten(last_line) or f'exit code {done.returncode}'}")
    return seconds
