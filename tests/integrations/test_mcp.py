"""The tools for assistants, called by the SDK's own client over standard input and output, and over HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import PIL.Image
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from anymask import EncodedImage, Segmenter
from anymask.integrations.mcp import Toolbox, make_mcp_server
from tests.support.running_servers import wait_for

TOKEN = "correct-horse-battery"


@pytest.fixture
def root(tmp_path: Path, coffee_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(coffee_path, folder / "coffee.jpg")
    (tmp_path / "secret.jpg").write_bytes(coffee_path.read_bytes())
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    return folder


def conversation(target: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The tools that a server offers, then the results of the calls."""

    async def talk() -> list[Any]:
        async with Client(target) as client:
            tools = await client.list_tools()
            return [tools.tools, *[await client.call_tool(name, arguments) for name, arguments in calls]]

    return anyio.run(talk)


def facts_of(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    text, image = result.content
    shown = PIL.Image.open(io.BytesIO(base64.b64decode(image.data)))
    assert (image.mime_type, shown.format) == ("image/jpeg", "JPEG")
    assert max(shown.size) <= 1024
    facts = json.loads(text.text)
    assert facts["shown"] == {"width": shown.width, "height": shown.height}
    return facts


def line_of(result: Any) -> str:
    """The one line of a tool's error."""
    assert result.is_error, result.content
    (text,) = result.content
    assert "\n" not in text.text
    return text.text


def test_an_assistant_looks_prompts_and_saves(segmenter: Segmenter, coffee: EncodedImage, root: Path) -> None:
    server = make_mcp_server(Toolbox(lambda: segmenter, root, "coco-ssd"))
    click = {"image": "coffee.jpg", "points": [[110, 300], [300, 120]], "labels": [1, 0]}
    tools, size, segmented, percent, text, cut, again = conversation(
        server,
        ("size", {"image": "coffee.jpg"}),
        ("segment", {**click, "save": "saucer.json"}),
        ("segment", {"image": "coffee.jpg", "points": [[50, 50]], "coordinates": "percent"}),
        ("segment", {"image": str(root / "coffee.jpg"), "text": "cup"}),
        ("cutout", {**click, "save": "saucer.png"}),
        ("cutout", {**click, "save": "saucer.png"}),
    )
    assert {tool.name for tool in tools} == {"size", "segment", "everything", "cutout"}
    assert all(tool.description for tool in tools)
    assert (facts_of(size)["width"], facts_of(size)["height"]) == (600, 400)
    own = coffee.segment(points=[(110, 300), (300, 120)], labels=[1, 0])[0]
    (mask,) = facts_of(segmented)["masks"]
    assert mask["area"] == own.area
    assert facts_of(percent)["found"] == 1
    assert {each["label"] for each in facts_of(text)["masks"]} == {"cup"}
    assert json.loads((root / "saucer.json").read_bytes())["masks"][0]["area"] == own.area
    assert facts_of(cut)["saved"] == [str(root / "saucer.png")]
    assert PIL.Image.open(root / "saucer.png").mode == "RGBA"
    assert "not replaced" in line_of(again)


def test_files_outside_of_the_root_and_bad_prompts_get_one_line(segmenter: Segmenter, root: Path) -> None:
    server = make_mcp_server(Toolbox(lambda: segmenter, root))
    image = {"image": "coffee.jpg"}
    _, *results = conversation(
        server,
        ("size", {"image": "../secret.jpg"}),
        ("size", {"image": str(root.parent / "secret.jpg")}),
        ("size", {"image": "link.jpg"}),
        ("segment", {**image, "points": [[110, 300]], "save": "../out.json"}),
        ("size", {"image": "missing.jpg"}),
        ("segment", {**image, "points": [[9999, 5]]}),
        ("segment", image),
        ("cutout", {**image, "points": [[110, 300]], "save": "saucer.jpg"}),
        ("segment", {**image, "text": "cup", "points": [[110, 300]]}),
    )
    words = ["outside of"] * 4 + ["not a file", "9999", "", ".png", "one or the other"]
    for result, word in zip(results, words, strict=True):
        assert word in line_of(result)
    assert not (root.parent / "out.json").exists()


def test_over_standard_input_and_output(root: Path) -> None:
    command = [sys.executable, "-m", "anymask", "mcp", "--root", str(root), "--threads", "2", "--precision", "f32"]
    server = stdio_client(StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ)))
    tools, found = conversation(server, ("segment", {"image": "coffee.jpg", "points": [[110, 300]]}))
    assert len(tools) == 4
    assert facts_of(found)["masks"][0]["area"] > 10_000


@pytest.mark.slow
def test_over_http_with_a_token(root: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "anymask", "mcp", "--root", str(root), "--http", "--port", str(port)]
    process = subprocess.Popen([*command, "--token", TOKEN], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = re.search(r"http://\S+", process.stderr.readline())
        assert address is not None

        def is_up() -> bool:
            with socket.socket() as trial:
                return trial.connect_ex(("127.0.0.1", port)) == 0

        wait_for(is_up)
        assert httpx2.post(address.group(), json={}).status_code == 401
        client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        server = streamable_http_client(address.group(), http_client=client)
        tools, found = conversation(server, ("everything", {"image": "coffee.jpg", "max_seconds": 2}))
        assert len(tools) == 4
        assert facts_of(found)["found"] > 2
    finally:
        process.terminate()
        process.wait(30)


def test_without_a_model_of_that_name(root: Path) -> None:
    command = [sys.executable, "-m", "anymask", "mcp", "--root", str(root), "--model", "none"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 2
    assert "none" in done.stderr
