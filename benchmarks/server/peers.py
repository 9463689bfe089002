"""A click over HTTP, beside the servers of osam and rembg on the same weights: `python -m benchmarks.server.peers`.

Each server runs alone, with as many threads as this machine has cores, and is started anew for each number of clients.
1, 8 and 32 clients send the same click again and again, for `--seconds`; a click that is on its way then is waited
for, until `--at-most` seconds after the beginning: those that have no mask by then are counted as given up. anymask
encodes the image once, when it is uploaded; osam's server and rembg's take the image with every click and encode it
each time, since neither stores one. `--write` puts the table into docs/guides/server.md.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.structures.mask import Mask
from anymask.weights import ensure, find_model
from benchmarks.peers.environment import Environment, prepare
from benchmarks.peers.peers import find_peers
from benchmarks.peers.weight_files import weight_files
from benchmarks.peers.workers.osam import NAME
from benchmarks.peers.workers.rembg import PART, place_files
from benchmarks.speed.images import ROOT

IMAGE = ROOT / "examples" / "photos" / "coffee.jpg"
POINT = (110, 300)
START_SECONDS = 180
PAGE = ROOT / "docs" / "guides" / "server.md"
BEGIN, END = "<!-- made by benchmarks.server.peers -->\n", "<!-- end -->\n"
HEAD = (
    "| server | clients | p50, ms | p95, ms | p99, ms | clicks a second | given up | memory, MB | IoU with anymask |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)

Click = Callable[[httpx.Client], NDArray[np.bool_]]
"""Sends a click and returns the mask, bool [H, W]."""


@dataclass(frozen=True)
class Tool:
    """A server that is measured.

    Attributes:
        name: for the table.
        command: that starts it.
        variables: of its environment.
        port: where it listens.
        begin: makes what every click needs, such as an upload.
    """

    name: str
    command: list[str]
    variables: dict[str, str]
    port: int
    begin: Callable[[httpx.Client], Click]


def anymask_tool(threads: int, folder: Path) -> Tool:
    """anymask itself, with f32 as the others."""

    def begin(http: httpx.Client) -> Click:
        id = http.post("/v1/images", files={"file": IMAGE.open("rb")}).json()["id"]
        body = {"prompts": [{"points": [POINT]}], "refine": "off"}

        def click(http: httpx.Client) -> NDArray[np.bool_]:
            response = http.post(f"/v1/images/{id}/segment", json=body).raise_for_status()
            return Mask.from_rle(response.json()["masks"][0]["rle"]).array

        return click

    options = ["--port", "8765", "--threads", str(threads), "--precision", "f32", "--data", str(folder / "data")]
    command = [sys.executable, "-m", "anymask", "serve", "--quiet", *options]
    return Tool("anymask", command, dict(os.environ), 8765, begin)


def osam_tool(environment: Environment, variables: dict[str, str], threads: int, files: dict[str, str]) -> Tool:
    """`osam serve`, which listens at a port of its own choice."""
    image = base64.b64encode(IMAGE.read_bytes()).decode()
    body = {"model": NAME, "image": image, "prompt": {"points": [POINT], "point_labels": [1]}}

    def click(http: httpx.Client) -> NDArray[np.bool_]:
        (annotation,) = http.post("/api/generate", json=body).raise_for_status().json()["annotations"]
        box, mask = annotation["bounding_box"], np.zeros(Image.open(IMAGE).size[::-1], bool)
        part = np.asarray(Image.open(io.BytesIO(base64.b64decode(annotation["mask"])))) > 0
        mask[box["ymin"] : box["ymax"] + 1, box["xmin"] : box["xmax"] + 1] = part
        return mask

    command = environment.command("osam", str(threads), files["encoder"], files["decoder"], "serve")
    return Tool("osam", command, variables, 11368, lambda _: click)


def rembg_tool(environment: Environment, variables: dict[str, str], threads: int, files: dict[str, str]) -> Tool:
    """`rembg s`, without its page."""
    variables = variables | place_files(Path(environment.folder), files["encoder"], files["decoder"], threads)
    extras = json.dumps({"sam_model": PART, "sam_prompt": [{"type": "point", "data": POINT, "label": 1}]})
    content = IMAGE.read_bytes()

    def click(http: httpx.Client) -> NDArray[np.bool_]:
        form = {"model": "sam", "om": "true"}
        response = http.post("/api/remove", params={"extras": extras}, data=form, files={"file": content})
        return np.asarray(Image.open(io.BytesIO(response.raise_for_status().content)).convert("L")) > 127

    command = environment.command("rembg", "s", "--host", "127.0.0.1", "--port", "8766", "--no-ui")
    return Tool("rembg", command, variables, 8766, lambda _: click)


@contextlib.contextmanager
def running(tool: Tool, folder: Path) -> Iterator[tuple[httpx.Client, int]]:
    """Start a server and wait until it responds; a client of it, and its process id."""
    with (folder / f"{tool.name}.log").open("wb") as log:
        process = subprocess.Popen(tool.command, env=tool.variables, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{tool.port}"
        with httpx.Client(base_url=address, timeout=300, trust_env=False) as http:
            until = time.monotonic() + START_SECONDS
            while not responds(http):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(
                        f"{tool.name} does not start: {(folder / f'{tool.name}.log').read_text()[-2000:]}"
                    )
                time.sleep(0.2)
            yield http, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # it still works for clients that have given up
            process.kill()
            process.wait()


def responds(http: httpx.Client) -> bool:
    """Whether a server responds at all."""
    try:
        http.get("/")
    except httpx.TransportError:
        return False
    return True


def measure(
    address: httpx.URL, click: Click, clients: int, seconds: float, at_most: float
) -> tuple[list[float], float]:
    """Seconds of each click of several clients, infinite for those that were given up, and how long all took together.

    Args:
        address: of the server.
        click: what each client sends.
        clients: how many send at once.
        seconds: after which no client begins another click.
        at_most: seconds from the beginning after which a click is given up.
    """
    taken: list[float] = []
    started = time.perf_counter()

    def work() -> None:
        while (begun := time.perf_counter()) - started < seconds:
            left = started + at_most - begun
            with httpx.Client(base_url=address, timeout=left, trust_env=False) as http:
                try:
                    click(http)
                except httpx.TimeoutException:
                    taken.append(math.inf)
                else:
                    taken.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return taken, time.perf_counter() - started


def memory_of(process: int) -> float:
    """MB of a process and those that it started, at their peaks."""
    children = [
        int(each)
        for task in Path(f"/proc/{process}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return peak + sum(memory_of(each) for each in children)


def row_of(
    tool: Tool, folder: Path, seconds: float, at_most: float, clients: int, expected: NDArray[np.bool_] | None
) -> tuple[str, NDArray[np.bool_]]:
    """The row of a server for some clients, and its mask."""
    with running(tool, folder) as (http, process):
        click = tool.begin(http)
        mask = click(http)
        taken, total = measure(http.base_url, click, clients, seconds, at_most)
        memory = memory_of(process)
    finished = sum(map(math.isfinite, taken))
    same = "" if expected is None else f"{(mask & expected).sum() / (mask | expected).sum():.3f}"
    cells = [
        tool.name, str(clients), *(_milliseconds(taken, share, at_most) for share in (50, 95, 99)),
        f"{finished / total:.1f}", str(len(taken) - finished), f"{memory:.0f}", same,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n", mask


def _milliseconds(taken: Sequence[float], share: float, at_most: float) -> str:
    """A percentile of seconds; where it falls among what was given up, that it is longer."""
    value = float(np.percentile(taken, share, method="nearest"))
    return f"{1000 * value:.0f}" if math.isfinite(value) else f"over {1000 * at_most:.0f}"


def write_table(rows: Sequence[str], conditions: str) -> None:
    """Put the table into the guide, in the place of the one that is there."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{conditions}\n\n{HEAD}{''.join(rows)}{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure all three and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="for each number of clients")
    parser.add_argument("--at-most", type=float, default=240, help="seconds after which clicks are given up")
    parser.add_argument("--write", action="store_true", help="put the table into docs/guides/server.md")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clients", type=int, nargs="+", default=(1, 8, 32))
    parser.add_argument("--servers", nargs="*", default=("osam", "rembg"), help="besides anymask")
    given: Any = parser.parse_args()
    model = ensure(find_model("mobile-sam"))
    with tempfile.TemporaryDirectory() as folder:
        tools = [anymask_tool(given.threads, Path(folder))]  # first, as the measure of the masks of the others
        for peer, make, extra in zip(
            find_peers(["osam", "rembg"])[1:], (osam_tool, rembg_tool), ("serve", ""), strict=True
        ):
            if peer.name not in given.servers:
                continue
            packages = tuple(each.replace("==", f"[{extra}]==") if extra else each for each in peer.packages)
            peer = dataclasses.replace(peer, packages=packages)
            environment = prepare(peer)
            own = Path(folder, peer.name)
            own.mkdir()
            files = weight_files(peer.weights, model["encoder.onnx"], model["sam.onnx"], own)
            tools.append(make(environment, environment.variables(peer), given.threads, files))
        conditions = (
            f"`--seconds {given.seconds:g} --threads {given.threads}`; load of the machine before it "
            f"{os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores."
        )
        print(f"{conditions}\n\n{HEAD}", end="", flush=True)
        rows, expected = [], None
        for each in tools:
            for clients in given.clients:
                row, mask = row_of(each, Path(folder), given.seconds, given.at_most, clients, expected)
                expected = mask if expected is None else expected
                rows.append(row)
                print(row, end="", flush=True)
    if given.write:
        write_table(rows, conditions)


if __name__ == "__main__":
    main()
