"""Images are decoded in processes that can be ended and replaced."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.errors import ImageError
from anymask.io.image import open_image
from anymask.io.interruption import StoppedError, interruptible
from anymask.server.decoders import Decoders
from anymask.structures.image_options import ImageOptions
from tests.support.peak_memory import children_of
from tests.support.running_servers import Application, bring


def slow_png(side: int = 9900) -> bytes:
    """98 million pixels in 300 kB, which take seconds to decode."""
    buffer = io.BytesIO()
    PIL.Image.new("L", (side, side)).save(buffer, "png")
    return buffer.getvalue()


def test_an_image_is_the_same_as_without_a_process_and_so_are_errors(coffee_path: Path) -> None:
    decoders = Decoders(1)
    image = decoders.open(coffee_path.read_bytes(), ImageOptions(), 60)
    expected = open_image(coffee_path)
    assert np.array_equal(image.pixels, expected.pixels)
    assert (image.pixel_hash, image.notes) == (expected.pixel_hash, expected.notes)
    with pytest.raises(ImageError, match=r"no image|not an image|format"):
        decoders.open(b"nothing of that kind", ImageOptions(), 60)
    with pytest.raises(ImageError, match="pixels"):
        decoders.open(coffee_path.read_bytes(), ImageOptions(max_pixels=100), 60)


@pytest.mark.slow
def test_a_decoder_that_takes_too_long_breaks_or_is_abandoned_is_replaced(coffee_path: Path) -> None:
    decoders = Decoders(1)
    encoded, slow = coffee_path.read_bytes(), slow_png()
    first = decoders.open(encoded, ImageOptions(), 60)
    with pytest.raises(ImageError, match=r"longer than 0.1 seconds"):
        decoders.open(slow, ImageOptions(), 0.1)
    assert decoders.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash

    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    with interruptible(stopped.is_set), pytest.raises(StoppedError):
        decoders.open(slow, ImageOptions(), 60)
    assert decoders.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash

    decoder = decoders._free.get()
    assert decoder is not None
    decoder._process.kill()
    decoders._free.put(decoder)
    assert decoders.open(encoded, ImageOptions(), 60).pixel_hash == first.pixel_hash


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
def test_an_image_at_which_decoders_end_is_refused() -> None:
    decoders, ended = Decoders(1), []

    def kill() -> None:
        while not ended:
            for child in children_of(os.getpid()):
                if b"decoding_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.1)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ImageError, match="ended at it, twice"):
        decoders.open(slow_png(), ImageOptions(), 60)
    ended.append(True)
    killer.join()
