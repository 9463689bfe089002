"""The backend of Label Studio; `tests/integrations` has Label Studio itself."""

from __future__ import annotations

import base64
import http.server
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_studio_sdk.converter import brush
from starlette.testclient import TestClient

from anymask import EncodedImage
from anymask.formats.helpers.brush_rle import encode_brush
from anymask.structures.polygons import polygons_to_mask
from tests.support.running_servers import Application

SIZE = (600, 400)
CONFIG = """<View><Image name="img" value="$photo"/>
<{tag} name="out" toName="img"><Label value="cup"/><Label value="spoon"/></{tag}>
<KeyPointLabels name="points" toName="img" smart="true"><Label value="cup"/><Label value="spoon"/></KeyPointLabels>
<RectangleLabels name="boxes" toName="img" smart="true"><Label value="cup"/></RectangleLabels></View>"""
BRUSH = CONFIG.format(tag="BrushLabels")


def region(kind: str, label: str = "cup", is_positive: bool = True, **value: Any) -> dict[str, Any]:
    return {
        "original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0, "type": f"{kind}labels",
        "is_positive": is_positive, "from_name": "x", "to_name": "img", "value": {**value, f"{kind}labels": [label]},
    }  # fmt: skip


def click(x: float, y: float, **more: Any) -> dict[str, Any]:
    return region("keypoint", x=x / SIZE[0] * 100, y=y / SIZE[1] * 100, width=0.5, **more)


def box(x0: float, y0: float, x1: float, y1: float, **more: Any) -> dict[str, Any]:
    width, height = SIZE
    shares = {"x": x0 / width, "y": y0 / height, "width": (x1 - x0) / width, "height": (y1 - y0) / height}
    return region("rectangle", **{name: 100 * share for name, share in shares.items()}, **more)


def uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


def send(api: TestClient, image: Any, drawn: list[Any] | None = None, config: str = BRUSH, **more: Any) -> Any:
    context = None if drawn is None else {"result": drawn}
    body = {
        "tasks": [{"id": 1, "data": {"photo": image}}], "label_config": config, "project": "1.5",
        "params": {"login": None, "password": None, "context": context}, **more,
    }  # fmt: skip
    return api.post("/label-studio/predict", json=body)


