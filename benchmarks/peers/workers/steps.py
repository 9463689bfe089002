"""The loop of a worker: requests as JSON lines on standard input, replies as JSON lines on standard output.

A request is `{"step": "click", "arguments": {"point": [x, y]}, "keep": "masks.raw"}`; the step is a method of the
worker's class. The reply holds its seconds and, where masks are to be written, their shape; the masks themselves lie
in the named file, one byte per pixel. A step that fails replies `{"error": "…"}` and the loop goes on. Whatever the
tool prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Worker threads spin for some milliseconds after their work; the pause keeps that out of the next step's time.
SETTLE_SECONDS = 0.05


@dataclass
class StepResult:
    """The result of a step.

    Attributes:
        masks: bool [K, H, W], or a function that makes them of the tool's output, called after the clock has stopped.
        scores: of each mask, where the tool tells them.
        seconds: for a step that is measured on a part and scaled; None takes the clock's.
        facts: anything else, of types that JSON has.
    """

    masks: NDArray[np.bool_] | Callable[[], NDArray[np.bool_]] | None = None
    scores: list[float] = field(default_factory=list)
    seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def serve(tool: object) -> None:
    """Reply to requests until standard input ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        for line in sys.stdin:
            try:
                reply = _do(tool, json.loads(line))
            except Exception as error:  # the caller decides what to do about it
                reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def _do(tool: object, request: dict[str, Any]) -> dict[str, Any]:
    step = getattr(tool, request["step"])
    time.sleep(SETTLE_SECONDS)
    started = time.perf_counter()
    result = step(**request.get("arguments", {})) or StepResult()
    seconds = time.perf_counter() - started
    reply = {
        "seconds": seconds if result.seconds is None else result.seconds,
        "peak": peak_bytes(),
        "scores": result.scores,
        "facts": result.facts,
    }
    if request.get("keep") and result.masks is not None:
        masks = result.masks() if callable(result.masks) else result.masks
        Path(request["keep"]).write_bytes(np.ascontiguousarray(masks, bool).tobytes())
        reply["shape"] = list(masks.shape)
    return reply


def peak_bytes() -> int | None:
    """The most memory this process ever had resident; None where the system does not tell."""
    try:
        # Not getrusage: its figure survives exec, and would count the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return _peak_by_getrusage()


def _peak_by_getrusage() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def limit_onnxruntime(threads: int) -> None:
    """Let every ONNX Runtime session of this process use so many threads; the tools have no setting for it."""
    import onnxruntime

    session_type = onnxruntime.InferenceSession

    def limited(path: Any, sess_options: Any = None, **options: Any) -> Any:
        session_options = onnxruntime.SessionOptions() if sess_options is None else sess_options
        session_options.intra_op_num_threads = threads
        return session_type(path, sess_options=session_options, **options)

    onnxruntime.InferenceSession = limited
