"""Memory of a long batch as it goes on: `python -m benchmarks.batch_memory [PHOTOS]` (10,000 if left out).

Small photos with a point each, so that what grows with the number of photos is seen, and not one photo's size.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

STEPS = 10


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_photos(folder, count)
        command = [sys.executable, "-m", "anymask", "batch", str(folder / "photos"), "--quiet"]
        command += ["--prompts", str(folder / "prompts.csv"), "--out", str(folder / "out")]
        process = subprocess.Popen(command)
        told = 0
        while process.poll() is None:
            time.sleep(0.5)
            done = sum(1 for _ in (folder / "out" / "results").glob("*.json"))
            if done * STEPS // count > told:
                told = done * STEPS // count
                print(f"{done:>7,} photos: {_resident(process.pid):,.0f} MB", flush=True)
        print(f"exit code {process.returncode}")


def _make_photos(folder: Path, count: int) -> None:
    (folder / "photos").mkdir()
    chance = np.random.default_rng(0)
    lines = ["image,x,y"]
    for number in range(count):
        pixels = np.kron(chance.integers(0, 255, (4, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
        lines.append(f"{number}.png,{chance.integers(2, 94)},{chance.integers(2, 62)}")
    (folder / "prompts.csv").write_text("\n".join(lines))


def _resident(process: int) -> float:
    """Resident memory in MB; Linux only."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1e3 if found else float("nan")


if __name__ == "__main__":
    main()
