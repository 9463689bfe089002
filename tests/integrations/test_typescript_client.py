"""The client that is generated from our OpenAPI document, compiled by `tsc --strict` and run against a server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from anymask import EncodedImage, Segmenter
from anymask.server.app import create_app
from anymask.server.service import ServerSettings
from tests.support.running_servers import listening

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "typescript"
TOKEN = "correct-horse-battery"
ROOT = "/tools/anymask"


def test_every_operation_has_a_clean_name_of_its_own(segmenter: Segmenter, tmp_path: Path) -> None:
    with TestClient(create_app(segmenter, ServerSettings(tmp_path)), base_url="http://localhost") as api:
        paths = api.get("/openapi.json").json()["paths"]
    names = [route["operationId"] for methods in paths.values() for route in methods.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names), names
    assert {"uploadImage", "segmentImage", "findEverything", "exportMasks", "listModels"} <= set(names)


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.tools
@pytest.mark.timeout(400)
def test_it_compiles_strictly_and_segments(
    segmenter: Segmenter, coffee: EncodedImage, coffee_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "client"
    ignored = shutil.ignore_patterns("node_modules", "dist", "src")
    shutil.copytree(CLIENT, folder, ignore=ignored)
    settings = ServerSettings(tmp_path / "data", token=TOKEN, root_path=ROOT, detector="coco-ssd")
    with TestClient(create_app(segmenter, replace(settings, folder=tmp_path / "document"))) as api:
        document = api.get(f"{ROOT}/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert document["servers"] == [{"url": ROOT}]
    (folder / "openapi.json").write_text(json.dumps(document))
    assert '"strict": true' in (folder / "tsconfig.json").read_text()
    run("npm", "install", "--no-audit", "--no-fund", folder=folder)
    run("npm", "run", "build", folder=folder)
    with listening(segmenter, settings) as address:
        for place in (address, f"{address}{ROOT}"):
            command = ("node", "dist/examples/segment.js", place, str(coffee_path), "110", "300")
            mask = json.loads(run(*command, TOKEN, folder=folder))
            refused = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            assert mask["area"] == coffee.segment(points=[(110, 300)])[0].area
            assert mask["width"] == 600
            assert refused.returncode != 0
