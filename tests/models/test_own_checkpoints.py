"""A SAM checkpoint of the user's own, in any format it comes in, from `models add` to a mask."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.cli import main
from anymask.errors import ModelError, WeightsError
from anymask.weights.checkpoints.state_dict import read_state_dict
from tests.support.checkpoint_files import FakeCall, tensor, write_checkpoint, write_state_dict
from tests.support.small_vit import vit_parameters

IN_TRANSFORMERS = {
    r"^image_encoder\.patch_embed\.proj": "vision_encoder.patch_embed.projection",
    r"^image_encoder\.blocks": "vision_encoder.layers",
    r"^image_encoder\.neck\.0": "vision_encoder.neck.conv1",
    r"^image_encoder\.neck\.1": "vision_encoder.neck.layer_norm1",
    r"^image_encoder\.neck\.2": "vision_encoder.neck.conv2",
    r"^image_encoder\.neck\.3": "vision_encoder.neck.layer_norm2",
    r"^image_encoder": "vision_encoder",
    r"\.norm": ".layer_norm",
    r"mask_downscaling\.0": "mask_embed.conv1",
    r"mask_downscaling\.1": "mask_embed.layer_norm1",
    r"mask_downscaling\.3": "mask_embed.conv2",
    r"mask_downscaling\.4": "mask_embed.layer_norm2",
    r"mask_downscaling\.6": "mask_embed.conv3",
    r"point_embeddings": "point_embed",
    r"^prompt_encoder\.pe_layer.*": "shared_image_embedding.positional_embedding",
    r"output_upscaling\.0": "upscale_conv1",
    r"output_upscaling\.1": "upscale_layer_norm",
    r"output_upscaling\.3": "upscale_conv2",
    r"((?:iou_prediction_head|mlps\.\d))\.layers\.0": r"\1.proj_in",
    r"((?:iou_prediction_head|mlps\.\d))\.layers\.1": r"\1.layers.0",
    r"((?:iou_prediction_head|mlps\.\d))\.layers\.2": r"\1.proj_out",
}
"""What transformers calls the parameters, applied in this order."""


@pytest.fixture(scope="module")
def mobile_sam_files() -> dict[str, Path]:
    return weights.ensure("mobile-sam")


@pytest.fixture(scope="module")
def parameters(mobile_sam_files: dict[str, Path]) -> dict[str, np.ndarray]:
    """A small ViT of random numbers before the default model's decoder."""
    decoder = read_state_dict(mobile_sam_files.values())
    return vit_parameters(blocks=2, everywhere=(1,)) | {
        name: array for name, array in decoder.items() if not name.startswith("image_encoder.")
    }


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)


def embedding_of(files: list[Path], pixels: np.ndarray, engine: str = "onnxruntime") -> np.ndarray:
    weights.add_model("mine", files)
    try:
        encoded = anymask.load("mine", engine=engine, precision="f32", device="cpu", threads=2).encode(pixels)
    finally:
        weights.remove("mine")
    mask = encoded.segment(points=[(80, 60)])[0]
    assert mask.array.shape == (120, 160)
    return encoded.embedding


def transformers_name(name: str) -> str:
    for pattern, replacement in IN_TRANSFORMERS.items():
        name = re.sub(pattern, replacement, name)
    return name


@pytest.mark.slow
def test_every_format_gives_the_same_scene(
    parameters: dict[str, np.ndarray], tmp_path: Path, pixels: np.ndarray
) -> None:
    expected = embedding_of([write_state_dict(tmp_path / "official.pth", parameters)], pixels)
    trained = {"model": {f"module.{name}": tensor(array) for name, array in parameters.items()}, "epoch": 7}
    save_file(parameters, tmp_path / "official.safetensors")
    save_file({transformers_name(name): array for name, array in parameters.items()}, tmp_path / "model.safetensors")
    halves = {part: tmp_path / f"{part}.safetensors" for part in ("image_encoder", "rest")}
    save_file({n: a for n, a in parameters.items() if n.startswith("image_encoder")}, halves["image_encoder"])
    save_file({n: a for n, a in parameters.items() if not n.startswith("image_encoder")}, halves["rest"])
    for files in (
        [write_checkpoint(tmp_path / "trained.pt", trained)],
        [tmp_path / "official.safetensors"],
        [tmp_path / "model.safetensors"],
        [*halves.values()],
    ):
        assert np.array_equal(embedding_of(files, pixels), expected), files
    assert np.abs(embedding_of([tmp_path / "official.pth"], pixels, "openvino") - expected).max() < 1e-3


