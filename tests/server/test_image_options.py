"""How an uploaded image is opened: its window, bands, page and background."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import tifffile

from anymask.io.image import open_image
from anymask.server.database import open_database
from anymask.server.image_store import ImageStore
from anymask.server.limits import Limits
from tests.support.running_servers import Application


def scene() -> bytes:
    """Two pages of 12 bits in 16 with five bands."""
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for level in (600, 900):
            page = rng.normal(level, 20, (40, 60, 5)).astype(np.uint16)
            writer.write(page, photometric="minisblack", planarconfig="contig", metadata=None)
    return file.getvalue()


def upload(api: Any, content: bytes, options: Any = None) -> Any:
    data = {} if options is None else {"options": json.dumps(options)}
    return api.post("/v1/images", files={"file": ("scene.tif", content)}, data=data)


def displayed(api: Any, entry: dict[str, Any]) -> np.ndarray:
    shown = api.get(f"/v1/images/{entry['id']}/picture?format=png")
    return np.asarray(PIL.Image.open(io.BytesIO(shown.content)).convert("RGB"))


def test_an_upload_states_how_it_is_opened_and_stays_so_after_a_restart(
    application: Application, tmp_path: Path
) -> None:
    content, api = scene(), application()
    plain = upload(api, content).json()
    assert "first of 2 pages; another page can be chosen" in plain["notes"]
    options = {"window": [500, 1000], "bands": [5, 3, 1], "page": 2, "background": [1, 2, 3]}
    chosen = upload(api, content, options).json()
    expected = open_image(content, window=(500, 1000), bands=(5, 3, 1), page=2)
    assert (chosen["id"], chosen["notes"]) == (expected.pixel_hash, [])
    assert chosen["id"] != plain["id"]
    np.testing.assert_array_equal(displayed(api, chosen), expected.pixels)
    again = ImageStore(tmp_path / "data" / "images", Limits(), open_database(None, tmp_path / "data"))
    again.start()
    np.testing.assert_array_equal(again.open(chosen["id"]).pixels, expected.pixels)


WRONG = [
    ({"window": [3]}, "window"),
    ({"window": [9, 3]}, "low must be less than high"),
    ({"bands": [1, 2]}, "bands"),
    ({"bands": [9]}, "there is no band 9: the image has 5 bands"),
    ({"page": 0}, "page"),
    ({"page": 3}, "there is no page 3"),
    ({"max_pixels": 9}, "max_pixels"),
    ({"background": [0, 0, 256]}, "background"),
    ([], "JSON"),
]


def test_options_that_cannot_be_right_are_a_problem(application: Application) -> None:
    api = application()
    for options, says in WRONG:
        answer = upload(api, scene(), options)
        assert answer.status_code in (415, 422)
        assert says in answer.json()["detail"]
