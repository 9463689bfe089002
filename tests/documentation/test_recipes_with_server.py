"""The recipes that talk to a server, against the one that the web page's recipe starts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask import Client, EncodedImage
from anymask.server.connection import ServerError
from tests.support.recipe_server import RECIPES, page_of_your_own


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_of_your_own(tmp_path_factory.mktemp("page")) as url:
        yield url


def test_the_client_saves_a_mask_of_every_image(
    address: str, coffee_path: Path, chelsea_path: Path, coffee: EncodedImage, tmp_path: Path
) -> None:
    command = [sys.executable, str(RECIPES / "api_client.py"), str(coffee_path), str(chelsea_path)]
    done = subprocess.run(
        [*command, "--server", address, "--point", "50,50", "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["coffee.jpg", "chelsea.jpg"]
    with PIL.Image.open(tmp_path / "coffee.png") as mask:
        inside = np.asarray(mask) > 127
    expected = coffee.segment(points=[(50, 50)], coordinates="percent")[0].array
    assert (inside & expected).sum() / (inside | expected).sum() > 0.98  # the server takes bf16 where the CPU has it
    with Client(address) as client, pytest.raises(ServerError, match="no such image"):
        client.open(coffee.source.pixel_hash)


def test_a_missing_server_is_reported_in_one_line(coffee_path: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(RECIPES / "api_client.py"), str(coffee_path), "--server", "http://127.0.0.1:9"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("api_client: no response from http://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1


def test_the_page_is_served_with_its_files_and_the_interface(address: str) -> None:
    page = httpx.get(f"{address}/mine/")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="((?!data:)[^"]+)"', page.text)
    assert sorted(named) == ["page.css", "page.js"]
    for name in named:
        assert httpx.get(f"{address}/mine/{name}").status_code == 200
    assert "://" not in page.text + (RECIPES / "web_page" / "page" / "page.js").read_text()
    assert httpx.get(f"{address}/v1/models").status_code == 200
