"""The remote server of X-AnyLabeling; `tests/integrations` has its own client."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from anymask import EncodedImage
from anymask.structures.polygons import polygons_to_mask
from tests.support.running_servers import Application

CUP, SAUCER = [170.0, 14.0, 412.0, 264.0], [110.0, 300.0]


def data_uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


def predict(api: TestClient, path: Path, model: str = "anymask", **params: Any) -> list[dict[str, Any]]:
    body = {"model": model, "image": data_uri(path), "params": params}
    response = api.post("/x-anylabeling/v1/predict", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["success"] is True
    return response.json()["data"]["shapes"]


def filled(shapes: list[dict[str, Any]], size: tuple[int, int] = (600, 400)) -> np.ndarray:
    for shape in shapes:
        assert shape["points"][0] == shape["points"][-1], "X-AnyLabeling wants closed polygons"
    return polygons_to_mask([[np.array(shape["points"][:-1])] for shape in shapes], size)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def mark(data: list[float], label: int = 1) -> dict[str, Any]:
    return {"type": "point" if len(data) == 2 else "rectangle", "data": data, "label": label}


def test_a_click_becomes_the_polygons_of_its_mask(api: TestClient, coffee: EncodedImage, coffee_path: Path) -> None:
    shapes = predict(api, coffee_path, marks=[mark(SAUCER)], epsilon_factor=0)
    own = coffee.segment(points=[SAUCER])[0]
    assert iou(filled(shapes), own.array) > 0.97
    assert {shape["label"] for shape in shapes} == {"AUTOLABEL_OBJECT"}
    assert {shape["shape_type"] for shape in shapes} == {"polygon"}
    assert all(0 <= shape["score"] <= 1 and shape["group_id"] == 1 for shape in shapes)


def test_excluded_points_and_a_box_drawn_upwards_count(
    api: TestClient, coffee: EncodedImage, coffee_path: Path
) -> None:
    x0, y0, x1, y1 = CUP
    shapes = predict(api, coffee_path, marks=[mark([x1, y1, x0, y0]), mark([390, 140], 0)], epsilon_factor=0)
    own = coffee.segment(points=[(390, 140)], labels=[0], box=CUP)[0]
    assert iou(filled(shapes), own.array) > 0.97


def test_several_boxes_are_several_objects(api: TestClient, coffee_path: Path) -> None:
    shapes = predict(api, coffee_path, marks=[mark(CUP), mark([480, 10, 600, 390])])
    assert {shape["group_id"] for shape in shapes} == {1, 2}


def test_finer_and_coarser_polygons(api: TestClient, coffee_path: Path) -> None:
    corners = [
        sum(len(shape["points"]) for shape in predict(api, coffee_path, marks=[mark(CUP)], epsilon_factor=fineness))
        for fineness in (0, 0.001, 0.01)
    ]
    assert corners[0] > corners[1] > corners[2] > 3


def test_no_specks(api: TestClient, coffee_path: Path) -> None:
    shapes = predict(api, coffee_path, marks=[mark(CUP)])
    areas = [filled([shape]).sum() for shape in shapes]
    assert min(areas) > 0.02 * sum(areas)


def test_removed_marks_leave_nothing(api: TestClient, coffee_path: Path) -> None:
    assert predict(api, coffee_path, marks=[]) == []
    assert predict(api, coffee_path, marks=[mark(SAUCER, 0)]) == []


@pytest.mark.slow
def test_text_and_everything(api: TestClient, coffee_path: Path) -> None:
    assert {shape["label"] for shape in predict(api, coffee_path, "anymask-text", text_prompt="cup")} == {"cup"}
    shapes = predict(api, coffee_path, "anymask-everything")
    assert len({shape["group_id"] for shape in shapes}) > 3


def test_the_models_name_widgets(api: TestClient) -> None:
    answer = api.get("/x-anylabeling/v1/models").json()
    assert answer["success"] is True
    widgets = {each["name"] for each in answer["data"]["anymask"]["widgets"]}
    assert widgets >= {"button_add_point", "button_remove_point", "button_add_rect", "button_finish_object"}
    assert answer["data"]["anymask"]["batch_processing_mode"] is None


def test_images_are_not_stored(application: Application, coffee_path: Path) -> None:
    api = application(images_per_client=1)
    for _ in range(2):
        predict(api, coffee_path, marks=[mark(SAUCER)])
    assert len(api.app.state.service.images) == 0
    assert len(api.app.state.service.encoded_images) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "yolo"}, 404),
        ({"image": "data:image/jpeg;base64,%%%"}, 422),
        ({"image": "https://example.org/photo.jpg,"}, 422),
        ({"image": base64.b64encode(b"no image").decode()}, 415),
        ({"image": ""}, 415),
        ({"params": {"marks": [mark([1e9, 5])]}}, 422),
        ({"params": {"marks": [{"type": "rectangle", "data": [1, 2, 3]}]}}, 422),
        ({"params": {"marks": [{"type": "circle", "data": [1, 2]}]}}, 422),
        ({"params": {"epsilon_factor": -1}}, 422),
        ({"params": None}, 422),
        ({"model": "anymask-text", "params": {}}, 422),
    ],
)
def test_what_cannot_be_used_gets_one_line(
    api: TestClient, coffee_path: Path, change: dict[str, Any], status: int
) -> None:
    body = {"model": "anymask", "image": data_uri(coffee_path), "params": {"marks": [mark(SAUCER)]}, **change}
    response = api.post("/x-anylabeling/v1/predict", json=body)
    assert response.status_code == status, response.text
    assert "\n" not in response.json()["detail"]


def test_an_image_of_the_upload_limit_fits(application: Application, coffee_path: Path, tmp_path: Path) -> None:
    size = coffee_path.stat().st_size
    large = application(folder=tmp_path / "large", upload_bytes=size, body_bytes=2000)
    assert predict(large, coffee_path, marks=[mark(SAUCER)])
    small = application(folder=tmp_path / "small", upload_bytes=size // 2, body_bytes=2000)
    body = {"model": "anymask", "image": data_uri(coffee_path), "params": {}}
    assert small.post("/x-anylabeling/v1/predict", json=body).status_code == 413
