"""A file that is not exactly the catalogue's is never handed out (trap T12), whoever changed it."""

import os
import shutil
from pathlib import Path

import pytest

import anymask
from anymask import weights
from anymask.cli import main
from anymask.errors import WeightsError
from tests.support.fake_fastsam import fake_fastsam
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


def flip_bytes(path: Path) -> None:
    """Invert 2,000 bytes in the middle in place, and set the times back, as a failing disk would."""
    times = path.stat()
    with path.open("r+b") as stream:
        stream.seek(times.st_size // 2)
        middle = stream.read(2000)
        stream.seek(times.st_size // 2)
        stream.write(bytes(byte ^ 255 for byte in middle))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def own_weights(mobile_sam: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real weights in the test's own cache, and no network to fetch them again."""
    folder = tmp_path / "cache" / "models" / "mobile-sam"
    folder.mkdir(parents=True)
    for name, path in mobile_sam.items():
        shutil.copyfile(path, folder / name)
    for variable in ("HTTPS_PROXY", "https_proxy", "npm_config_registry", "npm_config_https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    return folder


@pytest.mark.slow
def test_flipped_weights_give_an_error_and_no_masks_though_every_graph_is_compiled(
    own_weights: Path, coffee_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["segment", str(coffee_path), "--point", "290,215", "--quiet", "--out"]
    assert main([*arguments, str(tmp_path / "sound")]) == 0
    flip_bytes(own_weights / "sam.onnx")
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "damaged")]) == 1
    _, error = capsys.readouterr().err.splitlines()  # the first is the licence
    assert f"{own_weights / 'sam.onnx'} was refused and removed: its sha256 is" in error
    assert not (tmp_path / "damaged").exists()


def test_weights_that_change_after_a_model_was_loaded_make_no_graph(own_weights: Path, coffee_path: Path) -> None:
    segmenter = anymask.load(precision="f32", threads=2, store=False)
    flip_bytes(own_weights / "sam.onnx")
    with pytest.raises(WeightsError, match=r"sam\.onnx has changed since the model was loaded: its sha256"):
        segmenter.encode(coffee_path)
    assert not (own_weights.parents[1] / "graphs").exists()


@pytest.mark.slow
def test_weights_that_are_touched_or_replaced_by_the_same_are_read(own_weights: Path, coffee_path: Path) -> None:
    segmenter = anymask.load(precision="f32", threads=2, store=False)
    (own_weights / "sam.onnx").touch()
    copy = shutil.copyfile(own_weights / "encoder.onnx", own_weights / "copy")
    copy.replace(own_weights / "encoder.onnx")
    assert segmenter.encode(coffee_path).segment(points=[(290, 215)])[0].area > 1000


def test_weights_that_are_removed_after_a_model_was_loaded_are_named(own_weights: Path, coffee_path: Path) -> None:
    segmenter = anymask.load(precision="f32", threads=2, store=False)
    weights.remove("mobile-sam")
    with pytest.raises(WeightsError, match=r"encoder\.onnx has changed .*: it cannot be read \(No such file"):
        segmenter.encode(coffee_path)


def test_an_export_that_changes_after_it_was_loaded_is_not_run(tmp_path: Path, coffee_path: Path) -> None:
    path = fake_fastsam(tmp_path / "drawn.onnx", [(0.9, (8, 28, 152, 132))])
    weights.add_model("drawn", [path], family="fastsam")
    segmenter = anymask.load("drawn", engine="onnxruntime", threads=1)
    fake_fastsam(path, [(0.9, (8, 28, 152, 102))])
    with pytest.raises(WeightsError, match=r"drawn\.onnx has changed since the model was loaded"):
        segmenter.encode(coffee_path)
