"""Examine the installation; the result is plain data that `anymask doctor` prints."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from anymask import weights
from anymask._version import __version__
from anymask.engines.loading import load_engine
from anymask.engines.registry import ENGINES
from anymask.errors import AnymaskError, EngineError, quantity
from anymask.evaluation.doctor.cache_health import inspect_cache
from anymask.evaluation.doctor.known_image import Agreement, measure_agreement
from anymask.evaluation.doctor.model_seconds import note_measured
from anymask.prediction.segmenter import load
from anymask.weights.measured import MeasuredModel

LIBRARIES = sorted({"numpy", "onnx", "opencv-python-headless", "pillow", *(each.library for each in ENGINES.values())})
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
RUNS = [(name, precision) for name, entry in ENGINES.items() for precision in entry.precisions]


def examine(threads: int | None = None, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Examine versions, processor, weights, cache, and the masks of every engine and precision.

    Args:
        threads: CPU threads for each run; None leaves it to the engine.
        say: called with each step.

    Returns:
        The report, of types that JSON has; "wrong" lists what must be fixed, "advice" what may be improved.
    """
    wrong: list[str] = []
    say("checking the weights")
    states = _weights(wrong)
    say("checking the cache")
    cache = inspect_cache()
    wrong += [f"{path} is damaged: {fault}; remove it, it is made again" for path, fault in cache["damaged"].items()]
    runs: list[Agreement] = []
    absent: dict[str, str] = {}
    for engine, precision in () if wrong and _unusable(states) else RUNS:
        say(f"segmenting a known image: {engine} {precision}")
        try:
            agreement = measure_agreement(
                load(engine=engine, precision=precision, threads=threads, device="cpu", store=False)
            )
        except EngineError as error:
            absent[f"{engine} {precision}"] = str(error)
        except AnymaskError as error:
            wrong.append(f"{engine} {precision}: {error}")
        else:
            runs.append(agreement)
            if not agreement.good:
                wrong.append(
                    f"{engine} {precision} differs from the official masks: embedding cosine "
                    f"{agreement.cosine:.5f}, worst mask IoU {agreement.least_iou:.3f}"
                )
    _note_default_model(runs)
    if absent and not runs:
        wrong.append("no engine runs: pip install openvino")
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "cpu": {"features": _cpu_features()},
        "weights": states,
        "cache": cache,
        "runs": [{**asdict(run), "good": run.good} for run in runs],
        "cannot_run": absent,
        "wrong": wrong,
        "advice": [*_cache_advice(cache), *advice(runs)],
    }


def _note_default_model(runs: list[Agreement]) -> None:
    """Note how long the default model takes, on the engine and in the precision that "auto" means."""
    if not runs:
        return
    auto = load_engine("auto", precision="auto", device="cpu")
    for run in runs:
        if (run.engine, run.precision) == (auto.name, auto.precision):
            measured = MeasuredModel(run.encode, run.threads, run.engine, run.precision)
            note_measured({weights.default_model(): measured})


def _cache_advice(cache: Mapping[str, Any]) -> list[str]:
    if cache["writable"]:
        return []
    return [f"{cache['root']} cannot be written: what is not stored there is computed again by each command"]


def advice(runs: list[Agreement]) -> list[str]:
    """Advice, as text, on which of the runs to prefer."""
    by = {(run.engine, run.precision): run for run in runs if run.good}
    lines = []
    plain, native = by.get(("openvino", "f32")), by.get(("openvino", "bf16"))
    if plain and native:
        lines.append(f"bf16 is native here: {_compare_speed(native, plain)}, mask IoU {native.mean_iou:.3f}")
    elif plain:
        lines.append("bf16 is not native here: f32 is what --precision auto uses")
    small, auto = by.get(("openvino", "int8")), native or plain
    if small and auto:
        lines.append(
            f"int8, on request: {_compare_speed(small, auto)}, mask IoU {small.mean_iou:.3f} "
            f"(worst {small.least_iou:.3f}); --precision auto does not use it"
        )
    if by:
        best = min(by.values(), key=lambda run: run.encode)
        lines.append(
            f"fastest here: --engine {best.engine} --precision {best.precision}, {quantity(best.threads, 'thread')}"
        )
    return lines


def _compare_speed(run: Agreement, other: Agreement) -> str:
    """How the encoding of one run compares with that of another."""
    ratio = other.encode / run.encode
    speed = f"{ratio:.1f}× faster" if ratio > 1 else f"{1 / ratio:.1f}× slower"
    return f"{speed} than {other.precision}"


def _weights(wrong: list[str]) -> dict[str, dict[str, str]]:
    """Hash every file that exists; an absent file of the default model is downloaded."""
    states: dict[str, dict[str, str]] = {}
    for entry in weights.all_models().values():
        files = weights.inspect_files(entry, thorough=True)
        if all(state.fault == "absent" for state in files):
            continue
        states[entry.name] = {state.file.name: state.fault or "exact" for state in files}
        wrong += [
            f"weights {entry.name}/{state.file.name}: {state.fault}; run: anymask models pull {entry.name}"
            for state in files
            if state.fault
        ]
    return states


def _unusable(states: dict[str, dict[str, str]]) -> bool:
    """Whether the default model's weights are damaged: a run would replace them silently, or fail."""
    return any(state != "exact" for state in states.get(weights.default_model(), {}).values())


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _cpu_features() -> list[str]:
    """Those of `CPU_FEATURES` that the kernel reports; none where there is no such report."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as report:  # noqa: PTH123 - not a path of ours
            flags = set(report.read().split())
    except OSError:
        return []
    return [feature for feature in CPU_FEATURES if feature in flags]
