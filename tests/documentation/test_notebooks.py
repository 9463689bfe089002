"""The lesson runs from top to bottom, without a network, and gives the outputs that are stored in its notebooks."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import PIL.Image
import pytest
from nbclient.exceptions import CellExecutionError

import anymask

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NOTEBOOKS = sorted((EXAMPLES / "lesson").glob("*.ipynb"))
_NUMBER = re.compile(r"\d+\.\d+|\d+")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_notebooks", EXAMPLES / "run_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights() -> None:
    """What has to be downloaded before the network is disabled."""
    anymask.load("mobile-sam", precision="f32", threads=2)
    anymask.load_detector("coco-ssd")


@pytest.fixture
def offline(weights: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that start in this test have no network, and use two threads."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for spelling in (name, name.lower()):
            monkeypatch.setenv(spelling, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "2")


def test_there_is_a_lesson() -> None:
    assert len(NOTEBOOKS) == 4


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_offline_and_gives_its_stored_outputs(path: Path, runner: ModuleType, offline: None) -> None:
    stored, fresh = runner.nbformat.read(path, as_version=4), runner.execute(path)
    assert [cell.source for cell in fresh.cells] == [cell.source for cell in stored.cells]
    assert not [output for output in outputs(fresh) if output.get("name") == "stderr"]
    assert_similar_texts(texts(stored), texts(fresh))
    assert len(images(stored)) == len(images(fresh)) > 0
    for before, now in zip(images(stored), images(fresh), strict=True):
        assert np.abs(coarse(before) - coarse(now)).mean() < 6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_small_and_say_nothing_of_the_machine(path: Path, runner: ModuleType) -> None:
    notebook = runner.nbformat.read(path, as_version=4)
    assert path.stat().st_size <= 300_000
    assert all(len(each) <= 60_000 for each in images(notebook))
    assert not re.search(r"(?<![\w.])/(?:home|root|Users|tmp|work|usr|opt)/|[A-Z]:\\\\", "\n".join(texts(notebook)))
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert not any(cell.metadata for cell in notebook.cells)


def test_a_notebook_that_fails_is_reported_and_not_written(tmp_path: Path, runner: ModuleType) -> None:
    nbformat = runner.nbformat
    path = tmp_path / "broken.ipynb"
    cell = nbformat.v4.new_code_cell("import anymask\nanymask.open_image('missing.jpg')")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match=r"missing\.jpg"):
        runner.main([path])
    assert path.read_bytes() == before


def outputs(notebook: Any) -> list[Any]:
    """Of all code cells, in order."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def texts(notebook: Any) -> list[str]:
    """What the cells printed or returned; a stream may arrive in pieces."""
    joined = []
    for cell in notebook.cells:
        pieces = [
            output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])
        ]
        joined.append("".join(pieces))
    return joined


def images(notebook: Any) -> list[bytes]:
    """All images, as encoded files."""
    data = [output.get("data", {}) for output in outputs(notebook)]
    return [base64.b64decode(each[kind]) for each in data for kind in each if kind.startswith("image/")]


def coarse(image: bytes) -> np.ndarray:
    """The image without the details that depend on the version of matplotlib and its fonts: float64 [40, 60]."""
    return np.asarray(PIL.Image.open(io.BytesIO(image)).convert("L").resize((60, 40), PIL.Image.Resampling.BOX), float)


def assert_similar_texts(before: list[str], now: list[str]) -> None:
    """Assert equal texts, but for numbers that another processor may round differently."""
    for one, other in zip(before, now, strict=True):
        assert _NUMBER.sub("#", one) == _NUMBER.sub("#", other)
        for old, new in zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True):
            allowed = 0.02 if "." in old else max(1.0, 0.02 * float(old))
            assert abs(float(old) - float(new)) <= allowed, f"{old} became {new} in {other!r}"
