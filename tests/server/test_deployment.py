"""What a server is deployed with: the unit of systemd, and a copy of its folder as a backup."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from anymask import Segmenter
from anymask.server.app import create_app
from anymask.server.keys import KeyStore
from anymask.server.service import ServerSettings
from tests.server.test_lifetime import flat
from tests.support.running_servers import bring

UNIT = Path(__file__).parents[2] / "deploy" / "anymask.service"


@pytest.mark.slow
def test_systemd_takes_the_unit_as_it_is(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program, "this test needs systemd-analyze (Debian: apt-get install systemd)"
    text = UNIT.read_text().replace("/opt/anymask/bin/anymask", sys.executable)
    unit = tmp_path / UNIT.name
    unit.write_text(text)
    run = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in run.stderr.splitlines() if UNIT.name in line] == []
    unit.write_text(text.replace("DynamicUser=yes", "DynamicUsers=yes"))
    wrong = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert "DynamicUsers" in wrong.stderr, "it would say what is wrong"


def test_the_settings_of_the_unit_are_ones_that_the_server_knows(tmp_path: Path) -> None:
    lines = [line for line in UNIT.read_text().splitlines() if line.startswith("Environment=")]
    given = dict(re.findall(r"(ANYMASK_[A-Z_]+)=(\S+)", "\n".join(lines)))
    assert len(given) == 4
    command = [sys.executable, "-m", "anymask", "serve", "--show-config"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **given})
    for variable, value in given.items():
        if variable != "ANYMASK_CACHE":  # of all commands
            (line,) = [each for each in run.stdout.splitlines() if f" {variable} " in each]
            assert value in line


def test_a_copy_of_the_folder_of_an_idle_server_is_a_backup(segmenter: Segmenter, tmp_path: Path) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    headers = {"Authorization": f"Bearer {KeyStore(folder).add('maria', 'annotate')}"}
    with client_of_server(segmenter, folder) as api:
        api.headers.update(headers)
        id = bring(api, flat(1)).json()["id"]
        assert api.put(f"/v1/images/{id}/state", params={"session": "a" * 8}, json={"a": 1}).status_code == 204
        job = api.post(f"/v1/images/{id}/everything", json={"points_per_side": 1}).json()["job"]
        while (record := api.get(f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
            time.sleep(0.05)
        project = api.post("/v1/projects", json={"name": "cups"}).json()["id"]
        added = api.post(f"/v1/projects/{project}/images", files={"file": ("a.png", flat(2))})
        assert added.status_code == 201
        shutil.copytree(folder, backup)

    shutil.rmtree(folder)
    backup.rename(folder)
    with client_of_server(segmenter, folder) as api:
        assert api.get(f"/v1/images/{id}").status_code == 401
        api.headers.update(headers)
        assert api.get(f"/v1/images/{id}/picture").status_code == 200
        assert api.get(f"/v1/images/{id}/state", params={"session": "a" * 8}).json() == {"a": 1}
        assert api.get(f"/v1/jobs/{job}").json() == record
        (found,) = api.get(f"/v1/projects/{project}/images").json()["images"]
        assert found["name"] == "a.png"


def client_of_server(segmenter: Segmenter, folder: Path) -> TestClient:
    """A client of an application of its own."""
    return TestClient(create_app(segmenter, ServerSettings(folder)), base_url="http://localhost")
