"""The library against the official code run now: embeddings, logits, scores and masks, for every kind of prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import BF16, F32, Bounds, check_embedding, check_logits, check_masks, check_scores, stabilities
from photographs import all_photographs
from relative_prompts import PROMPTS, RelativePrompt, official_arguments

from anymask.errors import EngineError

pytestmark = pytest.mark.reference

RUNS = (
    pytest.param("openvino", "f32", F32, id="openvino-f32"),
    pytest.param("onnxruntime", "f32", F32, id="onnxruntime-f32"),
    pytest.param("openvino", "bf16", BF16, id="openvino-bf16"),
)
PHOTOS = [pytest.param(photo, id=photo.stem) for photo in all_photographs()]


@pytest.fixture
def pair(scenes: Any, official: Any, photo: Path, engine: str, precision: str) -> tuple[Any, Any]:
    """This library's scene and the official predictor, on the same photograph."""
    try:
        return scenes(photo, engine, precision), official(photo)
    except EngineError as error:
        pytest.skip(f"{engine} cannot run in {precision} on this machine: {error}")


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize(("engine", "precision", "bounds"), RUNS)
def test_embedding(pair: tuple[Any, Any], bounds: Bounds) -> None:
    scene, predictor = pair
    check_embedding(scene.embedding, predictor.get_image_embedding().numpy(), bounds)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize(("engine", "precision", "bounds"), RUNS)
def test_candidates_and_their_refinement(pair: tuple[Any, Any], bounds: Bounds, prompt: RelativePrompt) -> None:
    scene, predictor = pair
    arguments = prompt.in_pixels(scene.size)
    theirs_as = official_arguments(arguments)
    several = predictor.predict(**theirs_as)
    # The same mask goes into both second passes, so that each pass is compared by itself.
    best = several[2][several[1].argmax()][None]
    for what, more, theirs in (
        ("three candidates", {}, several),
        ("single", {"multimask": False}, predictor.predict(**theirs_as, multimask_output=False)),
        (
            "refined",
            {"mask_input": best, "multimask": False},
            predictor.predict(**theirs_as, mask_input=best, multimask_output=False),
        ),
        ("three refined", {"mask_input": best}, predictor.predict(**theirs_as, mask_input=best)),
    ):
        ours = scene.candidates(**arguments, **more)
        masks, scores, logits = theirs
        check_scores(ours.scores, scores, bounds, what)
        check_logits(ours.logits, logits, bounds, what)
        check_masks(ours.masks, masks, stabilities(logits), bounds, f"{what} in full size")


@pytest.mark.parametrize("photo", PHOTOS[:1])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_mask_input_without_points_or_box(scenes: Any, official: Any, photo: Path, engine: str) -> None:
    scene, predictor = scenes(photo, engine, "f32"), official(photo)
    width, height = scene.size
    mask = predictor.predict(point_coords=np.array([[width // 2, height // 2]]), point_labels=np.array([1]))[2][:1]
    _, scores, logits = predictor.predict(mask_input=mask)
    ours = scene.candidates(mask_input=mask)
    check_scores(ours.scores, scores, F32, "mask input alone")
    check_logits(ours.logits, logits, F32, "mask input alone")