def regions(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    (result,) = response.json()["results"]
    return result["result"]


def painted(item: dict[str, Any]) -> np.ndarray:
    """A region as Label Studio's own code reads it."""
    assert (item["original_width"], item["original_height"], item["image_rotation"]) == (*SIZE, 0)
    if item["type"] == "brushlabels":
        flat = brush.decode_rle(item["value"]["rle"])
        return flat.reshape(SIZE[1], SIZE[0], 4)[:, :, 3] > 0
    return polygons_to_mask([[np.array(item["value"]["points"]) / 100 * SIZE]], SIZE)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_clicks_become_a_brush_with_their_label(api: TestClient, coffee: EncodedImage, coffee_path: Path) -> None:
    drawn = [click(110, 300), click(300, 120, is_positive=False)]
    (item,) = regions(send(api, uri(coffee_path), drawn))
    own = coffee.segment(points=[(110, 300), (300, 120)], labels=[1, 0])[0]
    assert iou(painted(item), own.array) > 0.98
    assert (item["from_name"], item["to_name"], item["type"]) == ("out", "img", "brushlabels")
    assert item["value"]["brushlabels"] == ["cup"]
    assert item["value"]["format"] == "rle"
    assert 0 <= item["score"] <= 1


def test_polygons_where_the_project_has_polygons(api: TestClient, coffee: EncodedImage, coffee_path: Path) -> None:
    drawn = [box(170, 14, 412, 264, label="spoon")]
    (item,) = regions(send(api, uri(coffee_path), drawn, CONFIG.format(tag="PolygonLabels")))
    assert iou(painted(item), coffee.segment(box=[170, 14, 412, 264])[0].array) > 0.96
    assert item["value"]["closed"] is True
    assert item["value"]["polygonlabels"] == ["spoon"]
    assert len(item["value"]["points"]) < 150


@pytest.mark.parametrize(
    ("prompt", "width"), [({"box": [170, 14, 412, 264]}, None), ({"points": [(110, 300)]}, 9)], ids=["over", "along"]
)
def test_a_brush_over_an_object_and_a_scribble_along_it(
    api: TestClient, coffee: EncodedImage, coffee_path: Path, prompt: dict[str, Any], width: int | None
) -> None:
    own = coffee.segment(**prompt)[0].array
    rough = cv2.erode(own.astype(np.uint8), np.ones((15, 15)))
    if width:
        rough = cv2.line(np.zeros(own.shape, np.uint8), (90, 200), (200, 330), 1, width)
    drawn = region("brush", format="rle", rle=encode_brush(rough > 0))
    (item,) = regions(send(api, uri(coffee_path), [drawn]))
    assert iou(painted(item), own) > 0.85


def test_labels_are_objects_of_their_own(api: TestClient, coffee_path: Path) -> None:
    drawn = [click(110, 300), box(480, 10, 600, 390, label="spoon"), click(520, 380, label="spoon", is_positive=False)]
    items = regions(send(api, uri(coffee_path), drawn))
    assert [item["value"]["brushlabels"] for item in items] == [["cup"], ["spoon"]]
    assert len({item["id"] for item in items}) == 2


def test_the_right_edge_belongs_to_the_image(api: TestClient, coffee_path: Path) -> None:
    assert regions(send(api, uri(coffee_path), [click(*SIZE)]))


def test_an_excluded_point_alone_gives_nothing_yet(api: TestClient, coffee_path: Path) -> None:
    assert regions(send(api, uri(coffee_path), [click(110, 300, is_positive=False)])) == []


class LabelStudio(http.server.BaseHTTPRequestHandler):
    """A stand-in for the files of Label Studio."""

    content = b""
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        status = {"/data/upload/1/photo.jpg": 200, "/elsewhere": 302}.get(self.path, 404)
        if self.headers.get("Authorization") != "Token of-the-owner":
            status = 401
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()
        self.wfile.write(self.content if status == 200 else b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def label_studio(coffee_path: Path) -> Iterator[str]:
    LabelStudio.content, LabelStudio.seen = coffee_path.read_bytes(), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LabelStudio)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def set_up(api: TestClient, hostname: str, extra: Any = None, token: str = "of-the-owner") -> Any:
    body = {"project": "1.5", "schema": BRUSH, "hostname": hostname, "access_token": token, "extra_params": extra}
    return api.post("/label-studio/setup", json=body)


def test_images_come_from_label_studio_with_the_token_of_the_project(
    application: Application, label_studio: str, coffee_path: Path, tmp_path: Path
) -> None:
    api = application(folder=tmp_path / "data")
    assert send(api, "/data/upload/1/photo.jpg", [click(110, 300)]).status_code == 422, "nobody set it up"
    assert set_up(api, label_studio).json() == {"model_version": "mobile-sam"}
    assert len(regions(send(api, "/data/upload/1/photo.jpg", [click(110, 300)]))) == 1
    assert len(regions(send(api, f"{label_studio}/data/upload/1/photo.jpg", [click(110, 300)]))) == 1
    stored = tmp_path / "data" / "label-studio.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert json.loads(stored.read_bytes())["1.5"]["access_token"] == "of-the-owner"
    api.__exit__()
    again = application(folder=tmp_path / "data")
    assert len(regions(send(again, "/data/upload/1/photo.jpg", [click(110, 300)]))) == 1


def test_the_token_goes_nowhere_else(application: Application, label_studio: str) -> None:
    api = application()
    set_up(api, "http://127.0.0.1:9")
    response = send(api, f"{label_studio}/data/upload/1/photo.jpg", [click(110, 300)])
    assert response.status_code == 403
    assert LabelStudio.seen == []
    set_up(api, label_studio)
    assert send(api, "/elsewhere", [click(110, 300)]).status_code == 422
    assert "legacy tokens" in (
        set_up(api, label_studio, token="of-nobody")
        and send(api, "/data/upload/1/photo.jpg", [click(110, 300)]).json()["detail"]
    )


@pytest.mark.slow
def test_predictions_for_tasks_that_nobody_drew_in(application: Application, coffee_path: Path) -> None:
    api = application()
    photo = {"data": {"photo": uri(coffee_path)}}
    tasks = [{"id": 1, **photo}, {"id": 2, "data": {"photo": "data:image/png;base64,aaaa"}}, {"id": 3, **photo}]
    assert send(api, None, tasks=tasks).json()["results"] == [[], [], []], "nothing was wanted"
    set_up(api, "http://localhost:8080", {"text": True})
    first, broken, last = send(api, None, tasks=tasks).json()["results"]
    assert {each["value"]["brushlabels"][0] for each in first["result"]} == {"cup"}
    assert broken == []
    assert len(last["result"]) == len(first["result"])
    set_up(api, "http://localhost:8080", '{"everything": true}')
    (found,) = send(api, None, tasks=tasks[:1]).json()["results"]
    assert len(found["result"]) > 3
    assert found["score"] <= 1


@pytest.mark.slow
def test_when_the_time_is_over_label_studio_is_to_send_one_task_at_a_time(
    application: Application, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import anymask.server.routes.label_studio as routes

    api = application()
    set_up(api, "http://localhost:8080", {"text": "cup"})
    tasks = [{"id": number, "data": {"photo": uri(coffee_path)}} for number in range(3)]
    assert len(send(api, None, tasks=tasks).json()["results"]) == 3
    monkeypatch.setattr(routes, "_is_over", lambda _: True)
    assert len(send(api, None, tasks=tasks).json()["results"]) == 1


def test_the_other_routes(api: TestClient) -> None:
    assert api.get("/label-studio/health").json()["status"] == "UP"
    assert api.get("/label-studio/versions").json()["versions"] == ["mobile-sam"]
    assert api.post("/label-studio/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 200


@pytest.mark.parametrize(
    "config",
    ["", "<View>", "<View/>", '<View><Image name="a" value="$b"/></View>', "<!DOCTYPE x [<!ENTITY a 'b'>]><View/>"],
)
def test_configurations_that_take_no_masks_are_refused(api: TestClient, config: str, coffee_path: Path) -> None:
    response = send(api, uri(coffee_path), [click(110, 300)], config)
    assert response.status_code == 422
    assert "configuration" in response.json()["detail"]


@pytest.mark.parametrize(
    "drawn",
    [
        {**click(110, 300), "image_rotation": 90},
        {**click(110, 300), "original_width": 900},
        region("keypoint", x="a", y=1),
        region("keypoint", x=1),
        region("rectangle", x=1, y=1, width=5, height=5, rotation=30),
        region("brush", format="rle", rle=[1, 2, 3]),
        {"type": "keypointlabels", "value": None},
        "nothing",
    ],
)
def test_what_was_drawn_and_cannot_be_used_gets_one_line(api: TestClient, coffee_path: Path, drawn: Any) -> None:
    response = send(api, uri(coffee_path), [drawn])
    assert response.status_code == 422, response.text
    assert "\n" not in response.json()["detail"]


@pytest.mark.parametrize("extra", [{"txt": "cup"}, "{", {"everything": 1}, [1], {"text": 5}])
def test_other_extra_parameters_are_refused(api: TestClient, extra: Any) -> None:
    assert set_up(api, "http://localhost:8080", extra).status_code == 422
    assert set_up(api, "localhost:8080").status_code == 422
