"""Time and memory of other families beside their official code: `python -m benchmarks.families [NAME…] [--pairs N]`.

Random weights, the same in both, as the official code saves them; f32 in the official code, f32 and "auto" in anymask.
Each measurement is a process of its own, which loads the model, encodes an image once, and then encodes it and predicts
a click again; processes of both run in turns. Memory is the peak of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.peers.machine import processor

FAMILIES = ("sam2.1-tiny", "sam2.1-base-plus", "sam-vit-b", "edge-sam")


_COMMON = """
import json, resource, sys, time
import numpy as np
checkpoint, threads, rounds, name, precision = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
image = np.random.default_rng(0).integers(0, 256, (684, 1024, 3), np.uint8)

def measure(encode, click):
    click(encode())
    seconds = {"encode": [], "click": []}
    for _ in range(rounds):
        started = time.perf_counter()
        encoded = encode()
        between = time.perf_counter()
        click(encoded)
        seconds["encode"].append(between - started)
        seconds["click"].append(time.perf_counter() - between)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({**{step: sorted(each)[len(each) // 2] for step, each in seconds.items()}, "megabytes": peak}))
"""
_OURS = """
import anymask
segmenter = anymask.load(checkpoint, precision=precision, threads=threads, device="cpu", store=False)
measure(lambda: segmenter.encode(image), lambda encoded: encoded.predict(points=[(500, 300)]))
"""
_OFFICIAL = """
import torch
torch.set_num_threads(threads)
from benchmarks.families import official_model, official_predictor
model = official_model(name)
model.load_state_dict(torch.load(checkpoint, weights_only=True), strict=True)
click = {"point_coords": np.array([[500, 300]]), "point_labels": np.array([1])}
measure(lambda: official_predictor(name, model, image), lambda predictor: predictor.predict(**click))
"""


def official_model(name: str):
    """The official model of a family with random weights, float32."""
    if name.startswith("sam2.1-"):
        from tests.reference.official_sam2 import random_sam2

        return random_sam2(name.removeprefix("sam2.1-"))
    if name == "sam-vit-b":
        from tests.reference.official_vit import VIT_B, random_sam

        return random_sam(VIT_B)
    from tests.reference import official_families

    return official_families.with_random_weights(official_families.edge_sam)


def official_predictor(name: str, model, pixels):
    """The official predictor with the embedding of uint8 [H, W, 3] RGB pixels made."""
    from tests.reference import official_families, official_sam2, official_vit

    modules = {"sam2": official_sam2, "sam-": official_vit}
    return modules.get(name[:4], official_families).predictor_of(model, pixels)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FAMILIES)} (all if left out)")
    parser.add_argument("--pairs", type=int, default=3, help="processes of each (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="runs in each process after the first (default: 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each (default: all cores)")
    parser.add_argument("--precisions", nargs="+", default=["f32", "auto"], help="of anymask (default: f32 auto)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(FAMILIES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    print(f"{processor()}, {arguments.threads} threads, load {os.getloadavg()[0]:.1f}; medians of {arguments.pairs}")
    print(f"{'':<18}{'encode':>18}{'click':>18}{'peak memory':>20}  encode, memory: official / anymask")
    for name in arguments.names or FAMILIES:
        for precision in arguments.precisions:
            print(_line(name, precision, arguments), flush=True)


def _line(name: str, precision: str, arguments: argparse.Namespace) -> str:
    """Measure one family in one precision of anymask, in turns with the official code."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.pt"
        torch.save(official_model(name).state_dict(), path)
        given = [str(path), str(arguments.threads), str(arguments.rounds), name, precision]
        environment = os.environ | {"ANYMASK_CACHE": f"{folder}/cache", "ANYMASK_DATA": f"{folder}/data"}

        def run(program: str) -> dict[str, float]:
            command = [sys.executable, "-c", _COMMON + program, *given]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(f"benchmarks.families: {name}: {done.stderr.strip().splitlines()[-1]}")
            return json.loads(done.stdout.splitlines()[-1])

        run(_OURS)  # compiles the graphs, which are cached
        pairs = [(run(_OURS), run(_OFFICIAL)) for _ in range(arguments.pairs)]
    ours, official = ({key: median(each[i][key] for each in pairs) for key in pairs[0][0]} for i in (0, 1))
    ratio = {key: median(theirs[key] / own[key] for own, theirs in pairs) for key in ours}
    return (
        f"{name + ' ' + precision:<24}{ours['encode']:>6.2f} / {official['encode']:<6.2f} s"
        f"{ours['click'] * 1000:>7.0f} / {official['click'] * 1000:<5.0f} ms"
        f"{ours['megabytes']:>8,.0f} / {official['megabytes']:<6,.0f} MB"
        f"   {ratio['encode']:.1f}×, {ratio['megabytes']:.1f}×"
    )


if __name__ == "__main__":
    main()
