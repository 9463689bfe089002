"""`anymask doctor`, on caches that were really damaged."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from anymask import cli, load, weights
from anymask.evaluation.doctor import known_image, model_seconds
from anymask.evaluation.doctor.cache_health import inspect_cache
from anymask.evaluation.doctor.model_seconds import measure_models


def diagnosis(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = cli.main(["doctor", "--json", "--threads", "2"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds a copy of the default model and nothing else."""
    paths = weights.ensure("mobile-sam")
    folder = tmp_path / "models" / "mobile-sam"
    folder.mkdir(parents=True)
    for name, path in paths.items():
        shutil.copyfile(path, folder / name)
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path))
    monkeypatch.delenv("ANYMASK_MODELS", raising=False)
    return tmp_path


@pytest.mark.slow
def test_a_sound_installation_agrees_with_the_official_masks(
    own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_image, "_RUNS", 1)  # more of them make the times steadier, not the answers
    code, found = diagnosis(capsys)
    assert (code, found["wrong"]) == (0, [])
    assert {(run["engine"], run["precision"]) for run in found["runs"]} >= {("openvino", "f32"), ("onnxruntime", "f32")}
    assert all(run["good"] and run["threads"] == 2 for run in found["runs"])
    assert found["weights"]["mobile-sam"] == {"encoder.onnx": "exact", "sam.onnx": "exact"}
    assert found["advice"]


def test_damaged_weights_are_reported_and_left_alone(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own_cache / "models" / "mobile-sam" / "encoder.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, found = diagnosis(capsys)
    assert code == 1
    assert "mobile-sam/encoder.onnx: its sha256" in found["wrong"][0]
    assert path.read_bytes() == content
    assert cli.main(["cache", "--json"]) == 0
    assert found["cache"]["parts"] == json.loads(capsys.readouterr().out)["parts"]


@pytest.mark.slow
def test_damaged_cache_files_are_named(own_cache: Path, coffee_path: Path) -> None:
    load(precision="f32", threads=2, engine="openvino").encode(coffee_path)
    assert inspect_cache()["damaged"] == {}
    victims = [*(own_cache / "embeddings").glob("*.embedding"), *(own_cache / "graphs").glob("*.graph")]
    assert len(victims) >= 3
    for path in victims:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert set(inspect_cache()["damaged"]) == {str(path) for path in victims}


def test_wrong_masks_fail_the_check() -> None:
    run = known_image.Agreement("openvino", "f32", 2, 0.946, 0.99, 0.995, 0.1, 0.01)
    assert not run.good


def test_the_image_and_the_reference_masks_are_small() -> None:
    folder = files("anymask.evaluation.doctor")
    assert len((folder / "coffee.jpg").read_bytes()) <= 40_000
    assert len((folder / "coffee.npz").read_bytes()) <= 100_000


@pytest.mark.slow
def test_flipped_bytes_in_the_cache_change_no_mask_and_are_said_in_a_line(
    own_cache: Path, coffee_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def segment() -> tuple[list[dict[str, Any]], str]:
        arguments = ["segment", str(coffee_path), "--point", "290,215", "--json", "--out", str(tmp_path / "out")]
        assert cli.main(arguments) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out)["masks"], captured.err

    sound, errors = segment()
    assert errors == ""
    for path in (*(own_cache / "embeddings").iterdir(), *(own_cache / "graphs").iterdir()):
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 2000] = bytes(byte ^ 255 for byte in content[middle : middle + 2000])
        path.write_bytes(content)
    masks, errors = segment()
    assert masks == sound
    assert errors.count("anymask: an image is encoded again") == 1
    assert errors.count("anymask: a compiled graph is made again") == errors.count("\n") - 1 >= 1
    assert segment() == (sound, "")


@pytest.mark.slow
def test_models_are_measured_within_the_limits_and_listed(
    own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_seconds, "_RUNS", 1)
    found = measure_models(2, 600, names=["mobile-sam", "edge-sam", "edge-sam-3x", "fastsam-s"])
    assert set(found.measured) == {"mobile-sam", "edge-sam", "edge-sam-3x"}
    assert found.measured["edge-sam"] is found.measured["edge-sam-3x"]
    assert all(each.seconds > 0 and each.threads == 2 for each in found.measured.values())
    assert found.skipped == {"fastsam-s": "its files are not here"}
    assert cli.main(["models", "list", "--json"]) == 0
    listed = {each["name"]: each["seconds"] for each in json.loads(capsys.readouterr().out)["models"]}
    assert listed["mobile-sam"]["seconds"] == found.measured["mobile-sam"].seconds


def test_no_model_is_measured_beyond_time_and_memory(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = measure_models(2, -1.0, names=["edge-sam"])
    assert late.measured == {}
    assert late.skipped == {"edge-sam": "it would take about 0 s, and 0 s are left"}
    monkeypatch.setattr(model_seconds, "_available_memory", lambda: 2**31)
    large = measure_models(2, 600, names=["sam-vit-h"])
    assert large.skipped == {"sam-vit-h": "it may need 3.4 GB of memory, and 2.0 GB are free"}
    assert cli.main(["doctor", "--max-seconds", "5"]) == 2
