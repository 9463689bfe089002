"""The server under load, and what a request adds: `python -m benchmarks.server.load [--clients 32] [--requests 10000]`.

Starts `anymask serve` in a process of its own. First one client sends every request alone; then many clients send the
same requests in random order, side by side, and every reply has to be equal to the first one. Then the library and the
server are prompted with a click in turns, on one image, to see what HTTP adds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.speed.images import ROOT

SIDE = (1024, 684)
KINDS = {
    "preview": 20, "click": 25, "second click": 15, "box": 15, "choices": 5, "candidates": 5, "polygons": 5,
    "mask file": 5, "info": 5,
}  # fmt: skip
"""Requests of a mix, in percent; a second click is two requests, and so is a mask file."""


@dataclass(frozen=True)
class PromptSequence:
    """Requests about one image that follow each other."""

    kind: str
    image: int
    body: dict[str, Any] = field(default_factory=dict, hash=False)


def make_images(count: int) -> list[bytes]:
    """Different JPEGs of 1024×684, cut from the example images."""
    pick = random.Random(7)
    sources = [Image.open(path).convert("RGB") for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))]
    contents = []
    for index in range(count):
        source = sources[index % len(sources)]
        share = pick.uniform(0.6, 1.0)
        width, height = int(source.width * share), int(source.height * share)
        left, top = pick.randrange(source.width - width + 1), pick.randrange(source.height - height + 1)
        buffer = io.BytesIO()
        source.crop((left, top, left + width, top + height)).resize(SIDE).save(buffer, "jpeg", quality=92)
        contents.append(buffer.getvalue())
    return contents


def prompt_sequences(count: int) -> list[PromptSequence]:
    """A few sequences of each kind for every image."""
    pick = np.random.default_rng(11)
    sequences = []
    for image in range(count):
        for kind in KINDS:
            for _ in range(3 if kind in ("click", "second click", "box") else 1):
                (x, y), (w, h) = pick.uniform((10, 10), (1010, 670)).round(1).tolist(), pick.uniform(60, 400, 2)
                box = [max(x - w, 0), max(y - h, 0), min(x + w, SIDE[0]), min(y + h, SIDE[1])]
                prompt = {"box": box} if kind == "box" else {"points": [[x, y]]}
                other = pick.uniform((10, 10), (1010, 670)).round(1).tolist()
                body = {"prompt": prompt, "then": {"points": [[x, y], other], "labels": [1, int(pick.integers(2))]}}
                sequences.append(PromptSequence(kind, image, body))
    return sequences


class Client:
    """One client."""

    def __init__(self, address: str, ids: list[str], record: Callable[[str, float], None]) -> None:
        self._http = httpx.Client(base_url=address, timeout=300)
        self._ids = ids
        self._record = record

    def run(self, sequence: PromptSequence) -> str:
        """Send the requests, and return a digest of the replies without the seconds."""
        path = f"/v1/images/{self._ids[sequence.image]}"
        if sequence.kind == "info":
            reply = self._request("info", "GET", path).json()
            return f"{reply['width']}x{reply['height']}"
        if sequence.kind == "choices":
            reply = self._request("choices", "POST", f"{path}/alternatives", json=sequence.body["prompt"]).json()
            del reply["seconds"]
            return _digest([reply])
        options: dict[str, Any] = {"candidates": sequence.kind == "candidates"}
        if sequence.kind == "polygons":
            options["format"] = "polygons"
        if sequence.kind == "preview":
            options |= {"preview": True, "store": False}
        name = "click" if sequence.kind in ("second click", "mask file") else sequence.kind
        first = self._segment(name, path, sequence.body["prompt"], **options)
        if sequence.kind == "second click":
            then = {**sequence.body["then"], "logits": first["masks"][0]["logits"]}
            return _digest([first, self._segment("second click", path, then)])
        if sequence.kind == "mask file":
            return _digest([first, self._request("mask file", "GET", first["masks"][0]["file"]).content.hex()])
        return _digest([first])

    def _segment(self, kind: str, path: str, prompt: dict[str, Any], **options: Any) -> Any:
        reply = self._request(kind, "POST", f"{path}/segment", json={"prompts": [prompt], **options}).json()
        del reply["seconds"]
        return reply

    def _request(self, kind: str, method: str, path: str, **options: Any) -> httpx.Response:
        started = time.perf_counter()
        reply = self._http.request(method, path, **options)
        self._record(kind, time.perf_counter() - started)
        reply.raise_for_status()
        return reply

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def _digest(replies: list[Any]) -> str:
    return hashlib.sha256(json.dumps(replies, sort_keys=True).encode()).hexdigest()


@contextmanager
def server(threads: int) -> Iterator[tuple[str, int]]:
    """Run the command; yields its address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--data", folder, "--threads", str(threads)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            address = next(match.group() for line in process.stderr if (match := re.search(r"http://[^/\s]+", line)))
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(60)


