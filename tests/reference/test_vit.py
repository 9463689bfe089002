"""SAM's own checkpoints: files that the official code saves, against the official code itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from anymask import weights
from anymask.errors import WeightsError
from anymask.models.sam.shapes import encoder_shapes
from anymask.weights.checkpoints.state_dict import read_state_dict
from tests.support.agreement import BF16, F32, Bounds, check_embedding, check_logits, check_scores
from tests.support.model_files import encoder_and_decoder
from tests.support.relative_prompts import PROMPTS, official_arguments

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("two_threads")]

VERY_SMALL = {
    "encoder_embed_dim": 32,
    "encoder_depth": 3,
    "encoder_num_heads": 2,
    "encoder_global_attn_indexes": [1],
}


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's models out of the user's catalogue and cache."""
    bundle = tmp_path / "bundle" / "mobile-sam"
    bundle.mkdir(parents=True)
    for file in encoder_and_decoder():
        (bundle / file.name).symlink_to(file)
    monkeypatch.setenv("ANYMASK_MODELS", str(bundle.parent))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))


def added(path: Path, engine: str = "openvino", precision: str = "f32") -> anymask.Segmenter:
    """A segmenter of a file, by way of the user's catalogue."""
    weights.add_model(path.stem, [path], weights_licence="Apache-2.0")
    return anymask.load(path.stem, engine=engine, precision=precision, threads=2, device="cpu", store=False)


def check_encoded_image(encoded: Any, predictor: Any, bounds: Bounds) -> None:
    """Compare the embedding, then every kind of prompt."""
    check_embedding(encoded.embedding, predictor.get_image_embedding().numpy(), bounds)
    for prompt in PROMPTS:
        arguments = prompt.in_pixels(encoded.size)
        for multimask in (True, False):
            _, scores, logits = predictor.predict(**official_arguments(arguments), multimask_output=multimask)
            found = encoded.predict(**arguments, multimask=multimask)
            check_logits(found.logits, logits, bounds, prompt.name)
            check_scores(found.scores, scores, bounds, prompt.name)


def test_a_vit_b_checkpoint_gives_the_masks_of_the_official_model(tmp_path: Path, pixels: np.ndarray) -> None:
    from tests.reference.official_vit import VIT_B, predictor_of, random_sam, save_checkpoint

    model = random_sam(VIT_B)
    encoded = added(save_checkpoint(model, tmp_path / "vit_b.pth")).encode(pixels)
    check_encoded_image(encoded, predictor_of(model, pixels), F32)


LOAD = """
import sys, threading
from pathlib import Path
from anymask.engines.loading import load_engine
from anymask.models.base import load_model

def private():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])

def watch():
    while not done.wait(0.01):
        peaks.append(private())

checkpoint, engine = Path(sys.argv[1]), load_engine(sys.argv[2], precision="f32", threads=2, device="cpu")
peaks, done = [private()], threading.Event()
watching = threading.Thread(target=watch)
watching.start()
load_model("sam", {checkpoint.name: checkpoint}, "measured", engine)._graph("encoder")
done.set()
watching.join()
print(max(peaks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_takes_less_than_twice_the_checkpoint(tmp_path: Path) -> None:
    """Private memory of the whole process, Python and the engine's library too; the file is mapped, not read."""
    from tests.reference.official_vit import VIT_B, random_sam, save_checkpoint

    checkpoint = save_checkpoint(random_sam(VIT_B), tmp_path / "vit_b.pth")
    command = [sys.executable, "-c", LOAD, str(checkpoint), "openvino"]
    measured = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert int(measured.stdout) < 2 * checkpoint.stat().st_size


def test_depth_and_heads_of_vit_l_give_the_masks_of_the_official_model(tmp_path: Path, pixels: np.ndarray) -> None:
    from tests.reference.official_vit import LIKE_VIT_L, predictor_of, random_sam, save_checkpoint

    model = random_sam(LIKE_VIT_L, seed=1)
    predictor = predictor_of(model, pixels)
    first = added(save_checkpoint(model, tmp_path / "vit_l.pth"))
    check_encoded_image(first.encode(pixels), predictor, F32)
    expected = predictor.get_image_embedding().numpy()
    for engine, precision, bounds in (("onnxruntime", "f32", F32), ("openvino", "auto", BF16)):
        segmenter = anymask.load("vit_l", engine=engine, precision=precision, threads=2, device="cpu", store=False)
        check_embedding(segmenter.encode(pixels).embedding, expected, bounds)


