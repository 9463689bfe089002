"""Under a path of a proxy, through proxies that are trusted, and from pages of other origins."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from anymask import Client, Segmenter
from anymask.cli import main
from anymask.server.service import ServerSettings
from tests.support.running_servers import Application, bring, listening, wait_for

ROOT = "/tools/anymask"
TOKEN = "correct-horse-battery"
PAGE = "https://pages.example"
SAUCER = {"prompts": [{"points": [[110, 300]]}]}


@pytest.fixture
def api(application: Application) -> TestClient:
    """A server under a path, with a token."""
    client = application(root_path=ROOT, token=TOKEN)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    return client


@pytest.mark.slow
def test_addresses_in_responses_begin_with_the_path_and_lead_somewhere(api: TestClient, coffee_path: Path) -> None:
    uploaded = api.post(f"{ROOT}/v1/images", files={"file": ("a.jpg", coffee_path.read_bytes())})
    image = uploaded.headers["Location"]
    assert image == f"{ROOT}/v1/images/{uploaded.json()['id']}"
    (mask,) = api.post(f"{image}/segment", json=SAUCER).json()["masks"]
    (other, *_) = api.post(f"{image}/alternatives", json={"points": [[110, 300]]}).json()["masks"]
    started = api.post(f"{image}/everything", json={"sampling": "grid", "points_per_side": 2}).json()
    with api.stream("GET", started["events"]) as events:
        text = "".join(events.iter_text())
    (data,) = [line for line in text.split("event: done\n")[1].splitlines() if line.startswith("data: ")]
    found = json.loads(data.removeprefix("data: "))["result"]["masks"]
    for address in (mask["file"], other["file"], found[0]["file"], started["state"]):
        assert address.startswith(f"{ROOT}/v1/")
        assert api.get(address).status_code == 200
        assert api.get(ROOT + address).status_code == 200, "appended to the address of the server"
        assert api.get(address.removeprefix(ROOT)).status_code == 200, "a proxy that takes it off"


def test_page_and_description_are_under_the_path(api: TestClient) -> None:
    bare = api.get(ROOT, follow_redirects=False)
    assert (bare.status_code, bare.headers["Location"]) == (308, f"{ROOT}/")
    assert 'src="js/main.js"' in api.get(f"{ROOT}/").text
    assert api.get(f"{ROOT}/js/main.js").status_code == 200
    assert api.get(f"{ROOT}/openapi.json").json()["servers"] == [{"url": ROOT}]
    assert api.get("/tools/anymasks/").status_code == 404
    assert 'route="/v1/models"' not in api.get("/metrics").text
    assert api.get(f"{ROOT}/v1/models").status_code == 200
    assert 'route="/v1/models"' in api.get("/metrics").text


def test_the_token_is_required_under_the_path_and_the_cookie_stays_there(api: TestClient) -> None:
    del api.headers["Authorization"]
    for path in (f"{ROOT}/v1/models", f"{ROOT}{ROOT}/v1/models", f"{ROOT}//v1/models", f"{ROOT}/metrics"):
        assert api.get(path).status_code == 401
    opened = api.post(f"{ROOT}/v1/session", json={"token": TOKEN})
    assert f"Path={ROOT}/;" in opened.headers["Set-Cookie"]
    assert api.get(f"{ROOT}/v1/models").status_code == 200
    assert api.get("/v1/models").status_code == 401, "a browser sends it to no other program of the host"


def test_thumbnails_of_a_review_are_under_the_path(application: Application, coffee_path: Path) -> None:
    api = application(root_path=ROOT)
    project = api.post("/v1/projects", json={"name": "cups"}).json()["id"]
    api.post(f"/v1/projects/{project}/images", files={"file": ("a.jpg", coffee_path.read_bytes())})
    number = api.get(f"/v1/projects/{project}/images").json()["images"][0]["number"]
    id = bring(api, coffee_path).json()["id"]
    (mask,) = api.post(f"/v1/images/{id}/segment", json=SAUCER).json()["masks"]
    objects = [{"id": "cup", "rle": mask["rle"], "data": {}}]
    saved = api.put(
        f"/v1/projects/{project}/images/{number}/session",
        json={"client": "anna-0001", "revision": 0, "objects": objects},
    )
    assert saved.status_code == 200, saved.text
    (found,) = api.get(f"/v1/projects/{project}/review").json()["objects"]
    assert api.get(found["thumbnail"]).status_code == 200
    assert found["thumbnail"].startswith(f"{ROOT}/v1/projects/")


def test_the_client_works_under_the_path(segmenter: Segmenter, coffee_path: Path, tmp_path: Path) -> None:
    settings = ServerSettings(tmp_path / "data", root_path=ROOT)
    with listening(segmenter, settings) as address, Client(f"{address}{ROOT}/") as client:
        image = client.encode(coffee_path)
        assert image.segment(points=[(110, 300)])[0].area > 1000
        assert len(image.everything(sampling="grid", points_per_side=2)) > 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        ("127.0.0.1,::1", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.0/8", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "9.9.9.9, 8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "9.9.9.9", "127.0.0.1"),
        ("10.0.0.0/8,::1", "127.0.0.9", "127.0.0.1"),
    ],
)
def test_forwarded_addresses_are_trusted_from_the_proxies_that_are_named(
    segmenter: Segmenter, tmp_path: Path, proxies: str, forwarded: str, client: str
) -> None:
    log = tmp_path / "access.jsonl"
    settings = ServerSettings(tmp_path / "data", proxies=proxies, access_log=str(log), token=TOKEN)
    with listening(segmenter, settings) as address:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        opened = httpx.post(f"{address}/v1/session", json={"token": TOKEN}, headers=headers)
    wait_for(lambda: bool(log.read_text()))
    assert json.loads(log.read_text())["client"] == client
    assert ("Secure" in opened.headers["Set-Cookie"]) == (client != "127.0.0.1")


def test_pages_of_an_origin_that_is_named_may_use_the_server(application: Application, coffee_path: Path) -> None:
    api = application(token=TOKEN, origins=(PAGE,))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    browser = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    preflight = api.options("/v1/images", headers=browser | asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for method in ("PUT", "PATCH", "DELETE"):
        each = api.options("/v1/images", headers=browser | asked | {"Access-Control-Request-Method": method})
        assert each.status_code == 200, method

    api.headers.update(browser)
    refused = bring(api, coffee_path)
    assert refused.status_code == 401, "it needs the token as everybody"
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE, "so that the page can read why"
    api.headers["Authorization"] = f"Bearer {TOKEN}"
    uploaded = bring(api, coffee_path)
    assert uploaded.status_code == 201
    assert uploaded.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Location" in uploaded.headers["Access-Control-Expose-Headers"]
    assert "Origin" in uploaded.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://pages.example.evil", "http://pages.example", f"{PAGE}:8443", "null"])
@pytest.mark.parametrize("origins", [(), (PAGE,)])
def test_pages_of_other_origins_may_not(application: Application, origin: str, origins: tuple[str, ...]) -> None:
    api = application(origins=origins)
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for response in (api.get("/v1/models", headers={"Origin": origin}), api.options("/v1/models", headers=asked)):
        assert response.status_code in (400, 403)
        assert "Access-Control-Allow-Origin" not in response.headers
    image = api.get("/v1/models", headers={"Sec-Fetch-Site": "cross-site"})
    assert image.status_code == 403, "an image or a form of another page says no origin"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--root-path", "/tools/anymask/"], "/tools/anymask"),
        (["--root-path", "/"], "ANYMASK_ROOT_PATH"),
        (["--allow-origin", "HTTPS://Pages.Example:443/"], "https://pages.example"),
        (["--allow-origin", "http://[::1]:3000"], "http://[::1]:3000"),
        (["--forwarded-allow-ips", "10.0.0.0/8,::1"], "10.0.0.0/8,::1"),
    ],
)
def test_settings_are_shown_as_they_are_used(given: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--show-config", *given]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith(given[0])]
    assert shown in line.split()


@pytest.mark.parametrize(
    "given",
    [
        ["--root-path", "tools"],
        ["--root-path", "/a/../b"],
        ["--root-path", "/a b"],
        ["--root-path", "/v1"],
        ["--allow-origin", "*"],
        ["--allow-origin", "https://*.example.org"],
        ["--allow-origin", "null"],
        ["--allow-origin", "pages.example"],
        ["--allow-origin", "https://pages.example/path"],
        ["--allow-origin", "http://[::1"],
        ["--allow-origin", "http://a:99999"],
        ["--forwarded-allow-ips", "*"],
        ["--forwarded-allow-ips", "10.0.0.1/8"],
        ["--forwarded-allow-ips", ""],
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--show-config", *given]) == 2
    error = capsys.readouterr().err
    assert given[0] in error
    assert "it takes" in error or "paths of its own" in error
    assert "Traceback" not in error
