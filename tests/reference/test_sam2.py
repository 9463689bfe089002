"""SAM 2.1: files that the official code saves, against the official code itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from anymask import weights
from anymask.models.sam2.hiera import SHAPES
from anymask.models.sam2.model import stretch
from tests.support.agreement import (
    F32,
    Bounds,
    check_embedding,
    check_logits,
    check_masks,
    check_scores,
    cosine,
    stabilities,
)
from tests.support.relative_prompts import PROMPTS, RelativePrompt, official_arguments

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("two_threads")]

RANDOM_BF16 = Bounds(cosine=0.999, iou=0.98)
"""In bf16, on random weights: masks of noise have much more outline for their area than those of objects."""


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's models out of the user's catalogue and cache."""
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))


def encode(path: Path, pixels: np.ndarray, engine: str = "openvino", precision: str = "f32") -> Any:
    """Encode an image with the model of a file, by way of the user's catalogue."""
    if path.stem not in weights.all_models():
        weights.add_model(path.stem, [path], family="sam2")
    segmenter = anymask.load(path.stem, engine=engine, precision=precision, threads=2, device="cpu", store=False)
    return segmenter.encode(pixels)


def check_predictions(encoded: Any, predictor: Any, bounds: Bounds, prompts: Sequence[RelativePrompt]) -> None:
    """Compare prompts with three masks, and then with one and the first of the three as a mask input.

    The official predictor drops the object score, so its decoder is listened to.
    """
    heard: list[float] = []
    listening = predictor.model.sam_mask_decoder.register_forward_hook(
        lambda _module, _inputs, outputs: heard.append(float(outputs[3]))
    )
    for prompt in prompts:
        arguments = prompt.in_pixels(encoded.size)
        mask_input = None
        for multimask in (True, False):
            given = {**official_arguments(arguments), "mask_input": mask_input, "multimask_output": multimask}
            masks, scores, logits = predictor.predict(**given)
            found = encoded.predict(**arguments, mask_input=mask_input, multimask=multimask)
            check_logits(found.logits, logits, bounds, prompt.name)
            check_scores(found.scores, scores, bounds, prompt.name)
            check_masks(found.masks, masks > 0, stabilities(logits), bounds, prompt.name)
            assert abs(found.object_score - 1 / (1 + np.exp(-heard[-1]))) <= (bounds.score or 0.02), prompt.name
            mask_input = logits[:1]
    listening.remove()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", ["tiny", "base-plus"])
def test_a_checkpoint_gives_the_masks_of_the_official_model(size: str, tmp_path: Path, pixels: np.ndarray) -> None:
    from tests.reference.official_sam2 import predictor_of, random_sam2, save_checkpoint

    model = random_sam2(size)
    predictor = predictor_of(model, pixels)
    path = save_checkpoint(model, tmp_path / "own.pt")
    runs = [("openvino", "f32", F32), ("onnxruntime", "f32", F32), ("openvino", "bf16", RANDOM_BF16)]
    for engine, precision, bounds in runs if size == "tiny" else runs[:1]:
        encoded = encode(path, pixels, engine, precision)
        check_embedding(encoded.embedding, predictor.get_image_embedding().numpy(), bounds)
        finest, finer = (level.numpy()[0] for level in predictor._features["high_res_feats"])
        finer = finer.reshape(64, 64, 2, 64, 2).transpose(1, 3, 2, 4, 0).reshape(4096, 256)
        finest = finest.reshape(32, 64, 2, 2, 64, 2, 2).transpose(1, 4, 2, 5, 3, 6, 0).reshape(4096, 512)
        assert cosine(encoded.tokens[0, :, 256:512], finer) >= bounds.cosine
        assert cosine(encoded.tokens[0, :, 512:], finest) >= bounds.cosine
        check_predictions(encoded, predictor, bounds, PROMPTS if (engine, precision) == runs[0][:2] else PROMPTS[::4])


def test_image_is_resized_as_torchvision_resizes_a_tensor(pixels: np.ndarray) -> None:
    from tests.reference.official_sam2 import sam2

    transforms = import_module(sam2().SAM2Transforms.__module__).SAM2Transforms(1024, 0.0)
    large = np.random.default_rng(0).integers(0, 256, (1500, 2100, 3), np.uint8)
    for each in (pixels, large):
        assert np.abs(stretch(each)[0] - transforms(each).numpy()).max() < 1e-5


def test_safetensors_of_transformers_predict_like_transformers(tmp_path: Path, pixels: np.ndarray) -> None:
    """`Sam2Model` has tiny's shape by default; it is given what the prompts of anymask become."""
    import torch
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(2)
    model = Sam2Model(Sam2Config()).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "pos_embed" in name or "memory" in name or name.endswith("bias"):
                parameter.normal_(std=0.2)
            elif parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
        # Trained weights have the same numbers in both; they are made apart.
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(
            model.shared_image_embedding.positional_embedding
        )
    model.save_pretrained(tmp_path / "saved")
    encoded = encode(tmp_path / "saved" / "model.safetensors", pixels)
    square = torch.from_numpy(stretch(pixels))
    width, height = encoded.size
    with torch.no_grad():
        features = model.get_image_embeddings(square)
        check_embedding(encoded.embedding, features[-1].numpy(), F32)
        click = np.array([[width * 0.5, height * 0.25]])
        box = np.array([width * 0.2, height * 0.3, width * 0.8, height * 0.9])
        scale = 1024 / np.array([width, height])
        for arguments, theirs in (
            ({"points": click}, {"input_points": torch.from_numpy(click * scale)[None, None].float(),
                                 "input_labels": torch.ones(1, 1, 1, dtype=torch.int64)}),
            ({"box": box}, {"input_boxes": torch.from_numpy(box * np.tile(scale, 2))[None, None].float()}),
        ):  # fmt: skip
            for multimask in (True, False):
                expected = model(image_embeddings=features, multimask_output=multimask, **theirs)
                found = encoded.predict(**arguments, multimask=multimask)
                logits = np.clip(expected.pred_masks[0, 0].numpy(), -32, 32)
                check_logits(found.logits, logits, F32, str(arguments))
                check_scores(found.scores, expected.iou_scores[0, 0].numpy(), F32, str(arguments))
                score = 1 / (1 + np.exp(-float(expected.object_score_logits)))
                assert abs(found.object_score - score) < 1e-3


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_other_sizes_load_and_encode(size: str, tmp_path: Path, pixels: np.ndarray) -> None:
    from tests.reference.official_sam2 import random_sam2, save_checkpoint

    encoded = encode(save_checkpoint(random_sam2(size), tmp_path / "own.pt"), pixels)
    assert np.isfinite(encoded.tokens).all()
    assert encoded.predict(points=[(50, 60)]).masks.shape == (3, *pixels.shape[:2])


@pytest.mark.parametrize("size", ["tiny", "small", "base-plus", "large"])
def test_windows_heads_and_global_blocks_are_those_of_the_official_configuration(size: str) -> None:
    from hydra import compose
    from sam2.modeling.backbones.hieradet import Hiera

    from tests.reference.official_sam2 import CONFIGS

    stated = compose(config_name=CONFIGS[size]).model.image_encoder.trunk
    official = {name: each.default for name, each in signature(Hiera).parameters.items()} | dict(stated)
    shape = SHAPES[official["embed_dim"], sum(official["stages"])]
    assert shape.windows == tuple(official["window_spec"])
    assert shape.everywhere == tuple(official["global_att_blocks"])
    assert shape.stages == tuple(official["stages"])
    assert shape.heads == official["num_heads"]
