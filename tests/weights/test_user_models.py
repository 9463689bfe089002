"""The user's own models: added, used where they lie or copied, refused when changed, removed."""

from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import InputError, ModelError, WeightsError


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "net.onnx"
    path.parent.mkdir()
    path.write_bytes(b"trained at home")
    return path


def test_added_model_is_used_where_it_lies(net: Path) -> None:
    entry = weights.add_model("mine", [net], encoder="tinyvit", weights_licence="MIT", code_licence="MIT")
    assert weights.ensure("mine", allow="mit") == {"net.onnx": net}
    assert weights.find_model("mine") == entry
    assert (entry.family, entry.encoder) == ("sam", "tinyvit")
    assert entry.capabilities == ("points", "boxes", "mask-input", "everything")


def test_changed_file_of_an_added_model_is_refused(net: Path) -> None:
    weights.add_model("mine", [net])
    net.write_bytes(b"trained at work")
    with pytest.raises(WeightsError, match=r"net\.onnx is refused: its sha256 is"):
        weights.ensure("mine")


def test_moved_file_of_an_added_model_is_named(net: Path) -> None:
    weights.add_model("mine", [net])
    net.unlink()
    with pytest.raises(WeightsError) as error:
        weights.ensure("mine")
    assert f"{net} is not there any more" in str(error.value)


def test_copied_model_outlives_the_original_until_it_is_removed(net: Path, tmp_path: Path) -> None:
    weights.add_model("mine", [net], copy=True)
    net.unlink()
    path = weights.ensure("mine")["net.onnx"]
    assert path.read_bytes() == b"trained at home"
    assert path.is_relative_to(tmp_path / "data")
    weights.remove("mine")
    assert not path.exists()
    assert "mine" not in weights.all_models()


def test_removing_leaves_files_that_were_only_referred_to(net: Path) -> None:
    weights.add_model("mine", [net])
    weights.remove("mine")
    assert net.exists()
    with pytest.raises(ModelError, match="unknown model 'mine'"):
        weights.remove("mine")


def test_added_models_do_not_disturb_each_other(net: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" \\ Ünïcode folder' / "net.onnx"
    odd.parent.mkdir()
    odd.write_bytes(b"two")
    weights.add_model("one", [net], description='says "hi"\n\ttwice \\ Ü')
    weights.add_model("two", [odd])
    assert weights.ensure("one") == {"net.onnx": net}
    assert weights.ensure("two") == {"net.onnx": odd}
    assert weights.find_model("one").description == 'says "hi"\n\ttwice \\ Ü'


def test_own_model_travels_in_a_bundle(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.add_model("mine", [net], weights_licence="MIT")
    weights.pull_to("mine", tmp_path / "bundle")
    net.unlink()
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "other data"))
    monkeypatch.setenv("ANYMASK_MODELS", str(tmp_path / "bundle"))
    assert weights.ensure("mine")["net.onnx"].read_bytes() == b"trained at home"
    assert weights.find_model("mine").weights_licence == "MIT"
    weights.remove("mine")
    assert (tmp_path / "bundle" / "mine" / "net.onnx").exists()


def test_wrong_additions_are_refused_with_the_reason(net: Path, tmp_path: Path) -> None:
    twin = tmp_path / "net.onnx"
    twin.write_bytes(b"another")
    empty = tmp_path / "empty.onnx"
    empty.touch()
    built_in = list(weights.all_models())
    weights.add_model("mine", [net])
    for name, paths, reason in [
        ("mobile-sam", [net], "there is a model 'mobile-sam' already"),
        ("mine", [net], "there is a model 'mine' already"),
        ("../mine", [net], "'../mine' is no plain name"),
        ("other", [], "a model needs at least one file"),
        ("other", [net, twin], "two files are called 'net.onnx'"),
        ("other", [empty], "an empty file"),
        ("other", [tmp_path], "no file"),
        ("other", [tmp_path / "gone.onnx"], "cannot be read"),
    ]:
        with pytest.raises(InputError, match=reason):
            weights.add_model(name, paths)
    assert list(weights.all_models()) == [*built_in, "mine"]
