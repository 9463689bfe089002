"""The compose file and the Kubernetes manifests: valid for their own tools, and what they name exists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.running_servers import ServerProcess

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE, KUBERNETES = DEPLOY / "compose.yaml", DEPLOY / "kubernetes.yaml"
DOCKERFILE = (DEPLOY.parent / "Dockerfile").read_text()
TOKEN = "correct-horse-battery"


def compose(file: Path, token: str | None) -> subprocess.CompletedProcess[str]:
    """`docker compose config`: reads the file as Docker Compose does, and prints it in full."""
    command = [str(Path(sys.executable).parent / "docker-compose"), "-f", str(file), "config", "--format", "json"]
    environment = {**os.environ, **({"ANYMASK_TOKEN": token} if token else {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def kubernetes_validate(file: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against the schemas of Kubernetes; members that these do not have are refused."""
    command = [str(Path(sys.executable).parent / "kubernetes-validate"), "--strict", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def resources() -> dict[str, Any]:
    """Kind → manifest."""
    return {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}


@pytest.mark.slow
def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    run = compose(COMPOSE, TOKEN)
    assert run.returncode == 0, run.stderr
    service = json.loads(run.stdout)["services"]["anymask"]
    assert Path(service["build"]["context"], service["build"]["dockerfile"]).is_file()
    assert service["command"] == yaml.safe_load(COMPOSE.read_text())["services"]["anymask"]["command"]
    assert "choose a token" in compose(COMPOSE, None).stderr, "it does not start without a token"
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchecks:"))
    assert "healthchecks" in compose(wrong, TOKEN).stderr, "it would say what is wrong"


@pytest.mark.slow
def test_kubernetes_takes_the_manifests(tmp_path: Path) -> None:
    run = kubernetes_validate(KUBERNETES)
    assert run.returncode == 0, run.stdout + run.stderr
    wrong = tmp_path / "kubernetes.yaml"
    wrong.write_text(KUBERNETES.read_text().replace("readinessProbe:", "readyProbe:"))
    assert kubernetes_validate(wrong).returncode != 0, "it would say what is wrong"


def test_volumes_hold_what_the_server_stores_and_limits_leave_room() -> None:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["anymask"]
    mounted = dict(each.split(":")[::-1] for each in service["volumes"])
    assert set(mounted.values()) <= set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    found = resources()
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == service["command"]
    assert {"/data", "/cache"} == set(mounted) < {each["mountPath"] for each in container["volumeMounts"]}
    assert "--data=/data" in service["command"]
    assert "ANYMASK_CACHE=/cache" in DOCKERFILE
    assert "--group=anymask /cache /data" in DOCKERFILE, "the user of the image may write there"
    user = pod["securityContext"]["runAsUser"]
    assert f"--uid {user} " in DOCKERFILE
    claimed = {each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "emptyDir" not in each}
    assert claimed == {found["PersistentVolumeClaim"]["metadata"]["name"]}
    assert (
        found["Service"]["spec"]["selector"].items()
        <= found["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    )
    assert (container["resources"]["limits"]["memory"], service["mem_limit"]) == ("6Gi", "6g")
    assert "--max-memory=3000" in service["command"]


@pytest.mark.slow
def test_the_server_starts_as_the_files_say_and_the_probes_reach_it(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    (container,) = resources()["Deployment"]["spec"]["template"]["spec"]["containers"]
    program, serve, *arguments = container["args"]
    assert [program, serve] == ["anymask", "serve"]
    server = start_server(
        *arguments, "--port", "0", "--data", str(tmp_path / "data"), environment={"ANYMASK_TOKEN": TOKEN}
    )
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        with urllib.request.urlopen(server.address + container[probe]["httpGet"]["path"], timeout=20) as response:
            assert response.status == 200
    test = yaml.safe_load(COMPOSE.read_text())["services"]["anymask"]["healthcheck"]["test"]
    assert (test[0], test[2]) == ("CMD", "-c")
    code = test[3].replace("http://127.0.0.1:8000", server.address).replace("timeout=4", "timeout=20")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert subprocess.run(
        [sys.executable, "-c", code.replace("readyz", "v1/models")], check=False, stderr=subprocess.DEVNULL
    ).returncode
