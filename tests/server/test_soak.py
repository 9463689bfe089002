"""Everything at once for some minutes: no wrong mask, no traceback, memory within the budget, every job ended."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.peak_memory import PeakMemory, children_of
from tests.support.running_servers import ServerProcess, bring
from tests.support.small_disk import small_disk

SECONDS = float(os.environ.get("SERVER_SOAK_SECONDS", "180"))
KILLS = max(4, round(SECONDS / 60))
"""How often all processes that the server started are killed."""
MEMORY_MB = 1500
EXPECTED = {200, 201, 202, 204, 404, 408, 429, 507}
"""404 is of images that make room for others, and of masks that were stored too long ago."""
POINTS = [(110, 250), (300, 150), (200, 200), (400, 120)]


class Soak:
    """Clients of one server, each a thread that goes on until the time is over."""

    def __init__(self, address: str, images: list[bytes]) -> None:
        self.address, self.images = address, images
        self.until = time.monotonic() + SECONDS
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.jobs: list[str] = []
        with self.client() as client:
            self.ids = [bring(client, each).json()["id"] for each in images]
            self.masks = {(id, point): self.click(client, id, point) for id in self.ids for point in POINTS}

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=90)

    def run(self, work: Callable[[httpx.Client, random.Random], None], seed: int) -> None:
        numbers = random.Random(seed)
        with self.client() as client:
            while time.monotonic() < self.until:
                try:
                    work(client, numbers)
                except Exception as error:  # a thread that ends would test nothing any more
                    self.wrong.append(f"{work.__name__}: {error!r}")
                    return

    def send(self, client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        response = client.request(method, path, **options)
        self.statuses[response.status_code] += 1
        if response.status_code not in EXPECTED:
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
        content = numbers.choice(self.images)
        files = {"file": ("photo.jpg", content if numbers.random() < 0.8 else content[:5000] + b"damaged")}
        response = client.post("/v1/images", files=files)
        if response.status_code not in (EXPECTED | {415}):
            self.wrong.append(f"upload: {response.status_code} {response.text[:200]}")
        time.sleep(0.2)

    def aborted_uploads(self, client: httpx.Client, numbers: random.Random) -> None:
        host, port = client.base_url.host, client.base_url.port or 80
        with socket.create_connection((host, port)) as upload:
            upload.sendall(
                f"POST /v1/images HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
            )
        time.sleep(0.3)

    def searches(self, client: httpx.Client, numbers: random.Random) -> None:
        id = numbers.choice(self.ids)
        response = self.send(client, "POST", f"/v1/images/{id}/everything", json={"points_per_side": 12})
        if response.status_code == 202:
            self.jobs.append(response.json()["job"])
            time.sleep(numbers.uniform(0, 2))
            if numbers.random() < 0.5:
                self.send(client, "DELETE", f"/v1/jobs/{self.jobs[-1]}")
        time.sleep(0.5)

    def exports(self, client: httpx.Client, numbers: random.Random) -> None:
        id = self.ids[0]
        rle = {"size": [400, 600], "counts": self.masks[id, POINTS[0]]}
        body = {
            "format": numbers.choice(["coco", "png", "csv", "voc", "yolo"]),
            "masks": [{"rle": rle, "label": "cup"}],
        }
        self.send(client, "POST", f"/v1/images/{id}/export", json=body)
        time.sleep(0.2)

    def abandoned(self, client: httpx.Client, numbers: random.Random) -> None:
        body = {"prompts": [{"points": [point]} for point in POINTS] * 8, "candidates": True}
        try:
            client.post(f"/v1/images/{self.ids[0]}/segment", json=body, timeout=0.3)
        except httpx.TimeoutException:
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 420)
def test_everything_at_once(
    start_server: Callable[..., ServerProcess], tmp_path: Path, coffee_path: Path, chelsea_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 8192) as disk:
        server = start_server(
            "--max-memory", str(MEMORY_MB), "--data", str(disk / "data"), "--max-upload", "1",
            "--max-images-per-client", "1000", "--max-decoding-seconds", "120",
        )  # fmt: skip
        errors: list[str] = []
        assert server.process.stderr is not None
        reader = threading.Thread(target=lambda: errors.extend(server.process.stderr or ()), daemon=True)
        reader.start()
        soak = Soak(server.address, [coffee_path.read_bytes(), chelsea_path.read_bytes()])
        memory = PeakMemory(server.process.pid)
        kinds = (
            soak.clicks, soak.clicks, soak.uploads, soak.aborted_uploads, soak.searches, soak.exports, soak.abandoned,
        )  # fmt: skip
        threads = [threading.Thread(target=soak.run, args=(kind, seed)) for seed, kind in enumerate(kinds)]
        for each in threads:
            each.start()
        killed = 0
        for number in range(KILLS):
            time.sleep(SECONDS / (KILLS + 1))
            for child in children_of(server.process.pid):
                os.kill(child, signal.SIGKILL)
                killed += 1
            if number in (1, 2):
                with pytest.raises(OSError, match="No space"):
                    (disk / "ballast").write_bytes(bytes(16 << 20))
                time.sleep(2)
                (disk / "ballast").unlink()
        for each in threads:
            each.join(120)
            assert not each.is_alive()
        assert killed >= 2, "no decoder was killed"
        assert soak.wrong == []
        assert soak.statuses[200] > 20, soak.statuses
        assert len(soak.jobs) > 2
        with soak.client() as client:
            until = time.monotonic() + 60
            for job in soak.jobs:
                while client.get(f"/v1/jobs/{job}").json().get("state") in ("queued", "running"):
                    assert time.monotonic() < until, "a job does not end"
                    time.sleep(0.1)
            assert client.get("/readyz").status_code == 200
            assert all(soak.click(client, *key) == mask for key, mask in soak.masks.items())
        assert memory.risen_by() < (MEMORY_MB + 1024) << 20, "more than the budget, the model and stored images"
        assert server.stop(signal.SIGTERM) == 0
        reader.join(20)
        assert not [line for line in errors if "Traceback" in line], "".join(errors)[-4000:]
