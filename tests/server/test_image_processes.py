"""Images are decoded and edited in processes that can be ended and replaced."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask import Segmenter
from anymask.errors import ImageError
from anymask.io.image import open_image
from anymask.io.interruption import StoppedError, interruptible
from anymask.server.image_processes import ImageProcesses
from anymask.server.service import ServerSettings
from anymask.structures.image_options import ImageOptions
from anymask.structures.mask import Mask
from tests.support.peak_memory import children_of
from tests.support.running_servers import Application, bring, listening, wait_for


def slow_png(side: int = 9900) -> bytes:
    """98 million pixels in 300 kB, which take seconds to decode."""
    buffer = io.BytesIO()
    PIL.Image.new("L", (side, side)).save(buffer, "png")
    return buffer.getvalue()


def test_an_image_is_the_same_as_without_a_process_and_so_are_errors(coffee_path: Path) -> None:
    processes = ImageProcesses(1)
    image = processes.open(coffee_path.read_bytes(), ImageOptions(), 60)
    expected = open_image(coffee_path)
    assert np.array_equal(image.pixels, expected.pixels)
    assert (image.pixel_hash, image.notes) == (expected.pixel_hash, expected.notes)
    with pytest.raises(ImageError, match=r"no image|not an image|format"):
        processes.open(b"nothing of that kind", ImageOptions(), 60)
    with pytest.raises(ImageError, match="pixels"):
        processes.open(coffee_path.read_bytes(), ImageOptions(max_pixels=100), 60)


@pytest.mark.slow
def test_a_process_that_takes_too_long_breaks_or_is_abandoned_is_replaced(coffee_path: Path) -> None:
    processes = ImageProcesses(1)
    encoded, slow = coffee_path.read_bytes(), slow_png()
    first = processes.open(encoded, ImageOptions(), 60)
    with pytest.raises(ImageError, match=r"longer than 0.1 seconds"):
        processes.open(slow, ImageOptions(), 0.1)
    assert processes.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash

    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    with interruptible(stopped.is_set), pytest.raises(StoppedError):
        processes.open(slow, ImageOptions(), 60)
    assert processes.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash

    process = processes._free.get()
    assert process is not None
    process._process.kill()
    processes._free.put(process)
    assert processes.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash


@pytest.mark.slow
@pytest.mark.parametrize("edit", ["cutout", "inpaint"])
def test_an_edit_ends_when_its_client_has_gone(
    segmenter: Segmenter, coffee_path: Path, tmp_path: Path, edit: str
) -> None:
    """Of twelve million pixels it takes seconds, in calls that cannot be interrupted: the process is ended."""
    buffer = io.BytesIO()
    PIL.Image.open(coffee_path).resize((4000, 3000)).save(buffer, "jpeg")
    disc = np.hypot(*np.ogrid[-1500:1500, -2000:2000]) < 1200
    body = json.dumps({"masks": [{"rle": Mask.from_array(disc).rle}]}).encode()
    with (
        listening(segmenter, ServerSettings(tmp_path)) as address,
        httpx.Client(base_url=address, timeout=300) as client,
    ):
        id = bring(client, buffer.getvalue()).json()["id"]
        head = f"POST /v1/images/{id}/{edit} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", httpx.URL(address).port or 0)) as line:
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: "anymask_edits_running 1.0" in client.get("/metrics").text)
            working = children_of(os.getpid())
        wait_for(lambda: "anymask_edits_running 0.0" in client.get("/metrics").text)
        assert set(working) - set(children_of(os.getpid())), "its process was to be ended"


@pytest.mark.slow
def test_a_slow_image_holds_up_nobody_else(application: Application, coffee_path: Path) -> None:
    api = application(decoding_seconds=3.0)
    slow = slow_png()
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(bring(api, slow).status_code)) for _ in range(1)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert bring(api, coffee_path).status_code == 201
    assert statuses == [], "the slow one is still being decoded"
    for thread in threads:
        thread.join()
    assert statuses[0] in (201, 415)


@pytest.mark.slow
def test_an_image_at_which_processes_end_is_refused() -> None:
    processes, ended = ImageProcesses(1), []

    def kill() -> None:
        while not ended:
            for child in children_of(os.getpid()):
                if b"image_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.1)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ImageError, match="crashed on it twice"):
        processes.open(slow_png(), ImageOptions(), 60)
    ended.append(True)
    killer.join()
