"""The names that people type, checkpoints named by their path, weights of other programs, and a mirror of the hub."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.cli import main
from anymask.errors import InputError, ModelError
from anymask.weights import catalogue
from anymask.weights.model_entry import ModelEntry, Source, WeightFile
from anymask.weights.sources.https import mirrored
from tests.support.loopback_server import LoopbackServer
from tests.support.small_hiera import sam2_parameters
from tests.support.small_models import RecordedProgress, SmallModel, noise


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("vit_b", "sam-vit-b"),
        ("ViT_B", "sam-vit-b"),
        ("sam_b.pt", "sam-vit-b"),
        ("facebook/sam-vit-base", "sam-vit-b"),
        ("sam_vit_h_4b8939.pth", "sam-vit-h"),
        ("facebook/sam-vit-huge", "sam-vit-h"),
        ("sam_l.pt", "sam-vit-l"),
        ("mobile_sam.pt", "mobile-sam"),
        ("vit_t", "mobile-sam"),
        ("sam2.1_t.pt", "sam2.1-tiny"),
        ("sam2.1_hiera_large.pt", "sam2.1-large"),
        ("sam2.1_b.pt", "sam2.1-base-plus"),
    ],
)
def test_names_of_other_programs_mean_our_models(name: str, model: str) -> None:
    assert weights.find_model(name).name == model


def test_no_two_models_have_one_name() -> None:
    names = [name for entry in weights.all_models().values() for name in (entry.name, *entry.aliases)]
    assert sorted(names) == sorted(set(names))
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("name", ["FastSAM-s.pt", "fastsam-s", "FastSAM_s"])
def test_fastsam_says_what_to_do_about_its_checkpoint(name: str) -> None:
    with pytest.raises(
        ModelError, match=r"yolo export model=FastSAM-s\.pt format=onnx .* 'anymask models add fastsam-s"
    ):
        anymask.load(name)


def test_file_of_fastsam_says_what_to_do_about_it(tmp_path: Path) -> None:
    (tmp_path / "FastSAM-s.pt").write_bytes(b"PK\x03\x04 a checkpoint that wants ultralytics")
    with pytest.raises(
        ModelError, match=r"of ultralytics: if it is a FastSAM, run 'yolo export .* and load FastSAM-s\.onnx"
    ):
        anymask.load(tmp_path / "FastSAM-s.pt")


def test_checkpoint_is_loaded_by_its_path(
    tmp_path: Path, mobile_sam: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from anymask.weights.checkpoints.state_dict import read_state_dict

    parameters = read_state_dict(mobile_sam.values())
    save_file(
        {name: np.ascontiguousarray(array) for name, array in parameters.items() if "::" not in name},
        str(tmp_path / "fine tuned.safetensors"),
    )
    monkeypatch.chdir(tmp_path)
    segmenter = anymask.load("fine tuned.safetensors", precision="f32", store=False)
    assert segmenter.network.name == "sam"
    assert segmenter.model == str((tmp_path / "fine tuned.safetensors").resolve())
    assert weights.find_model(segmenter.model).capabilities == ("points", "boxes", "mask-input", "everything")
    assert not list((tmp_path / "cache").glob("models/*"))
    with pytest.raises(anymask.AnymaskError, match="its weights are under unknown"):
        anymask.load(tmp_path / "fine tuned.safetensors", allow="apache-2.0")


def test_checkpoint_of_sam2_is_recognised_by_its_parameters(tmp_path: Path) -> None:
    save_file(sam2_parameters(), str(tmp_path / "mine.safetensors"))
    assert weights.find_model(str(tmp_path / "mine.safetensors")).family == "sam2"


def test_file_of_the_catalogue_keeps_its_name_and_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = noise(5000, 3)
    file = WeightFile("sam_vit_b_01ec64.pth", hashlib.sha256(content).hexdigest(), len(content))
    known = ModelEntry("sam-vit-b", "sam", (file,), (Source("https", {file.name: "https://example.org/x"}),),
                       weights_licence="Apache-2.0")  # fmt: skip
    monkeypatch.setattr(catalogue, "built_in_models", lambda: {"sam-vit-b": known})
    (tmp_path / "downloaded.pth").write_bytes(content)
    entry = weights.find_model(str(tmp_path / "downloaded.pth"))
    assert (entry.name, entry.weights_licence) == ("sam-vit-b", "Apache-2.0")
    assert weights.ensure(entry) == {"sam_vit_b_01ec64.pth": tmp_path / "downloaded.pth"}


def test_path_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"there is no file no/such\.pth, and no model of that name"):
        weights.find_model("no/such.pth")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("weights", "weights is a folder: name the file of the checkpoint in it"),
        ("weights.pth", "weights.pth is a folder: name the file"),
        ("https://example.org/sam.pth", "is a URL: download the file and give its path"),
        ("SAM-H", "unknown model 'SAM-H'; did you mean sam-vit-h?"),
        ("sam_vit_hh.pth", "there is no file sam_vit_hh.pth, and no model of that name; did you mean sam-vit-h?"),
        ("page.pth", "page.pth is no PyTorch checkpoint: it is no zip archive; was it downloaded whole?"),
        ("cut.safetensors", "cut.safetensors is no safetensors file, or a damaged one"),
        ("bert.safetensors", "bert.safetensors is no checkpoint of SAM or SAM 2: it has no image encoder"),
        ("yolo.pt", "yolo.pt is a checkpoint of ultralytics: if it is a FastSAM, run 'yolo export model=yolo.pt"),
    ],
)
def test_what_cannot_be_a_model_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("weights", "weights.pth"):
        Path(folder).mkdir()
    Path("page.pth").write_text("<html>not found</html>")
    save_file({"bert.embeddings": np.zeros((10, 4), np.float32)}, "bert.safetensors")
    Path("cut.safetensors").write_bytes(Path("bert.safetensors").read_bytes()[:40])
    with zipfile.ZipFile("yolo.pt", "w") as file:  # the pickle of an object of their class, as torch.save writes it
        file.writestr("yolo/data.pkl", b"\x80\x02cultralytics.nn.tasks\nDetectionModel\n)\x81.")
        file.writestr("yolo/version", "3\n")
    Image.new("RGB", (8, 8)).save("image.png")
    assert main(["segment", "image.png", "--point", "4,4", "--model", name, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def place(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME", "YOLO_CONFIG_DIR", "COMFYUI_PATH"):
        monkeypatch.delenv(name, raising=False)
    return home


def places_of(home: Path) -> dict[str, Path]:
    return {
        "hugging face": home / ".cache/huggingface/hub/models--a--b/blobs/5e1f",
        "torch hub": home / ".cache/torch/hub/checkpoints/net.pth",
        "osam": home / ".cache/osam/models/blobs/sha256:5e1f",
        "comfyui": home / "ComfyUI/models/sams/net.pth",
        "ultralytics": home / "weights/net.pt",
    }


@pytest.mark.parametrize("program", places_of(Path()))
def test_weights_of_other_programs_are_linked_and_never_copied(
    program: str, home: Path, small_model: SmallModel, server: LoopbackServer
) -> None:
    settings = home / ".config/Ultralytics/settings.json"
    place(settings, json.dumps({"weights_dir": str(home / "weights")}).encode())
    theirs = place(places_of(home)[program], small_model.content["encoder.onnx"])
    place(theirs.with_name("other"), noise(300_000, 9))
    assert main(["models", "find", "--quiet"]) == 0
    ours = small_model.cached("encoder.onnx")
    assert ours.is_symlink()
    assert ours.resolve() == theirs.resolve()
    assert weights.ensure("small")["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]
    assert "/encoder.onnx" not in server.requests


def test_variables_move_the_folders(home: Path, tmp_path: Path, small_model: SmallModel, monkeypatch) -> None:
    for variable, path in {"HF_HOME": "hub/x/blobs/1", "TORCH_HOME": "hub/checkpoints/1"}.items():
        monkeypatch.setenv(variable, str(tmp_path / variable))
        place(tmp_path / variable / path, small_model.content["decoder.onnx"])
    search = weights.link_found_files([weights.find_model("small")], weights.known_folders())
    assert [(each.file, each.linked) for each in search.found] == [("decoder.onnx", True), ("decoder.onnx", False)]


def test_link_to_a_file_that_changed_is_replaced_and_the_file_stays(
    home: Path, tmp_path: Path, small_model: SmallModel, progress: RecordedProgress, capsys
) -> None:
    theirs = place(tmp_path / "theirs" / "net", small_model.content["encoder.onnx"])
    assert main(["models", "find", str(theirs.parent), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in report["found"]] == [str(theirs)]
    theirs.write_bytes(noise(300_000, 5))
    paths = weights.ensure("small", progress=progress)
    assert paths["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]
    assert not paths["encoder.onnx"].is_symlink()
    assert theirs.read_bytes() == noise(300_000, 5)


def test_removing_a_model_removes_the_link_only(home: Path, tmp_path: Path, small_model: SmallModel) -> None:
    theirs = place(tmp_path / "theirs" / "net", small_model.content["encoder.onnx"])
    weights.link_found_files([weights.find_model("small")], [theirs.parent])
    assert weights.remove("small") < 1000
    assert theirs.exists()
    assert small_model.left_behind() == []


def test_mirror_of_the_hub_is_used_for_its_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert mirrored("https://huggingface.co/a/b/resolve/main/c.pt") == "https://mirror.example/a/b/resolve/main/c.pt"
    assert mirrored("https://huggingface.community/x") == "https://huggingface.community/x"
    assert mirrored("https://example.org/x") == "https://example.org/x"
    monkeypatch.setenv("HF_ENDPOINT", "ftp://mirror")
    with pytest.raises(Exception, match="HF_ENDPOINT: 'ftp://mirror' is no https:// address"):
        mirrored("https://huggingface.co/x")


def test_fetch_takes_a_file_of_the_hub_from_the_mirror(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.small_models import add_to_catalogue, toml_model

    content = {"net.onnx": noise(20_000, 4)}
    hub = [{"kind": "https", "files": {"net.onnx": "https://huggingface.co/a/b/resolve/main/net.onnx"}}]
    add_to_catalogue(tmp_path, toml_model("hub", content, hub))
    server.content["/a/b/resolve/main/net.onnx"] = content["net.onnx"]
    monkeypatch.setenv("HF_ENDPOINT", server.url(""))
    assert weights.ensure("hub")["net.onnx"].read_bytes() == content["net.onnx"]


def test_added_model_of_that_name_is_used_by_the_name_of_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "FastSAM-s.onnx").write_bytes(b"x")
    weights.add_model("fastsam-s", [tmp_path / "FastSAM-s.onnx"], family="fastsam")
    assert weights.find_model("FastSAM-s.pt").name == "fastsam-s"
    with pytest.raises(InputError):
        weights.find_model("FastSAM-xx.pt")
