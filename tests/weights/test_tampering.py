"""A file that is not exactly the catalogue's is never handed out (trap T12), whoever changed it."""

from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import RecordedProgress, SmallModel


def tamper(path: Path) -> None:
    """Change one bit in the middle: neither the size nor the modification time tells."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_tampered_cached_file_is_noted_and_fetched_again(
    small_model: SmallModel, server: LoopbackServer, progress: RecordedProgress
) -> None:
    weights.ensure("small")
    tamper(small_model.cached("encoder.onnx"))
    paths = weights.ensure("small", progress=progress)
    assert paths["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]
    assert server.requests == {"/encoder.onnx": 2, "/decoder.onnx": 1}
    assert len(progress.notes) == 1
    assert str(small_model.cached("encoder.onnx")) in progress.notes[0]
    assert "sha256" in progress.notes[0]


def test_tampered_cached_file_is_named_when_it_cannot_be_fetched_again(
    small_model: SmallModel, server: LoopbackServer
) -> None:
    weights.ensure("small")
    tamper(small_model.cached("encoder.onnx"))
    server.content.clear()
    with pytest.raises(WeightsError) as refusal:
        weights.ensure("small")
    assert str(small_model.cached("encoder.onnx")) in str(refusal.value)
    assert "refused" in str(refusal.value)
    assert small_model.left_behind() == ["decoder.onnx"]


def test_truncated_cached_file_is_fetched_again(small_model: SmallModel, server: LoopbackServer) -> None:
    weights.ensure("small")
    small_model.cached("decoder.onnx").write_bytes(small_model.content["decoder.onnx"][:-1])
    assert weights.ensure("small")["decoder.onnx"].read_bytes() == small_model.content["decoder.onnx"]


def test_real_weights_with_one_bit_changed_are_refused(
    mobile_sam: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T12: weights taken as they come.

    https://github.com/vietanhdev/anylabeling/issues/113
    """
    folder = tmp_path / "bundle" / "mobile-sam"
    folder.mkdir(parents=True)
    for name, path in mobile_sam.items():
        (folder / name).write_bytes(path.read_bytes())
    monkeypatch.setenv("ANYMASK_MODELS", str(folder.parent))
    assert weights.ensure("mobile-sam")["sam.onnx"] == folder / "sam.onnx"
    tamper(folder / "sam.onnx")
    with pytest.raises(WeightsError, match=r"mobile-sam: .*sam\.onnx is refused: its sha256 is"):
        weights.ensure("mobile-sam")


def test_verify_finds_what_a_look_at_the_size_does_not(small_model: SmallModel, server: LoopbackServer) -> None:
    weights.ensure("small")
    entry = weights.find_model("small")
    tamper(small_model.cached("encoder.onnx"))
    assert weights.is_here(entry)
    faults = {state.file.name: state.fault for state in weights.inspect_files(entry, thorough=True)}
    assert faults["decoder.onnx"] is None
    assert "sha256" in (faults["encoder.onnx"] or "")