class Memory:
    """Watches how much memory a process has resident, in MB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """At this moment."""
        line = next(each for each in self._status.read_text().splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.samples.append(self.now())

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()
        self._thread.join()


def load(address: str, pid: int, clients: int, requests: int, count: int) -> None:
    """Run all sequences alone, then side by side, and print the results."""
    contents, sequences = make_images(count), prompt_sequences(count)
    seconds: dict[str, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = defaultdict(list)
    with httpx.Client(base_url=address, timeout=300) as http:
        ids = []
        for content in contents:
            reply = http.post("/v1/images", files={"file": content}).raise_for_status().json()
            http.get(f"/v1/images/{reply['id']}", params={"wait": 30}).raise_for_status()
            ids.append(reply["id"])
    assert len(set(ids)) == count
    memory = Memory(pid)
    print(f"memory with {count} images encoded: {memory.now():,.0f} MB", flush=True)
    single = Client(address, ids, lambda kind, took: alone[kind].append(took))
    expected = [single.run(sequence) for sequence in sequences]
    print(f"memory after {len(sequences)} prompt sequences of one client: {memory.now():,.0f} MB", flush=True)
    lock, left, outcome = threading.Lock(), [requests], Counter[str]()

    def work(number: int) -> None:
        mine: list[tuple[str, float]] = []
        client = Client(address, ids, lambda kind, took: mine.append((kind, took)))
        pick = random.Random(number)
        weights = [
            KINDS[sequence.kind] / (3 if sequence.kind in ("click", "second click", "box") else 1)
            for sequence in sequences
        ]
        while True:
            with lock:
                if left[0] <= 0:
                    break
            index = pick.choices(range(len(sequences)), weights)[0]
            before = len(mine)
            try:
                result = "equal" if client.run(sequences[index]) == expected[index] else "DIFFERENT"
            except httpx.HTTPStatusError as error:
                result = f"HTTP {error.response.status_code}"
            with lock:
                left[0] -= len(mine) - before
                outcome[result] += 1
        client.close()
        with lock:
            for kind, took in mine:
                seconds[kind].append(took)

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    took = time.perf_counter() - started
    memory.stop()
    total = sum(len(each) for each in seconds.values())
    print(
        f"{total:,} requests of {clients} clients about {count} images in {took:,.0f} s: {total / took:.1f} per second"
    )
    print(f"replies: {dict(outcome)}")
    half = len(memory.samples) // 2
    print(
        f"memory: highest {max(memory.samples):,.0f} MB; "
        f"median of the last quarter {statistics.median(memory.samples[-max(half // 2, 1) :]):,.0f} MB"
    )
    print(f"{'':14}{'alone p50':>11}{'p95':>9}   {'side by side p50':>17}{'p95':>9}   requests")
    for kind in seconds:
        cells = [*_quantiles(alone[kind]), *_quantiles(seconds[kind])]
        side_by_side = f"{cells[2]:>14.0f} ms{cells[3]:>6.0f} ms   {len(seconds[kind]):>8,}"
        print(f"{kind:14}{cells[0]:>8.1f} ms{cells[1]:>6.1f} ms   {side_by_side}")
    if set(outcome) != {"equal"}:
        sys.exit("benchmarks.server.load: some replies were not those that one client gets alone")


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    return float(np.percentile(seconds, 50)) * 1e3, float(np.percentile(seconds, 95)) * 1e3


def added(address: str, threads: int, pairs: int = 200) -> None:
    """Prompt the library and the server with one click in turns, and print what the request adds."""
    from anymask import load as load_model
    from anymask.formats import masks_json

    content = make_images(1)[0]
    encoded = load_model(threads=threads).encode(content)
    with httpx.Client(base_url=address, timeout=60) as http:
        id = http.post("/v1/images", files={"file": content}).raise_for_status().json()["id"]
        http.get(f"/v1/images/{id}", params={"wait": 30})
        here, there = [], []
        for index in range(pairs + 20):
            point = [100 + 4 * (index % 200), 340]
            started = time.perf_counter()
            entry = masks_json.mask_to_dict(encoded.segment(points=[point])[0])
            middle = time.perf_counter()
            reply = http.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [point]}]}).json()
            ended = time.perf_counter()
            assert reply["masks"][0]["rle"] == entry["rle"]
            if index >= 20:
                here.append((middle - started) * 1e3)
                there.append((ended - middle) * 1e3)
    difference = [b - a for a, b in zip(here, there, strict=True)]
    print(
        f"a click on 1024×684: library {statistics.median(here):.1f} ms, over HTTP {statistics.median(there):.1f} ms; "
        f"added {statistics.median(difference):.1f} ms (p95 {np.percentile(difference, 95):.1f} ms)"
    )


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server.load", description=__doc__)
    for name, value in (("clients", 32), ("requests", 10_000), ("images", 64), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N")
    arguments = parser.parse_args()
    with server(arguments.threads) as (address, pid):
        added(address, arguments.threads)
        load(address, pid, arguments.clients, arguments.requests, arguments.images)


if __name__ == "__main__":
    main()
