"""HQ-SAM, EdgeSAM and EfficientViT-SAM: small networks under the default model's decoder, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.errors import ModelError
from anymask.weights.checkpoints.state_dict import read_state_dict
from tests.support.small_encoders import efficientvit_parameters, high_quality_parameters, repvit_parameters

POINT = {"points": [(60, 70)]}


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def mobile_sam() -> dict[str, np.ndarray]:
    return dict(read_state_dict(weights.ensure("mobile-sam").values()))


@pytest.fixture
def decoder(mobile_sam: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in mobile_sam.items() if not name.startswith("image_encoder.")}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (120, 200, 3), np.uint8)


def encode(
    parameters: dict[str, np.ndarray], path: Path, pixels: np.ndarray, engine: str = "openvino"
) -> anymask.EncodedImage:
    if not path.exists():
        save_file({name: np.ascontiguousarray(array) for name, array in parameters.items()}, path)
        weights.add_model(path.stem, [path])
    return anymask.load(path.stem, engine=engine, precision="f32", threads=2, device="cpu", store=False).encode(pixels)


@pytest.mark.slow
@pytest.mark.parametrize("make", [repvit_parameters, efficientvit_parameters])
def test_both_engines_give_the_same_masks(make, decoder, tmp_path: Path, pixels: np.ndarray) -> None:
    parameters = decoder | make()
    first, second = (encode(parameters, tmp_path / "own.safetensors", pixels, e) for e in ("openvino", "onnxruntime"))
    assert first.embedding.shape == (1, 256, 64, 64)
    assert np.abs(first.embedding - second.embedding).max() < 1e-2
    ours, theirs = first.predict(**POINT), second.predict(**POINT)
    assert np.abs(ours.logits - theirs.logits).max() < 0.1
    assert len(first.everything(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0)) > 0


@pytest.mark.slow
def test_high_quality_mask_is_added_to_each_mask(mobile_sam, tmp_path: Path, pixels: np.ndarray) -> None:
    plain = encode(mobile_sam, tmp_path / "plain.safetensors", pixels)
    light = encode(mobile_sam | high_quality_parameters(160), tmp_path / "light.safetensors", pixels)
    assert np.abs(light.embedding - plain.embedding).max() < 1e-4
    for prompt in (POINT, {"box": (20, 20, 150, 100)}, {**POINT, "mask_input": plain.predict(**POINT).logits[:1]}):
        without, added = plain.predict(**prompt), light.predict(**prompt)
        difference = added.logits - without.logits
        assert np.abs(difference[0]).mean() > 0.1
        others = np.abs(difference - difference[:1])  # the added token changes the other masks a little
        assert others.mean() < 0.2 * np.abs(difference[0]).mean()
    assert len(light.everything(points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.0)) > 0


def test_checkpoint_with_other_parts_is_refused(decoder, tmp_path: Path) -> None:
    for name in ("image_encoder.features.1.adapter.weight", "mask_decoder.hf_token.bias"):
        path = tmp_path / f"{name}.safetensors"
        save_file(decoder | repvit_parameters() | {name: np.zeros(3, np.float32)}, path)
        weights.add_model("own", [path])
        with pytest.raises(ModelError, match="parameters that SAM does not have: " + name):
            anymask.load("own")
        weights.remove("own")


def test_repvit_of_another_kind_is_refused(decoder, tmp_path: Path, pixels: np.ndarray) -> None:
    parameters = {name: array for name, array in repvit_parameters().items() if "fuse_stage" not in name}
    with pytest.raises(ModelError, match="third and fourth stage"):
        encode(decoder | parameters, tmp_path / "own.safetensors", pixels)
