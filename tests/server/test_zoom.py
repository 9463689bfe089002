"""Windows that somebody zoomed in on: encoded once, stored within their limit, deleted with the image."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

from anymask import Segmenter
from anymask.prediction.zoom import ZoomedView
from anymask.structures.prompt import make_prompt
from tests.support.running_servers import Application, bring

LEFT, RIGHT = [200, 200, 700, 600], [1700, 200, 2200, 600]
CLICK = {"points": [[400, 400]]}


@pytest.fixture(scope="module")
def image() -> bytes:
    """2400x900: a small disc at either side."""
    y, x = np.ogrid[:900, :2400]
    pixels = np.full((900, 2400, 3), 220, np.uint8)
    for middle in (400, 1900):
        pixels[np.hypot(x - middle, y - 400) < 30] = [20, 60, 140]
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Windows that were encoded, in order."""
    seen: list[tuple[int, ...]] = []
    original = ZoomedView.__init__

    def counted(self: ZoomedView, encoded: object, window: tuple[int, int, int, int]) -> None:
        seen.append(window)
        original(self, encoded, window)  # type: ignore[arg-type]

    monkeypatch.setattr(ZoomedView, "__init__", counted)
    return seen


def _segment(api: TestClient, id: str, **options: object) -> dict:
    response = api.post(f"/v1/images/{id}/segment", json={"prompts": [CLICK], **options})
    assert response.status_code == 200, response.text
    return response.json()["masks"][0]


def test_a_window_is_encoded_once_and_used_for_prompts_in_it(
    application: Application, segmenter: Segmenter, image: bytes, encodings: list[tuple[int, ...]]
) -> None:
    api = application()
    id = bring(api, image).json()["id"]
    assert _segment(api, id, window=LEFT, preview=True)["window"] is None, "a preview waits for no encoder"
    assert not encodings
    window = api.post(f"/v1/images/{id}/zoom", json={"window": LEFT}).json()["window"]
    assert _segment(api, id, window=LEFT, preview=True)["window"] == window
    entry = _segment(api, id, window=LEFT)
    assert entry["window"] == window
    assert encodings == [tuple(window)]
    encoded = segmenter.encode(np.asarray(PIL.Image.open(io.BytesIO(image))))
    mask = ZoomedView(encoded, tuple(window)).segment(make_prompt(encoded.size, points=CLICK["points"]))
    assert mask is not None
    assert entry["rle"] == mask.rle
    offered = api.post(f"/v1/images/{id}/alternatives", json={**CLICK, "window": LEFT}).json()["masks"]
    assert offered[0]["window"] == window
    assert "anymask_windows 1.0" in api.get("/metrics").text
    api.delete(f"/v1/images/{id}")
    assert "anymask_windows 0.0" in api.get("/metrics").text


def test_the_least_recently_used_window_makes_room(
    application: Application, image: bytes, encodings: list[tuple[int, ...]]
) -> None:
    api = application(window_bytes=10 << 20)
    id = bring(api, image).json()["id"]
    for visible in (LEFT, RIGHT, RIGHT, LEFT):
        api.post(f"/v1/images/{id}/zoom", json={"window": visible})
    assert len(encodings) == 3


def test_prompts_outside_the_window_use_the_whole_image(application: Application, image: bytes) -> None:
    api = application()
    id = bring(api, image).json()["id"]
    assert _segment(api, id, window=RIGHT) == _segment(api, id)
