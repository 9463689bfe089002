"""Run the benchmarks and print them as ratios: `python -m benchmarks [NAME…] [--pairs N] [--json]`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

from anymask.errors import AnymaskError
from benchmarks.official import Peers, Settings, set_up
from benchmarks.peers.machine import processor
from benchmarks.speed.pairs import HEADING, Comparison

BENCHMARKS = ("rates", "encode", "click", "boxes", "text", "cold", "everything")
"""One module each, with a function `compare(peers)` that yields comparisons."""

ON_REQUEST = ("vit", "batch")
"""More of them, which take minutes each and run only when they are named."""

PACKAGES = ("anymask", "openvino", "onnxruntime", "torch", "mobilesam-lite", "numpy", "pillow")


def main() -> None:
    arguments = _parse()
    try:
        peers = set_up(Settings(arguments.pairs, arguments.threads, arguments.engine, arguments.precision))
    except AnymaskError as error:
        sys.exit(f"benchmarks: {error}")
    machine = _machine(peers)
    if not arguments.json:
        print("\n".join(f"{name}: {value}" for name, value in machine.items()), HEADING, sep="\n\n")
    results = []
    for comparison in _all(arguments.names, peers):
        results.append(comparison.as_json())
        if not arguments.json:
            print(comparison.as_line(), *(f"    {note}" for note in comparison.notes), sep="\n", flush=True)
    if arguments.json:
        json.dump({"machine": machine, "results": results}, sys.stdout, indent=2)
        print()


def _all(names: list[str], peers: Peers) -> Iterator[Comparison]:
    for name in names or BENCHMARKS:
        yield from importlib.import_module(f"benchmarks.speed.{name}").compare(peers)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(BENCHMARKS)} (all if left out); {', '.join(ON_REQUEST)}",
    )
    parser.add_argument("--pairs", type=int, default=7, help="how often each peer does each task (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each peer (default 2)")
    parser.add_argument("--engine", default="auto", help="anymask's engine (default auto)")
    parser.add_argument("--precision", default="auto", help="anymask's precision (default auto)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, raw seconds included")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - {*BENCHMARKS, *ON_REQUEST})
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join((*BENCHMARKS, *ON_REQUEST))}")
    if arguments.pairs < 1 or arguments.threads < 1:
        parser.error(f"--pairs and --threads must be at least 1, not {arguments.pairs} and {arguments.threads}")
    return arguments


def _machine(peers: Peers) -> dict[str, Any]:
    segmenter = peers.segmenter
    return {
        "anymask": f"{segmenter.engine} {segmenter.precision}, {segmenter.threads} threads",
        "official": f"PyTorch f32, {peers.settings.threads} threads",
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }


if __name__ == "__main__":
    main()
