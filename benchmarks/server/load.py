"""The server under load, and what a request adds: `python -m benchmarks.server.load [--clients 32] [--requests 10000]`.

Starts `anymask serve` in a process of its own. First one client asks every question alone; then many clients ask the
same questions in random order, side by side, and every answer has to be equal to the one given alone. Then a click is
asked of the library and of the server in turns, on one photo, to see what HTTP adds.
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

from benchmarks.speed.photos import ROOT

SIDE = (1024, 684)
KINDS = {
    "preview": 20, "click": 25, "second click": 15, "box": 15, "choices": 5, "candidates": 5, "polygons": 5,
    "mask picture": 5, "info": 5,
}  # fmt: skip
"""Requests of a mix, in percent; a second click is two requests, and so is a mask picture."""


@dataclass(frozen=True)
class Question:
    """What is asked about one photo: requests that follow each other."""

    kind: str
    photo: int
    body: dict[str, Any] = field(default_factory=dict, hash=False)


def photos(count: int) -> list[bytes]:
    """Different JPEGs of 1024×684, cut from the example photographs."""
    pick = random.Random(7)
    sources = [Image.open(path).convert("RGB") for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))]
    made = []
    for index in range(count):
        source = sources[index % len(sources)]
        share = pick.uniform(0.6, 1.0)
        width, height = int(source.width * share), int(source.height * share)
        left, top = pick.randrange(source.width - width + 1), pick.randrange(source.height - height + 1)
        buffer = io.BytesIO()
        source.crop((left, top, left + width, top + height)).resize(SIDE).save(buffer, "jpeg", quality=92)
        made.append(buffer.getvalue())
    return made


def questions(count: int) -> list[Question]:
    """About every photo a few of each kind."""
    pick = np.random.default_rng(11)
    asked = []
    for photo in range(count):
        for kind in KINDS:
            for _ in range(3 if kind in ("click", "second click", "box") else 1):
                (x, y), (w, h) = pick.uniform((10, 10), (1010, 670)).round(1).tolist(), pick.uniform(60, 400, 2)
                box = [max(x - w, 0), max(y - h, 0), min(x + w, SIDE[0]), min(y + h, SIDE[1])]
                prompt = {"box": box} if kind == "box" else {"points": [[x, y]]}
                other = pick.uniform((10, 10), (1010, 670)).round(1).tolist()
                body = {"prompt": prompt, "then": {"points": [[x, y], other], "labels": [1, int(pick.integers(2))]}}
                asked.append(Question(kind, photo, body))
    return asked


class Asker:
    """One client."""

    def __init__(self, address: str, ids: list[str], tell: Callable[[str, float], None]) -> None:
        self._http = httpx.Client(base_url=address, timeout=300)
        self._ids = ids
        self._tell = tell

    def ask(self, question: Question) -> str:
        """Ask, and return a digest of all that was answered but the seconds."""
        path = f"/v1/images/{self._ids[question.photo]}"
        if question.kind == "info":
            answer = self._request("info", "GET", path).json()
            return f"{answer['width']}x{answer['height']}"
        if question.kind == "choices":
            answer = self._request("choices", "POST", f"{path}/alternatives", json=question.body["prompt"]).json()
            del answer["seconds"]
            return _digest([answer])
        options: dict[str, Any] = {"candidates": question.kind == "candidates"}
        if question.kind == "polygons":
            options["format"] = "polygons"
        if question.kind == "preview":
            options |= {"preview": True, "store": False}
        name = "click" if question.kind in ("second click", "mask picture") else question.kind
        first = self._segment(name, path, question.body["prompt"], **options)
        if question.kind == "second click":
            then = {**question.body["then"], "logits": first["masks"][0]["logits"]}
            return _digest([first, self._segment("second click", path, then)])
        if question.kind == "mask picture":
            return _digest([first, self._request("mask picture", "GET", first["masks"][0]["file"]).content.hex()])
        return _digest([first])

    def _segment(self, kind: str, path: str, prompt: dict[str, Any], **options: Any) -> Any:
        answer = self._request(kind, "POST", f"{path}/segment", json={"prompts": [prompt], **options}).json()
        del answer["seconds"]
        return answer

    def _request(self, kind: str, method: str, path: str, **options: Any) -> httpx.Response:
        started = time.perf_counter()
        answer = self._http.request(method, path, **options)
        self._tell(kind, time.perf_counter() - started)
        answer.raise_for_status()
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def _digest(answers: list[Any]) -> str:
    return hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()


@contextmanager
def server(threads: int) -> Iterator[tuple[str, int]]:
    """Run the command; yields its address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--data", folder, "--threads", str(threads)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            address = next(found.group() for line in process.stderr if (found := re.search(r"http://[^/\s]+", line)))
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
    """Ask everything alone, then side by side, and print what came of it."""
    pictures, asked = photos(count), questions(count)
    seconds: dict[str, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = defaultdict(list)
    with httpx.Client(base_url=address, timeout=300) as http:
        ids = []
        for picture in pictures:
            answer = http.post("/v1/images", files={"file": picture}).raise_for_status().json()
            http.get(f"/v1/images/{answer['id']}", params={"wait": 30}).raise_for_status()
            ids.append(answer["id"])
    assert len(set(ids)) == count
    memory = Memory(pid)
    print(f"memory with {count} photos encoded: {memory.now():,.0f} MB", flush=True)
    single = Asker(address, ids, lambda kind, took: alone[kind].append(took))
    expected = [single.ask(question) for question in asked]
    print(f"memory after {len(asked)} questions of one client: {memory.now():,.0f} MB", flush=True)
    lock, left, outcome = threading.Lock(), [requests], Counter[str]()

    def work(number: int) -> None:
        mine: list[tuple[str, float]] = []
        asker = Asker(address, ids, lambda kind, took: mine.append((kind, took)))
        pick = random.Random(number)
        weights = [
            KINDS[question.kind] / (3 if question.kind in ("click", "second click", "box") else 1) for question in asked
        ]
        while True:
            with lock:
                if left[0] <= 0:
                    break
            index = pick.choices(range(len(asked)), weights)[0]
            before = len(mine)
            try:
                result = "equal" if asker.ask(asked[index]) == expected[index] else "DIFFERENT"
            except httpx.HTTPStatusError as error:
                result = f"HTTP {error.response.status_code}"
            with lock:
                left[0] -= len(mine) - before
                outcome[result] += 1
        asker.close()
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
        f"{total:,} requests of {clients} clients about {count} photos in {took:,.0f} s: {total / took:.1f} per second"
    )
    print(f"answers: {dict(outcome)}")
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
        sys.exit("benchmarks.server.load: some answers were not those that one client gets alone")


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    return float(np.percentile(seconds, 50)) * 1e3, float(np.percentile(seconds, 95)) * 1e3


def added(address: str, threads: int, pairs: int = 200) -> None:
    """Ask one click of the library and of the server in turns, and print what the request adds."""
    from anymask import load as load_model
    from anymask.formats import masks_json

    picture = photos(1)[0]
    encoded = load_model(threads=threads).encode(picture)
    with httpx.Client(base_url=address, timeout=60) as http:
        id = http.post("/v1/images", files={"file": picture}).raise_for_status().json()["id"]
        http.get(f"/v1/images/{id}", params={"wait": 30})
        here, there = [], []
        for index in range(pairs + 20):
            point = [100 + 4 * (index % 200), 340]
            started = time.perf_counter()
            entry = masks_json.mask_to_dict(encoded.segment(points=[point])[0])
            middle = time.perf_counter()
            answer = http.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [point]}]}).json()
            ended = time.perf_counter()
            assert answer["masks"][0]["rle"] == entry["rle"]
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
    for name, value in (("clients", 32), ("requests", 10_000), ("photos", 64), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N")
    asked = parser.parse_args()
    with server(asked.threads) as (address, pid):
        added(address, asked.threads)
        load(address, pid, asked.clients, asked.requests, asked.photos)


if __name__ == "__main__":
    main()
