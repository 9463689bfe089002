"""The library against the official code run now: embeddings, logits, scores and masks, for every kind of prompt."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.errors import EngineError
from tests.support.agreement import (
    BF16,
    F32,
    Bounds,
    check_embedding,
    check_logits,
    check_masks,
    check_scores,
    stabilities,
)
from tests.support.example_images import all_image_paths, example_image_paths
from tests.support.relative_prompts import PROMPTS, RelativePrompt, official_arguments

pytestmark = pytest.mark.reference

RUNS = (
    pytest.param("openvino", "f32", F32, id="openvino-f32"),
    pytest.param("onnxruntime", "f32", F32, id="onnxruntime-f32"),
    pytest.param("openvino", "bf16", BF16, id="openvino-bf16"),
)
IMAGES = [pytest.param(image, id=image.stem) for image in all_image_paths()]


def _image_prompts() -> list[Any]:
    """Every prompt on the example images, every third on the others, whose full-size masks take long."""
    examples = example_image_paths()
    return [
        pytest.param(image, prompt, id=f"{image.stem}-{prompt.name}")
        for image in all_image_paths()
        for prompt in (PROMPTS if image in examples else PROMPTS[::3])
    ]


@pytest.fixture
def pair(encoded_images: Any, official: Any, image: Path, engine: str, precision: str) -> tuple[Any, Any]:
    """This library's encoded and the official predictor, on the same image."""
    try:
        return encoded_images(image, engine, precision), official(image)
    except EngineError as error:
        pytest.skip(f"{engine} cannot run in {precision} on this machine: {error}")


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize(("engine", "precision", "bounds"), RUNS)
def test_embedding(pair: tuple[Any, Any], bounds: Bounds) -> None:
    encoded, predictor = pair
    check_embedding(encoded.embedding, predictor.get_image_embedding().numpy(), bounds)


# The engines vary fastest, so that one set of official answers in the cache below serves all of them.
@pytest.mark.parametrize(("engine", "precision", "bounds"), RUNS)
@pytest.mark.parametrize(("image", "prompt"), _image_prompts())
def test_candidates_and_their_refinement(pair: tuple[Any, Any], bounds: Bounds, prompt: RelativePrompt) -> None:
    encoded, predictor = pair
    for what, more, (masks, scores, logits) in _official_passes(predictor, prompt):
        ours = encoded.predict(**prompt.in_pixels(encoded.size), **more)
        check_scores(ours.scores, scores, bounds, what)
        check_logits(ours.logits, logits, bounds, what)
        check_masks(ours.masks, masks, stabilities(logits), bounds, f"{what} in full size")


@lru_cache(maxsize=1)
def _official_passes(predictor: Any, prompt: RelativePrompt) -> list[tuple[str, dict[str, Any], Any]]:
    """What each pass is, the arguments that `candidates` takes for it, and the official masks, scores, logits."""
    arguments = official_arguments(prompt.in_pixels(predictor.original_size[::-1]))
    several = predictor.predict(**arguments)
    # The same mask goes into both second passes, so that each pass is compared by itself.
    best = several[2][several[1].argmax()][None]
    single = predictor.predict(**arguments, multimask_output=False)
    refined = predictor.predict(**arguments, mask_input=best)
    refined_single = predictor.predict(**arguments, mask_input=best, multimask_output=False)
    return [
        ("three candidates", {}, several),
        ("single", {"multimask": False}, single),
        ("three refined", {"mask_input": best}, refined),
        ("single refined", {"mask_input": best, "multimask": False}, refined_single),
    ]


@pytest.mark.parametrize("image", IMAGES[:1])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_mask_input_without_points_or_box(encoded_images: Any, official: Any, image: Path, engine: str) -> None:
    encoded, predictor = encoded_images(image, engine, "f32"), official(image)
    width, height = encoded.size
    mask = predictor.predict(point_coords=np.array([[width // 2, height // 2]]), point_labels=np.array([1]))[2][:1]
    _, scores, logits = predictor.predict(mask_input=mask)
    ours = encoded.predict(mask_input=mask)
    check_scores(ours.scores, scores, F32, "mask input alone")
    check_logits(ours.logits, logits, F32, "mask input alone")
