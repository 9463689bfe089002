"""How long models take on this machine, as `anymask doctor` measured it, noted in the cache."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from anymask.weights.catalogue import all_models, unpinned_models
from anymask.weights.facts import model_facts
from anymask.weights.locations import cache_root


@dataclass(frozen=True)
class MeasuredModel:
    """How long a model took on this machine.

    Attributes:
        seconds: for encoding an image, or for detecting in one, the median of up to three.
        threads: CPU threads that it was measured with.
    """

    seconds: float
    threads: int
    engine: str
    precision: str


def measured_models() -> dict[str, MeasuredModel]:
    """Return what was measured on this machine, by model; empty without any, or where the file cannot be read."""
    by_key = _stored()
    return {name: by_key[key] for name in (*all_models(), *unpinned_models()) if (key := timing_key(name)) in by_key}


def measured_file_content(measured: Mapping[str, MeasuredModel]) -> bytes:
    """The content of `measured_file` with more models measured, which replace what was noted of them before."""
    models = _stored() | {timing_key(name): each for name, each in measured.items()}
    content = {"machine": _machine(), "models": {key: asdict(each) for key, each in sorted(models.items())}}
    return json.dumps(content, indent=1).encode()


def timing_key(name: str) -> str:
    """The name under which the time of a model is noted: models of one architecture take the same."""
    return model_facts(name).architecture or name


def measured_file() -> Path:
    """Where it is noted how long models take."""
    return cache_root() / "seconds" / "models.json"


def _stored() -> dict[str, MeasuredModel]:
    """What was noted on this machine, by architecture or model."""
    try:
        content = json.loads(measured_file().read_text("utf-8"))
        if content["machine"] != _machine():
            return {}
        return {key: MeasuredModel(**each) for key, each in content["models"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _machine() -> str:
    """The processor and the number of its cores: the cache may be shared by machines."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"
