"""X-AnyLabeling's own client class and its own window against our server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask import EncodedImage, Segmenter
from anymask.server.service import ServerSettings
from anymask.structures.polygons import polygons_to_mask
from tests.support.running_servers import listening
from tests.support.tool_environments import tool_python

pytestmark = pytest.mark.tools

CLIENT = Path(__file__).with_name("x_anylabeling_client.py")
WINDOW = Path(__file__).with_name("x_anylabeling_window.py")
TOKEN = "correct-horse-battery"


def run_client(address: str, token: str, image: Path, requests: list[dict[str, Any]], home: Path) -> dict[str, Any]:
    return run(home, CLIENT, f"{address}/x-anylabeling", token, image, json.dumps(requests))


def run(home: Path, *command: str | Path) -> Any:
    """Run a script in its environment; returns the JSON that it prints."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(home)}
    line = [tool_python("x-anylabeling"), *command]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_its_client_gets_polygons_of_clicks_boxes_and_text(
    segmenter: Segmenter, coffee: EncodedImage, coffee_path: Path, tmp_path: Path
) -> None:
    clicks = [
        {"type": "point", "data": [110, 300], "label": 1},
        {"type": "point", "data": [300, 120], "label": 0},
    ]
    box = {"type": "rectangle", "data": [170, 14, 412, 264], "label": 1}
    requests = [
        {"model": "anymask", "marks": clicks},
        {"model": "anymask", "marks": [box]},
        {"model": "anymask-text", "text": "cup."},
    ]
    with listening(segmenter, ServerSettings(tmp_path / "data", token=TOKEN, detector="coco-ssd")) as address:
        answer = run_client(address, TOKEN, coffee_path, requests, tmp_path)
        refused = run_client(address, "wrong-wrong-wrong", coffee_path, requests[:1], tmp_path)
    assert set(answer["models"]) == {"anymask", "anymask-text", "anymask-everything"}
    assert answer["messages"] == []
    own = [
        coffee.segment(points=[(110, 300), (300, 120)], labels=[1, 0]),
        coffee.segment(box=[170, 14, 412, 264]),
    ]
    for result, masks in zip(answer["results"], own, strict=False):
        drawn = polygons_to_mask([[np.array(shape["points"][:-1])] for shape in result["shapes"]], coffee.size)
        assert (drawn & masks.union()).sum() / (drawn | masks.union()).sum() > 0.95
        assert result["replace"] is False
    assert {shape["label"] for shape in answer["results"][2]["shapes"]} == {"cup"}
    assert refused["models"] == {}
    assert "401" in refused["messages"][0]


def test_a_click_in_its_window_becomes_a_polygon(segmenter: Segmenter, citrus_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    with listening(segmenter, ServerSettings(tmp_path / "data")) as address:
        clicks = json.dumps([[420, 330, 1]])
        polygons = run(tmp_path, WINDOW, f"{address}/x-anylabeling", citrus_path, clicks, picture)
    mask = segmenter.encode(citrus_path).segment(points=[(420, 330)])[0]
    drawn = polygons_to_mask([[np.array(points)] for points in polygons], mask.size)
    assert (drawn & mask.array).sum() / (drawn | mask.array).sum() > 0.95
    assert picture.exists()
