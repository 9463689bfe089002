"""A web server on this machine, a small model it serves, and the real default model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anymask import weights
from tests.support.loopback_server import LoopbackServer, running_server
from tests.support.small_models import RecordedProgress, SmallModel, add_to_catalogue, noise, toml_model


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with running_server() as state:
        yield state


@pytest.fixture(scope="session")
def mobile_sam() -> dict[str, Path]:
    """The default model's real files, from the user's cache or fetched into it."""
    return weights.ensure("mobile-sam")


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test a cache and a catalogue of its own, and no settings of the person who runs it."""
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    for name in ("ANYMASK_MODELS", "ANYMASK_ALLOW", "ANYMASK_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small_model(server: LoopbackServer, tmp_path: Path) -> SmallModel:
    """A model of two files, 300 kB and 100 kB, that the loopback server serves."""
    content = {"encoder.onnx": noise(300_000, 1), "decoder.onnx": noise(100_000, 2)}
    server.content |= {f"/{name}": data for name, data in content.items()}
    add_to_catalogue(
        tmp_path,
        toml_model("small", content, [{"kind": "https", "files": {name: server.url(f"/{name}") for name in content}}]),
    )
    return SmallModel("small", content, tmp_path / "cache" / "models" / "small")


@pytest.fixture
def progress() -> RecordedProgress:
    return RecordedProgress()
