"""HQ-SAM, EdgeSAM and EfficientViT-SAM: files that the official code saves, against the official code itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from anymask import weights
from tests.support.agreement import BF16, F32, check_embedding, check_logits, check_masks, check_scores, stabilities
from tests.support.relative_prompts import PROMPTS, official_arguments

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("two_threads"), pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's models out of the user's catalogue and cache."""
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))


def encode(path: Path, pixels: np.ndarray, engine: str, precision: str) -> Any:
    """Encode an image with the model of a file, by way of the user's catalogue."""
    if path.stem not in weights.all_models():
        weights.add_model(path.stem, [path])
    return anymask.load(path.stem, engine=engine, precision=precision, threads=2, device="cpu", store=False).encode(
        pixels
    )


@pytest.mark.parametrize(
    "family", ["hq_vit_b", "light_hq", "edge_sam", "efficientvit_sam_l0", "efficientvit_sam_l1", "efficientvit_sam_xl0"]
)
def test_a_checkpoint_gives_the_masks_of_the_official_model(family: str, tmp_path: Path, pixels: np.ndarray) -> None:
    from tests.reference import official_families
    from tests.reference.official_families import predictor_of, with_random_weights
    from tests.reference.official_vit import save_checkpoint

    model = with_random_weights(getattr(official_families, family))
    predictor = predictor_of(model, pixels)
    path = save_checkpoint(model, tmp_path / "own.pt")
    size = (pixels.shape[1], pixels.shape[0])
    cases = list(official_cases(family, predictor, size))
    is_small = family in ("light_hq", "edge_sam", "efficientvit_sam_l0")
    for engine in ("openvino", "onnxruntime") if is_small else ("openvino",):
        encoded = encode(path, pixels, engine, "f32")
        check_embedding(encoded.embedding, predictor.features.numpy(), F32)
        for name, arguments, (masks, scores, logits) in cases:
            ours = encoded.predict(**arguments)
            same = [int(np.argmax(ours.scores))] if len(scores) < len(ours.scores) else slice(None)
            check_logits(ours.logits[same], logits, F32, name)
            check_scores(ours.scores[same], scores, F32, name)
            check_masks(ours.masks[same], masks, stabilities(logits), F32, name)
    if is_small:  # of the masks nothing is promised: those of random weights are noise, nearly all of it outline
        check_embedding(encode(path, pixels, "openvino", "bf16").embedding, predictor.features.numpy(), BF16)


def official_cases(family: str, predictor: Any, size: tuple[int, int]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Name, arguments of `predict` and the official masks, scores and logits, with three masks and then with one.

    The second takes the first mask of the first as its mask input.
    """
    for prompt in PROMPTS:
        arguments = prompt.in_pixels(size)
        mask_input = None
        for multimask in (True, False):
            result = predict(family, predictor, official_arguments(arguments), mask_input, multimask)
            yield prompt.name, {**arguments, "mask_input": mask_input, "multimask": multimask}, result
            mask_input = result[2][:1]


def predict(family: str, predictor: Any, arguments: Any, mask_input: Any, multimask: bool) -> Any:
    """Masks, scores and logits of the official predictor; HQ-SAM's returns the best of the three."""
    if family == "edge_sam":
        count = 3 if multimask else 1
        return predictor.predict(**arguments, mask_input=mask_input, num_multimask_outputs=count)
    return predictor.predict(**arguments, mask_input=mask_input, multimask_output=multimask)
