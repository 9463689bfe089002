"""A real Label Studio with our backend, from an empty project to an exported COCO file, driven in Chromium."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as coco_mask

from anymask import EncodedImage, Segmenter
from anymask.server.service import ServerSettings
from tests.support.running_servers import listening
from tests.support.tool_environments import chromium_path, free_port, running_tool, tool_python

pytestmark = pytest.mark.tools

TOKEN = "correct-horse-battery"
ACCESS = {"auth_method": "BASIC_AUTH", "basic_auth_user": "anymask", "basic_auth_pass": TOKEN}
USER, PASSWORD = "person@example.org", "a-long-password"
CONFIG = """<View><Image name="image" value="$image" zoom="true"/>
<BrushLabels name="mask" toName="image"><Label value="saucer"/><Label value="cup"/></BrushLabels>
<KeyPointLabels name="click" toName="image" smart="true" smartOnly="true"><Label value="saucer"/><Label value="cup"/>
</KeyPointLabels></View>"""
CALL = """async ([method, path, body]) => {
    const csrf = document.cookie.match(/csrftoken=([^;]+)/)?.[1] ?? '';
    const headers = {'X-CSRFToken': csrf, ...(body ? {'Content-Type': 'application/json'} : {})};
    const response = await fetch(path, {method, headers, body: body ? JSON.stringify(body) : undefined});
    const bytes = new Uint8Array(await response.arrayBuffer());
    let binary = ''; for (const byte of bytes) binary += String.fromCharCode(byte);
    return [response.status, btoa(binary)];
}"""
UPLOAD = """async ([path, name, content]) => {
    const csrf = document.cookie.match(/csrftoken=([^;]+)/)[1];
    const blob = await (await fetch('data:image/jpeg;base64,' + content)).blob();
    const form = new FormData(); form.append(name, new File([blob], name, {type: 'image/jpeg'}));
    return (await fetch(path, {method: 'POST', headers: {'X-CSRFToken': csrf}, body: form})).status;
}"""


@pytest.fixture(scope="module")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Label Studio with one person and no project."""
    folder = tmp_path_factory.mktemp("label-studio")
    port = free_port()
    environment = {
        "HOME": str(folder), "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "",
        "USE_DEFAULT_BANNED_SUBNETS": "false",
    }  # fmt: skip
    command = [
        tool_python("label-studio").parent / "label-studio", "start", "--no-browser", "--port", str(port),
        "--username", USER, "--password", PASSWORD, "--data-dir", folder,
    ]  # fmt: skip
    address = f"http://localhost:{port}"
    with running_tool(command, environment, folder / "log", f"{address}/health", 400):
        yield address


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


def call(page: Any, method: str, path: str, body: Any = None) -> bytes:
    """A call of Label Studio's own interface, in the session of the page."""
    status, content = page.evaluate(CALL, [method, path, body])
    answer = base64.b64decode(content)
    assert status < 300, (path, status, answer[:500])
    return answer


def log_in(page: Any, address: str) -> None:
    page.goto(f"{address}/user/login")
    page.fill("input[name=email]", USER)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")


def connect(page: Any, backend: str, image: Path) -> tuple[int, int]:
    """A project with one image, connected to the backend; its id, and that of its task."""
    token = json.loads(call(page, "POST", "/api/token/", {}))["token"]
    project = json.loads(call(page, "POST", "/api/projects", {"title": "anymask", "label_config": CONFIG}))["id"]
    content = base64.b64encode(image.read_bytes()).decode()
    assert page.evaluate(UPLOAD, [f"/api/projects/{project}/import", image.name, content]) == 201
    connection = {
        "project": project, "url": backend, "title": "anymask", "is_interactive": True,
        "extra_params": {"access_token": token}, **ACCESS,
    }  # fmt: skip
    assert json.loads(call(page, "POST", "/api/ml/", connection))["state"] == "CO"
    return project, json.loads(call(page, "GET", f"/api/tasks?project={project}"))["tasks"][0]["id"]


def predict_task(page: Any, project: int, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The predictions that the task of a project gets when the list of tasks asks the backend for them."""
    (backend,) = json.loads(call(page, "GET", f"/api/ml?project={project}"))
    changed = {
        "project": project, "url": backend["url"], "extra_params": {**backend["extra_params"], **wanted}, **ACCESS,
    }  # fmt: skip
    call(page, "PATCH", f"/api/ml/{backend['id']}", changed)
    body = {"selectedItems": {"all": True, "excluded": []}, "project": str(project)}
    call(page, "POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", body)
    found: list[dict[str, Any]] = json.loads(call(page, "GET", f"/api/predictions?project={project}"))
    return found


@pytest.mark.timeout(900)
def test_from_an_empty_project_to_a_coco_file(
    label_studio: str, page: Any, segmenter: Segmenter, coffee: EncodedImage, coffee_path: Path, tmp_path: Path
) -> None:
    with listening(segmenter, ServerSettings(tmp_path / "data", token=TOKEN, detector="coco-ssd")) as address:
        log_in(page, label_studio)
        project, task = connect(page, f"{address}/label-studio", coffee_path)
        page.goto(f"{label_studio}/projects/{project}/data?task={task}")
        page.get_by_text("Auto-Annotation").click(timeout=60_000)
        page.get_by_text("Auto-Accept Suggestions").click()
        page.locator("button.lsf-tool_smart").first.hover()
        page.locator("button.lsf-tool_smart[aria-label=key-point-tool]").click()
        page.get_by_text("saucer", exact=True).nth(1).click()
        box = page.locator("canvas").first.bounding_box()
        with page.expect_response(lambda response: "interactive-annotating" in response.url, timeout=60_000) as found:
            page.mouse.click(box["x"] + box["width"] * 110 / 600, box["y"] + box["height"] * 300 / 400)
        assert len(found.value.json()["data"]["result"]) == 1
        page.wait_for_timeout(3000)
        page.screenshot(path=os.environ.get("PICTURES", str(tmp_path)) + "/label-studio.png")
        with page.expect_response(lambda response: "/annotations" in response.url, timeout=60_000):
            page.get_by_role("button", name="Submit").click()
        exported = call(page, "GET", f"/api/projects/{project}/export?exportType=BRUSH_TO_COCO")
        predictions = predict_task(page, project, {"text": "cup"})
    assert {region["value"]["brushlabels"][0] for each in predictions for region in each["result"]} == {"cup"}
    assert all(each["model_version"] == "mobile-sam" for each in predictions)
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".json")]
        coco = json.loads(archive.read(name))
    (annotation,) = coco["annotations"]
    assert {each["id"]: each["name"] for each in coco["categories"]}[annotation["category_id"]] == "saucer"
    own = coffee.segment(points=[(110, 300)])[0].array
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, 400, 600))
    elif isinstance(segmentation["counts"], list):
        segmentation = coco_mask.frPyObjects(segmentation, 400, 600)
    drawn = coco_mask.decode(segmentation) > 0
    assert (drawn & own).sum() / (drawn | own).sum() > 0.97
