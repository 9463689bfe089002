"""Everything at once for some minutes: no wrong mask, no traceback, memory within the budget, every job ended.

Slowness is no fault here: a click may take as long as it likes on a machine that has much else to do.
"""

from __future__ import annotations

import io
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask.server.connection import Connection
from anymask.server.job import FINAL_STATES
from tests.support.peak_memory import TreeMemory, children_of, descendants_of
from tests.support.running_servers import ServerProcess, bring
from tests.support.small_disk import small_disk

SECONDS = float(os.environ.get("SERVER_SOAK_SECONDS", "180"))
KILLS = max(3, round(SECONDS / 60))
"""How often a worker is killed, and all processes that decode and edit images."""
FULL_AT = (1, 2)
"""After which of the kills the disk is filled."""
MEMORY_MB = 1000
WORKERS = 2
BESIDE_MB = 1536
"""Of each worker beside the budget: the model while it runs, images and masks, processes that decode and edit."""
EXPECTED = {200, 201, 202, 204, 408, 429, 507}
DISK_KB = 32 << 10
POINTS = [(110, 250), (300, 150), (200, 200), (400, 120)]


class Soak:
    """Clients of one server, each a thread that goes on until the time is over."""

    def __init__(self, address: str, images: list[bytes]) -> None:
        self.address = address
        self.is_over = threading.Event()
        self.rounds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self.wrong: list[str] = []
        self.jobs: list[str] = []
        self.files: dict[str, bytes] = {}
        with self.client() as client:
            self.ids = [bring(client, each).json()["id"] for each in images]
            self.masks = {(id, point): self.click(client, id, point) for id in self.ids for point in POINTS}

    def client(self) -> httpx.Client:
        """A connection for each request: one that is left open may be closed just when it is used again."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(base_url=self.address, timeout=None, limits=limits, trust_env=False)

    def run(self, work: Callable[[httpx.Client, random.Random], None], seed: int) -> None:
        numbers = random.Random(seed)
        with self.client() as client:
            while not self.is_over.is_set():
                try:
                    work(client, numbers)
                    self.rounds[work.__name__] += 1
                except httpx.TransportError:  # its worker was killed
                    self.broken += 1
                    time.sleep(0.2)
                except Exception as error:  # a thread that ends would test nothing any more
                    self.wrong.append(f"{work.__name__}: {error!r}")
                    return

    def send(self, client: httpx.Client, method: str, path: str, *others: int, **options: Any) -> httpx.Response:
        """A request; ``others`` are statuses that it may have besides those that are always expected."""
        response = client.request(method, path, **options)
        self.statuses[response.status_code] += 1
        if response.status_code not in (EXPECTED | {*others}):
            self.wrong.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
        return response

    def click(self, client: httpx.Client, id: str, point: tuple[int, int]) -> str | None:
        body = {"prompts": [{"points": [point]}], "refine": "off"}
        response = self.send(client, "POST", f"/v1/images/{id}/segment", json=body)
        counts: str | None = response.json()["masks"][0]["rle"]["counts"] if response.status_code == 200 else None
        return counts

    def clicks(self, client: httpx.Client, numbers: random.Random) -> None:
        id, point = numbers.choice(self.ids), numbers.choice(POINTS)
        mask = self.click(client, id, point)
        if mask is not None and mask != self.masks[id, point]:
            self.wrong.append(f"another mask for {point}")

    def uploads(self, client: httpx.Client, numbers: random.Random) -> None:
        """An image that nobody has sent before: stored, prompted and deleted."""
        buffer = io.BytesIO()
        pixels = np.frombuffer(numbers.randbytes(200 * 160 * 3), np.uint8).reshape(160, 200, 3)
        PIL.Image.fromarray(pixels).save(buffer, "png")
        content = buffer.getvalue()
        if numbers.random() < 0.2:
            response = self.send(client, "POST", "/v1/images", 415, files={"file": content[:5000] + b"damaged"})
            if response.status_code == 201:
                self.wrong.append("a damaged image was taken")
            return
        response = self.send(client, "POST", "/v1/images", files={"file": content})
        if response.status_code != 201:
            time.sleep(0.2)
            return
        path = f"/v1/images/{response.json()['id']}"
        self.send(client, "POST", f"{path}/segment", json={"prompts": [{"points": [[90, 80]]}], "refine": "off"})
        if self.send(client, "DELETE", path).status_code == 204:
            self.statuses[404] += (gone := client.get(path).status_code) == 404
            if gone != 404:
                self.wrong.append(f"a deleted image: {gone}")

    def aborted_uploads(self, client: httpx.Client, numbers: random.Random) -> None:
        host, port = client.base_url.host, client.base_url.port or 80
        with suppress(OSError), socket.create_connection((host, port)) as upload:
            upload.sendall(
                f"POST /v1/images HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
            )
        time.sleep(0.3)

    def searches(self, client: httpx.Client, numbers: random.Random) -> None:
        """Jobs: some are cancelled, of some the events are read to the end, others are left alone."""
        id = numbers.choice(self.ids)
        response = self.send(client, "POST", f"/v1/images/{id}/everything", json={"points_per_side": 12})
        if response.status_code == 202:
            self.jobs.append(job := response.json()["job"])
            time.sleep(numbers.uniform(0, 2))
            if numbers.random() < 0.5:
                self.send(client, "DELETE", f"/v1/jobs/{job}", 503)  # 503: its worker was killed just now
            elif numbers.random() < 0.5:
                connection = Connection(self.address, None, 600)
                (*_, (last, _)) = connection.events(f"/v1/jobs/{job}/events")
                if last not in FINAL_STATES:
                    self.wrong.append(f"the last event of a job is {last}")
                connection.close()
        time.sleep(0.5)

    def exports(self, client: httpx.Client, numbers: random.Random) -> None:
        format = numbers.choice(["coco", "png", "csv", "voc", "yolo"])
        rle = {"size": [400, 600], "counts": self.masks[self.ids[0], POINTS[0]]}
        body = {"format": format, "masks": [{"rle": rle, "label": "cup"}]}
        response = self.send(client, "POST", f"/v1/images/{self.ids[0]}/export", json=body)
        is_fixed = response.status_code == 200 and format in ("png", "csv")
        if is_fixed and self.files.setdefault(format, response.content) != response.content:
            self.wrong.append(f"another file of {format}")
        time.sleep(0.2)

    def abandoned(self, client: httpx.Client, numbers: random.Random) -> None:
        """Prompts and edits whose client goes away."""
        path, prompts = f"/v1/images/{self.ids[0]}", [{"points": [point]} for point in POINTS] * 8
        rle = {"size": [400, 600], "counts": self.masks[self.ids[0], POINTS[0]]}
        prompting = f"{path}/segment", {"prompts": prompts, "candidates": True}
        address, body = numbers.choice([prompting, (f"{path}/inpaint", {"masks": [{"rle": rle}], "grow": 8})])
        with suppress(httpx.TimeoutException):
            client.post(address, json=body, timeout=0.3)
        time.sleep(0.5)

    def fill(self, disk: Path) -> None:
        """Fill a disk until an upload was refused for it, and empty it again."""
        before, ballast = self.statuses[507], disk / "ballast"
        with self.client() as client, ballast.open("ab", buffering=0) as file:
            while self.statuses[507] == before and not self.wrong:
                with suppress(OSError):
                    file.write(bytes(DISK_KB << 10))
                time.sleep(0.1)
            ready = client.get("/readyz")
            if ready.status_code != 503:
                self.wrong.append(f"ready on a full disk: {ready.text}")
        ballast.unlink()

    def states(self) -> Counter[str]:
        """How many jobs ended how; waits for them."""
        states: Counter[str] = Counter()
        with self.client() as client:
            for job in self.jobs:
                while (state := client.get(f"/v1/jobs/{job}").json().get("state")) in ("queued", "running", None):
                    assert state is not None, "a job that was accepted is not known"
                    time.sleep(0.1)
                states[state] += 1
        return states


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS + 1800)  # for what never ends
def test_everything_at_once(
    start_server: Callable[..., ServerProcess], tmp_path: Path, coffee_path: Path, chelsea_path: Path
) -> None:
    with small_disk(tmp_path / "disk", DISK_KB) as disk:
        server = start_server(
            "--workers", str(WORKERS), "--max-memory", str(MEMORY_MB), "--data", str(disk / "data"),
            "--max-upload", "1", "--max-images-per-client", "1000", "--max-mask", "8",
            "--max-job-records", "100000", "--max-request-seconds", "300", "--max-decoding-seconds", "300",
        )  # fmt: skip
        errors: list[str] = []
        assert server.process.stderr is not None
        reader = threading.Thread(target=lambda: errors.extend(server.process.stderr or ()), daemon=True)
        reader.start()
        soak = Soak(server.address, [coffee_path.read_bytes(), chelsea_path.read_bytes()])
        memory = TreeMemory(server.process.pid)
        time.sleep(2)
        before = memory.peak
        kinds = (
            soak.clicks, soak.clicks, soak.uploads, soak.aborted_uploads, soak.searches, soak.exports, soak.abandoned,
        )  # fmt: skip
        threads = [threading.Thread(target=soak.run, args=(kind, seed)) for seed, kind in enumerate(kinds)]
        for each in threads:
            each.start()
        killed = 0
        for number in range(KILLS):
            time.sleep(SECONDS / (KILLS + 1))
            workers = children_of(server.process.pid)
            for each in [*(set(descendants_of(server.process.pid)) - set(workers)), *workers[:1]]:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
                    killed += 1
            if number in FULL_AT:
                soak.fill(disk)
        time.sleep(SECONDS / (KILLS + 1))
        while len(soak.rounds) < len({*kinds}) and not soak.wrong:
            time.sleep(0.1)
        soak.is_over.set()
        for each in threads:
            each.join()
        peak = memory.stop()
        states = soak.states()
        print(f"\n{dict(soak.rounds)}, responses {dict(soak.statuses)}, jobs {dict(states)}")
        print(f"{killed} processes killed, {soak.broken} connections broke, memory {before >> 20} to {peak >> 20} MB:")
        print(", ".join(f"{each >> 20}" for each in memory.at_peak.values()))
        assert soak.wrong == []
        assert killed >= 2 * KILLS, "too few processes were killed"
        assert soak.broken <= KILLS * len(threads), "connections broke that no killed worker had"
        with soak.client() as client:
            assert client.get("/readyz").status_code == 200
            assert all(soak.click(client, *key) == mask for key, mask in soak.masks.items())
        assert peak - before < (MEMORY_MB + WORKERS * BESIDE_MB) << 20
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0
        reader.join()
        assert not [line for line in errors if "Traceback" in line], "".join(errors)[-4000:]
