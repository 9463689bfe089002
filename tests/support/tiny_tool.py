"""A tool that does next to nothing, driven like the real ones: it is run as a program by the tests."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks.peers.workers.steps import StepResult, serve


class TinyTool:
    """Each step shows one thing that tools do."""

    def masks(self, shape: list[int]) -> StepResult:
        print("a tool that talks on standard output")
        os.write(1, b"and one that does so behind Python's back\n")
        flat = np.arange(int(np.prod(shape))) % 3 == 0
        return StepResult(lambda: flat.reshape(shape), scores=[0.25, 0.75][: shape[0]])

    def doze(self, seconds: float) -> None:
        time.sleep(seconds)

    def scaled(self) -> StepResult:
        return StepResult(seconds=42.0, facts={"prompts": 7})

    def stumble(self) -> None:
        raise ValueError("two\nlines")

    def die(self) -> None:
        print("warming up", file=sys.stderr)
        print("the last words", file=sys.stderr)
        os._exit(3)

    def variables(self, **_: Any) -> StepResult:
        return StepResult(facts=dict(os.environ))


if __name__ == "__main__":
    serve(TinyTool())
