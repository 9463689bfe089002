"""The table of servers is finished in bounded time, and says which clicks it did not wait for."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.server import peers


def test_clicks_without_a_mask_in_time_are_given_up() -> None:
    def click(http: httpx.Client) -> np.ndarray:
        http.get("/")
        raise AssertionError("nobody responds")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = httpx.URL(f"http://127.0.0.1:{silent.getsockname()[1]}")
        taken, _ = peers.measure(address, click, clients=3, seconds=0.1, at_most=0.3)
    assert taken == [math.inf] * 3
    assert peers._milliseconds([0.1, 0.2, math.inf], 50, 240) == "200"
    assert peers._milliseconds([0.1, math.inf, math.inf], 50, 240) == "over 240000"


def test_a_table_takes_the_place_of_the_one_in_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = tmp_path / "server.md"
    guide.write_text(peers.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(peers, "PAGE", guide)
    before, _, after = guide.read_text().partition(peers.BEGIN)
    peers.write_table(["| anymask | 1 |\n"], "On two cores.")
    written = guide.read_text()
    assert written.startswith(f"{before}{peers.BEGIN}On two cores.\n\n{peers.HEAD}| anymask | 1 |\n{peers.END}")
    assert written.endswith(after.partition(peers.END)[2])
