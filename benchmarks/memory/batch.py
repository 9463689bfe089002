"""Memory of a long batch as it goes on: `python -m benchmarks.memory.batch [IMAGES] [--small]` (10,000 if left out).

Small images with a box each, so that what grows with the number of images shows, and not one image's size. With
`--small`, the encoder is a ViT of one block and random numbers: the same work on everything but the network, which
takes a tenth of the time. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import anymask.weights
from anymask.weights.checkpoints.state_dict import read_state_dict

STEPS = 10
SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory.batch", description=__doc__)
    parser.add_argument("count", metavar="IMAGES", type=int, nargs="?", default=10_000)
    parser.add_argument("--small", action="store_true", help="with an encoder of one block and random numbers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_images(folder, arguments.count)
        model = _add_small_model(folder) if arguments.small else "mobile-sam"
        command = [sys.executable, "-m", "anymask", "batch", str(folder / "photos"), "--model", model, "--quiet"]
        command += ["--prompts", str(folder / "prompts.csv"), "--refine", "off", "--out", str(folder / "out")]
        process = subprocess.Popen(command)
        _watch(process, folder / "out" / "results", arguments.count)
        print(f"exit code {process.returncode}")


def _watch(process: subprocess.Popen[bytes], results: Path, count: int) -> None:
    """Print the resident memory of the command and its workers at each tenth of the way, and the highest."""
    printed_steps, peak = 0, 0.0
    while process.poll() is None:
        time.sleep(SECONDS)
        each = [_resident(member) for member in _family(process.pid)]
        peak = max(peak, sum(each))
        done = sum(1 for _ in os.scandir(results)) if results.is_dir() else 0
        if any(each) and done * STEPS // count > printed_steps:
            printed_steps = done * STEPS // count
            print(f"{done:>7,} images: {sum(each):,.0f} MB ({' + '.join(f'{one:,.0f}' for one in each)})", flush=True)
    print(f"peak {peak:,.0f} MB")


def _make_images(folder: Path, count: int) -> None:
    (folder / "photos").mkdir()
    chance = np.random.default_rng(0)
    lines = ["image,x_min,y_min,x_max,y_max"]
    for number in range(count):
        pixels = np.kron(chance.integers(0, 255, (4, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
        left, top = chance.integers(0, 48), chance.integers(0, 32)
        lines.append(f"{number}.png,{left},{top},{left + 48},{top + 32}")
    (folder / "prompts.csv").write_text("\n".join(lines))


def _add_small_model(folder: Path) -> str:
    """A model of its own catalogue: a ViT of one block before MobileSAM's decoder."""
    from tests.support.checkpoint_files import write_state_dict
    from tests.support.small_vit import vit_parameters

    decoder = read_state_dict(anymask.weights.ensure("mobile-sam").values())
    parameters = vit_parameters(blocks=1, everywhere=()) | {
        name: array for name, array in decoder.items() if not name.startswith("image_encoder.")
    }
    os.environ |= {"ANYMASK_CACHE": str(folder / "cache"), "ANYMASK_DATA": str(folder / "data")}
    anymask.weights.add_model("small", [write_state_dict(folder / "small.pth", parameters)])
    return "small"


def _family(process: int) -> list[int]:
    """A process and all below it that still run."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(each for child in children for each in _family(int(child)))]


def _resident(process: int) -> float:
    """Resident memory in MB, pages that several processes share included."""
    try:
        match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(match[1]) / 1e3 if match else 0.0


if __name__ == "__main__":
    main()