@pytest.mark.slow
def test_half_precision_checkpoint_is_close(
    parameters: dict[str, np.ndarray], tmp_path: Path, pixels: np.ndarray
) -> None:
    expected = embedding_of([write_state_dict(tmp_path / "full.pth", parameters)], pixels)
    halved = {name: array.astype(np.float16) for name, array in parameters.items()}
    found = embedding_of([write_state_dict(tmp_path / "half.pth", halved)], pixels)
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.slow
def test_own_onnx_files_give_the_embedding_of_the_default_model(
    mobile_sam_files: dict[str, Path], pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANYMASK_MODELS", str(bundle_of(mobile_sam_files, tmp_path)))
    default = anymask.load("mobile-sam", engine="onnxruntime", device="cpu", threads=2).encode(pixels)
    assert np.array_equal(embedding_of(list(mobile_sam_files.values()), pixels), default.embedding)


def bundle_of(files: dict[str, Path], folder: Path) -> Path:
    bundle = folder / "bundle"
    (bundle / "mobile-sam").mkdir(parents=True)
    for name, path in files.items():
        (bundle / "mobile-sam" / name).symlink_to(path)
    return bundle


@pytest.mark.slow
def test_another_file_at_the_same_place_is_another_model(
    parameters: dict[str, np.ndarray], tmp_path: Path, pixels: np.ndarray
) -> None:
    path = tmp_path / "mine.pth"
    first = embedding_of([write_state_dict(path, parameters)], pixels)
    changed = parameters | {"image_encoder.pos_embed": -parameters["image_encoder.pos_embed"]}
    assert not np.allclose(embedding_of([write_state_dict(path, changed)], pixels), first)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"drop": "mask_decoder."}, ModelError, "has no parameter 'mask_decoder.mask_tokens.weight'"),
        ({"drop": "prompt_encoder."}, ModelError, "has no parameter 'prompt_encoder.pe_layer"),
        ({"drop": "image_encoder."}, ModelError, "no image encoder that this version supports"),
        (
            {"add": "mask_decoder.extra_token.weight"},
            ModelError,
            "has parameters that SAM does not have: mask_decoder.extra_token.weight",
        ),
        ({"add": "image_encoder.blocks.0.Adapter.fc.weight"}, ModelError, "has parameters that SAM does not have"),
        (
            {"cut": "mask_decoder.mask_tokens.weight"},
            ModelError,
            "has another shape than SAM: mask_decoder.mask_tokens",
        ),
        ({"code": True}, WeightsError, "asks for shutil.rmtree"),
    ],
)
def test_checkpoints_that_are_not_sam_are_one_clear_line(
    parameters: dict[str, np.ndarray], tmp_path: Path, change: dict[str, Any], error: type, words: str
) -> None:
    content = {name: array for name, array in parameters.items() if not name.startswith(change.get("drop", "-"))}
    if "add" in change:
        content[change["add"]] = np.ones((3, 3), np.float32)
    if "cut" in change:
        content[change["cut"]] = content[change["cut"]][:3]
    tensors: dict[str, object] = {name: tensor(array) for name, array in content.items()}
    if "code" in change:
        tensors["x"] = FakeCall("shutil", "rmtree", ("/nowhere",))
    weights.add_model("mine", [write_checkpoint(tmp_path / "mine.pth", tensors)])
    with pytest.raises(error, match=words) as raised:
        anymask.load("mine")
    assert "mine.pth" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["mask_decoder.iou_token.weight", "image_encoder.blocks.1.norm2.bias"])
def test_one_missing_parameter_is_named(
    parameters: dict[str, np.ndarray], tmp_path: Path, pixels: np.ndarray, name: str
) -> None:
    content = {each: array for each, array in parameters.items() if each != name}
    with pytest.raises(ModelError, match=f"mine.pth is not the whole of a SAM model: it has no parameter '{name}'"):
        embedding_of([write_state_dict(tmp_path / "mine.pth", content)], pixels)


def test_files_of_no_known_kind_are_one_clear_line(tmp_path: Path, pixels: np.ndarray) -> None:
    for name, words in (("mine.tflite", "no model file that SAM comes in"), ("mine.onnx", "no ONNX model")):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises((ModelError, WeightsError), match=words) as raised:
            embedding_of([tmp_path / name], pixels)
        assert "\n" not in str(raised.value)


def test_from_the_command_line(
    parameters: dict[str, np.ndarray], tmp_path: Path, chelsea_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_state_dict(tmp_path / "mine.pth", parameters)
    assert main(["models", "add", "mine", str(path), "--licence", "MIT", "--quiet"]) == 0
    asked = ["segment", str(chelsea_path), "--model", "mine", "--point", "200,150", "--out", str(tmp_path / "out")]
    assert main([*asked, "--allow", "mit", "--device", "cpu"]) == 0
    assert "on cpu" in capsys.readouterr().out
    assert (tmp_path / "out" / "mask_000.png").is_file()
    assert main([*asked, "--allow", "apache-2.0"]) == 1
