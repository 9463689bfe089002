"""How long each model takes to encode an image on this machine, measured once and noted in the cache.

Encoders whose weights are not here are measured with random weights of their shape: the time does not depend on them.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from anymask import weights
from anymask.engines.loading import load_engine
from anymask.errors import AnymaskError
from anymask.evaluation.doctor.known_image import known_image
from anymask.io.cache_folder import write_atomically
from anymask.models.sam.shapes import encoder_shapes, random_model
from anymask.structures.memory import memory_limit
from anymask.weights.measured import MeasuredModel, measured_file, measured_file_content, timing_key

MAX_SECONDS = 120.0
"""For all models together, unless the caller gives another limit."""

_RUNS = 3
_ENOUGH_SECONDS = 5.0
_RUN_BYTES = 2**30
"""Memory for the numbers inside a network, beside its weights."""


@dataclass(frozen=True)
class Measurement:
    """What `measure_models` did.

    Attributes:
        measured: model → how long it took.
        skipped: model → why it was not measured.
    """

    measured: Mapping[str, MeasuredModel]
    skipped: Mapping[str, str]


def note_measured(measured: Mapping[str, MeasuredModel]) -> None:
    """Note in the cache how long models take here."""
    write_atomically(measured_file(), measured_file_content(measured))


def measure_models(
    threads: int | None = None,
    max_seconds: float = MAX_SECONDS,
    say: Callable[[str], None] = lambda line: None,
    names: Iterable[str] | None = None,
) -> Measurement:
    """Measure models, those of the lowest cost first, as long as time and memory allow, and note the results.

    Args:
        threads: CPU threads; None leaves it to the engine.
        max_seconds: for all together. A model is left out if it would probably take longer than what is left.
        say: called with each step.
        names: of models; None for all.
    """
    ends = time.monotonic() + max_seconds
    measured: dict[str, MeasuredModel] = {}
    skipped: dict[str, str] = {}
    by_key: dict[str, MeasuredModel] = {}
    rate = 0.0  # seconds per GMAC, start included
    all_names = [*dict.fromkeys([*weights.all_models(), *weights.unpinned_models()])]
    for name in sorted(all_names if names is None else names, key=_cost):
        key, gmac = timing_key(name), weights.model_facts(name).gmac
        if key not in by_key:
            reason = _obstacle(name, ends - time.monotonic(), rate * (gmac or 0))
            if reason:
                skipped[name] = reason
                continue
            say(f"measuring {name}")
            started = time.monotonic()
            try:
                by_key[key] = _measure(name, threads)
            except AnymaskError as error:
                skipped[name] = str(error)
                continue
            if gmac:
                rate = (time.monotonic() - started) / gmac
        measured[name] = by_key[key]
    note_measured(measured)
    return Measurement(measured, skipped)


def _cost(name: str) -> float:
    return weights.model_facts(name).gmac or 0.0


def _obstacle(name: str, seconds_left: float, expected: float) -> str:
    """Why a model is not measured; "" if it is."""
    architecture = weights.model_facts(name).architecture
    if architecture is None and not (name in weights.all_models() and weights.is_here(weights.find_model(name))):
        return "its files are not here"
    if expected > seconds_left or seconds_left <= 0:
        return f"it would take about {expected:.0f} s, and {max(seconds_left, 0):.0f} s are left"
    need = _RUN_BYTES
    if architecture is not None:
        need += 4 * sum(math.prod(shape) for shape in encoder_shapes(architecture).values())
    if need > _available_memory():
        return f"it may need {need / 2**30:.1f} GB of memory, and {_available_memory() / 2**30:.1f} GB are free"
    return ""


def _measure(name: str, threads: int | None) -> MeasuredModel:
    """Measure one model: the network with random weights, or the files where the network comes in them."""
    image = known_image()
    architecture = weights.model_facts(name).architecture
    if architecture is not None:
        engine = load_engine("auto", precision="auto", threads=threads)
        model = random_model(architecture, engine)
        seconds = _median_seconds(lambda: model.encode(image.pixels))
        return MeasuredModel(seconds, engine.threads, engine.name, engine.precision)
    if "text" in weights.find_model(name).capabilities:
        from anymask.detection.loading import load_detector

        detector = load_detector(name, threads=threads)
        seconds = _median_seconds(lambda: detector.detect([image.pixels], ["cup"], 0.5))
        return MeasuredModel(seconds, threads or os.cpu_count() or 1, detector.engine, detector.precision)
    if "subject" in weights.find_model(name).capabilities:
        from anymask.prediction.subject_model import load_subject_model

        subject_model = load_subject_model(name, threads=threads)
        seconds = _median_seconds(lambda: subject_model.subject_map(image.pixels))
        return MeasuredModel(seconds, subject_model.threads, subject_model.engine, subject_model.precision)
    from anymask.prediction.segmenter import load

    segmenter = load(name, threads=threads, store=False)
    seconds = _median_seconds(lambda: segmenter.encode(image))
    return MeasuredModel(seconds, segmenter.threads, segmenter.engine, segmenter.precision)


def _median_seconds(run: Callable[[], Any]) -> float:
    """Seconds of one run, after a first one that compiles: the median of three, of fewer where they take long."""
    run()
    seconds: list[float] = []
    while len(seconds) < _RUNS and sum(seconds) < _ENOUGH_SECONDS:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def _available_memory() -> int:
    """Bytes that may still be filled: of the limit, what the system says is free."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return memory_limit()
    return min(free, memory_limit())