SLIM_SAM_77 = {"hidden_size": 168, "mlp_dim": 696}
"""Where SlimSAM differs from ViT-B, as transformers converts it."""


@pytest.mark.parametrize(
    "shape",
    [
        {
            "hidden_size": 32,
            "mlp_dim": 80,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "global_attn_indexes": [1, 3],
        },
        SLIM_SAM_77,
    ],
    ids=["small", "SlimSAM"],
)
def test_safetensors_of_transformers_embed_like_transformers(shape: dict[str, Any], tmp_path: Path) -> None:
    import torch
    from transformers import SamConfig, SamModel, SamVisionConfig

    torch.manual_seed(2)
    model = SamModel(SamConfig(vision_config=SamVisionConfig(**shape))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                parameter.normal_(std=0.2)
    model.save_pretrained(tmp_path / "saved")
    square = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    encoded = added(tmp_path / "saved" / "model.safetensors").encode(square)
    normalised = (square - np.float32([123.675, 116.28, 103.53])) / np.float32([58.395, 57.12, 57.375])
    with torch.no_grad():
        expected = model.get_image_embeddings(torch.from_numpy(normalised.transpose(2, 0, 1)[None].copy()))
    assert np.abs(encoded.embedding - expected.numpy()).max() < 1e-3
    if shape is SLIM_SAM_77:
        saved = {
            name: array.shape for name, array in read_state_dict([tmp_path / "saved" / "model.safetensors"]).items()
        }
        assert encoder_shapes("slimsam-77").items() <= saved.items()
    point = torch.tensor([[[[512.0, 512.0]]]])
    with torch.no_grad():
        theirs = model(image_embeddings=expected, input_points=point, multimask_output=True)
    ours = encoded.predict(points=[(512, 512)])
    check_logits(ours.logits, theirs.pred_masks[0, 0].numpy(), F32, "click")
    check_scores(ours.scores, theirs.iou_scores[0, 0].numpy(), F32, "click")
    assert encoded.segment(points=[(512, 512)])[0].array.shape == (1024, 1024)


def test_mobile_sams_own_checkpoint_is_the_default_model(
    official_model: Any, tmp_path: Path, pixels: np.ndarray
) -> None:
    from tests.reference.official_vit import save_checkpoint

    encoded = added(save_checkpoint(official_model, tmp_path / "mobile_sam.pt")).encode(pixels)
    default = anymask.load("mobile-sam", engine="openvino", precision="f32", threads=2, store=False).encode(pixels)
    assert np.abs(encoded.embedding - default.embedding).max() < 1e-3
    point = {"points": [(pixels.shape[1] // 2, pixels.shape[0] // 2)]}
    assert np.abs(encoded.predict(**point).logits - default.predict(**point).logits).max() < F32.logits


@pytest.mark.filterwarnings("ignore")  # the exporter warns of what it traces
def test_an_export_of_a_vit_encoder_gives_all_its_parameters_back(tmp_path: Path) -> None:
    import torch

    from tests.reference.official_vit import random_sam

    encoder = random_sam(VERY_SMALL, seed=3).image_encoder
    path = tmp_path / "encoder.onnx"
    torch.onnx.export(encoder, (torch.zeros(1, 3, 1024, 1024),), str(path), dynamo=False, opset_version=17)
    expected = {f"image_encoder.{name}": array.numpy() for name, array in encoder.state_dict().items()}
    found = read_state_dict([path])
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


def test_what_torch_saves_in_other_ways_is_refused_with_the_remedy(official_model: Any, tmp_path: Path) -> None:
    import torch

    old, whole = tmp_path / "old.pth", tmp_path / "whole.pth"
    torch.save(official_model.state_dict(), old, _use_new_zipfile_serialization=False)
    torch.save(official_model, whole)
    with pytest.raises(WeightsError, match=r"before PyTorch 1\.6"):
        added(old)
    with pytest.raises(WeightsError, match=r"asks for \S*Sam, .* save the model's state_dict\(\) alone"):
        added(whole)
