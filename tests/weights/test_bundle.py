"""An offline bundle: made where there is a network, used where there is none."""

from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import SmallModel, noise


@pytest.fixture
def carried(small_model: SmallModel, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with the small model, on a machine that knows neither the model nor the server any more."""
    folder = tmp_path / "bundle"
    weights.pull_to("small", folder)
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "other cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "other data"))
    monkeypatch.setenv("ANYMASK_MODELS", str(folder))
    server.content.clear()
    server.requests.clear()
    return folder


def test_bundle_serves_a_model_without_network_or_cache(
    carried: Path, small_model: SmallModel, server: LoopbackServer, tmp_path: Path
) -> None:
    paths = weights.ensure("small")
    assert paths == {name: carried / "small" / name for name in small_model.content}
    assert {name: path.read_bytes() for name, path in paths.items()} == small_model.content
    assert not server.requests
    assert not (tmp_path / "other cache").exists()


def test_bundle_holds_only_files_under_their_final_names(carried: Path, small_model: SmallModel) -> None:
    assert sorted(path.name for path in (carried / "small").iterdir()) == sorted(small_model.content)


def test_default_model_in_a_bundle(
    mobile_sam: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mobile_sam["sam.onnx"].parent
    made = weights.pull_to("mobile-sam", tmp_path / "bundle", local=folder)
    assert made == {name: tmp_path / "bundle" / "mobile-sam" / name for name in ("encoder.onnx", "sam.onnx")}
    assert not (tmp_path / "bundle" / "catalogue.toml").exists()
    monkeypatch.setenv("ANYMASK_MODELS", str(tmp_path / "bundle"))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "empty"))
    assert weights.ensure("mobile-sam") == made


def test_pulling_again_writes_nothing_anew_and_mends_what_is_damaged(
    small_model: SmallModel, server: LoopbackServer, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    made = weights.pull_to("small", folder)
    times = {name: path.stat().st_mtime_ns for name, path in made.items()}
    made["decoder.onnx"].write_bytes(noise(100_000, 50))
    weights.pull_to("small", folder)
    assert made["encoder.onnx"].stat().st_mtime_ns == times["encoder.onnx"]
    assert made["decoder.onnx"].read_bytes() == small_model.content["decoder.onnx"]


def test_damaged_bundle_is_refused_although_the_cache_is_good(
    small_model: SmallModel, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = weights.pull_to("small", tmp_path / "bundle")
    monkeypatch.setenv("ANYMASK_MODELS", str(tmp_path / "bundle"))
    made["encoder.onnx"].write_bytes(noise(299_000, 51))
    with pytest.raises(WeightsError, match=r"encoder\.onnx is refused: it has 299000 bytes instead of 300000"):
        weights.ensure("small")


def test_model_that_the_bundle_lacks_is_said_to_be_lacking(
    small_model: SmallModel, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle").mkdir()
    monkeypatch.setenv("ANYMASK_MODELS", str(tmp_path / "bundle"))
    server.content.clear()
    with pytest.raises(WeightsError, match=r"ANYMASK_MODELS: not all of small is in .*bundle; 127\.0\.0\.1: "):
        weights.ensure("small")


def test_setting_that_is_no_folder_is_told(small_model: SmallModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_MODELS", "/no/such/folder")
    with pytest.raises(WeightsError, match="ANYMASK_MODELS is '/no/such/folder', which is not a folder"):
        weights.ensure("small")


def test_bundle_cannot_replace_a_built_in_model(carried: Path) -> None:
    text = (carried / "catalogue.toml").read_text("utf-8").replace("models.small", "models.mobile-sam")
    (carried / "catalogue.toml").write_text(text, "utf-8")
    assert [file.name for file in weights.all_models()["mobile-sam"].files] == ["encoder.onnx", "sam.onnx"]
    assert weights.find_model("mobile-sam").files[0].size == 28_085_517


def test_bundle_that_cannot_be_written_is_told(small_model: SmallModel, server: LoopbackServer, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(WeightsError, match="cannot be written"):
        weights.pull_to("small", tmp_path / "a file")
