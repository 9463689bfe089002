"""Memory of encoding and one click, by precision: `python -m benchmarks.memory.precision`.

Each engine and precision runs in a process of its own, whose graphs were compiled and cached by an earlier one.
"""

from __future__ import annotations

import subprocess
import sys

RUNS = (
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnxruntime", "f32"),
    ("onnxruntime", "int8"),
)
PROGRAM = """
import resource, sys
import numpy as np
import anymask
segmenter = anymask.load(engine=sys.argv[1], precision=sys.argv[2], threads=2, device="cpu", store=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = np.random.default_rng(0).integers(0, 256, (684, 1024, 3), np.uint8)
segmenter.encode(image).segment(points=[(500, 300)], refine="off", select="score")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(after / 1e3, (after - before) / 1e3)
"""


def main() -> None:
    for run in RUNS:
        command = [sys.executable, "-c", PROGRAM, *run]
        subprocess.run(command, capture_output=True, check=True)
        peak, grown = map(float, subprocess.run(command, capture_output=True, check=True).stdout.split())
        print(f"{' '.join(run):<18} peak {peak:,.0f} MB, of which encoding and a click {grown:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
