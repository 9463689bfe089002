"""Every route of the application needs the token, however it was added; only the page and signs of life do not."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Mount
from starlette.testclient import TestClient

from anymask.server.static_files import WEB_FOLDER, web_paths
from tests.support.running_servers import Application

TOKEN = "correct-horse-battery"
OPEN = {"/healthz", "/readyz", "/openapi.json", "/v1/session"}
VALUES = {"id": "0" * 64, "job": "x" * 22, "n": "0" * 24}


class _AnyValue(dict):
    """Values of path parameters; a parameter of a new route gets a word."""

    def __missing__(self, name: str) -> str:
        return "x"


def routes_of(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of included routers and mounted applications among them."""
    for route in routes:
        if isinstance(route, Mount) and not route.routes:
            yield "GET", prefix + route.path + "/"  # files: see the test of the page's own
            continue
        if nested := inner_routes(route):
            yield from routes_of(nested, prefix + (route.path if isinstance(route, Mount) else ""))
            continue
        path = prefix + route.path.replace(":path}", "}").format_map(_AnyValue(VALUES))
        for method in route.methods or ("GET",):
            yield method, path


def inner_routes(route: Any) -> list[Any]:
    """The routes that a route stands for."""
    if isinstance(route, Mount):
        return list(route.routes)
    router = getattr(route, "original_router", None)  # how FastAPI includes a router, from 0.12x on
    return [] if router is None else list(router.routes)


def test_no_route_can_be_reached_without_the_token(application: Application) -> None:
    api = application(token=TOKEN)
    found = set(routes_of(list(api.app.routes)))
    assert {path.split("/")[1] for _, path in found} >= {"v1", "x-anylabeling", "metrics"}
    assert len(found) > 25
    for method, path in found:
        response = api.request(method, path)
        is_open = path in OPEN or path in web_paths()
        assert (response.status_code == 401) != is_open, (method, path, response.status_code)


def test_what_was_added_later_needs_the_token_too(application: Application) -> None:
    api = application(token=TOKEN)
    api.app.router.routes.insert(0, Mount("/later", routes=[]))
    for path in ("/later", "/later/x", "/nothing", "/v1x", "/docs", "//v1/models", "/index.html/../v1/models"):
        assert api.get(path).status_code == 401, path


def test_the_page_has_all_its_files_without_the_token(application: Application) -> None:
    api = application(token=TOKEN)
    files = [path for path in WEB_FOLDER.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert api.get(f"/{path.relative_to(WEB_FOLDER).as_posix()}").status_code == 200, path
    assert api.get("/").status_code == 200


def basic(password: str, user: str = "anymask") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": basic(TOKEN)},
        {"Authorization": basic(TOKEN, "")},
        {"Token": TOKEN},
    ],
)
def test_other_tools_send_the_token_in_their_own_way(application: Application, headers: dict[str, str]) -> None:
    api = application(token=TOKEN)
    assert api.get("/x-anylabeling/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": basic("wrong-wrong-wrong")},
        {"Authorization": basic("", TOKEN)},
        {"Authorization": "Basic"},
        {"Authorization": "Basic caf\u00e9".encode("latin-1")},
        {"Authorization": f"Basic {base64.b64encode(TOKEN.encode()).decode()}"},
        {"Authorization": f"Basic {base64.b64encode(bytes([255, 58, 255])).decode()}"},
        {"Token": ""},
        {"Token": f"{TOKEN}x"},
    ],
)
def test_wrong_tokens_in_the_way_of_other_tools(application: Application, headers: dict[str, Any]) -> None:
    api: TestClient = application(token=TOKEN)
    assert api.get("/x-anylabeling/v1/models", headers=headers).status_code == 401
