"""The library against stored masks of the official PyTorch code: exactness without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from anymask.errors import EngineError, PromptError
from tests.support import repository_references
from tests.support.agreement import (
    BF16,
    F32,
    F32_AGAINST_FLOAT16,
    INT8,
    Bounds,
    check_embedding,
    check_logits,
    check_masks,
    check_scores,
)
from tests.support.example_images import BESIDE, example_image_paths, read_pixels
from tests.support.relative_prompts import PROMPTS
from tests.support.stored_references import StoredReference, stored_references

F32_RUNS = (("openvino", "f32", F32), ("onnxruntime", "f32", F32))
PROMPTS_BY_NAME = {prompt.name: prompt for prompt in PROMPTS}


@cache
def segmenter(engine: str, precision: str) -> Any:
    try:
        return anymask.load("mobile-sam", engine=engine, precision=precision, threads=2, store=False)
    except EngineError as error:
        pytest.skip(f"{engine} cannot run in {precision} on this machine: {error}")


@cache
def encoded(image: Path, engine: str, precision: str) -> Any:
    return segmenter(engine, precision).encode(read_pixels(image))


@cache
def references_on(image: Path) -> repository_references.ImageReference:
    return repository_references.read(image)


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    """Five models and their images hold 3.5 GB."""
    yield
    encoded.cache_clear()
    segmenter.cache_clear()


def test_every_example_image_has_reference_masks() -> None:
    assert repository_references.image_paths() == example_image_paths() != []


@pytest.mark.parametrize("image", example_image_paths(), ids=lambda image: image.name)
@pytest.mark.parametrize(("engine", "precision", "bounds"), F32_RUNS)
class TestReferencesInTheRepository:
    def test_embedding(self, image: Path, engine: str, precision: str, bounds: Bounds) -> None:
        """T1: an embedding of the right shape and the wrong numbers.

        https://github.com/wkentaro/osam/issues/87
        """
        ours = encoded(image, engine, precision).embedding
        check_embedding(ours[repository_references.STORED_EMBEDDING], references_on(image).embedding, bounds)

    @pytest.mark.parametrize("name", repository_references.PROMPT_NAMES)
    def test_prompt(self, image: Path, engine: str, precision: str, bounds: Bounds, name: str) -> None:
        stored = references_on(image).prompts[name]
        masks, scores, logits = _three_passes(encoded(image, engine, precision), name)
        difference = np.abs(logits[repository_references.STORED_LOGITS] - stored.logits).max()
        assert bounds.logits is not None
        assert difference <= bounds.logits
        check_scores(scores, stored.scores, bounds, name)
        check_masks(masks, stored.masks, stored.stabilities, bounds, name)


@pytest.mark.parametrize("image", example_image_paths(), ids=lambda image: image.name)
@pytest.mark.parametrize("name", repository_references.PROMPT_NAMES)
def test_bf16_keeps_every_stable_mask_in_the_repository(image: Path, name: str) -> None:
    stored = references_on(image).prompts[name]
    masks, _, _ = _three_passes(encoded(image, "openvino", "bf16"), name)
    check_masks(masks, stored.masks, stored.stabilities, BF16, name)


@pytest.mark.slow
@pytest.mark.parametrize("image", example_image_paths(), ids=lambda image: image.name)
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_int8_keeps_its_bounds_in_the_repository(image: Path, engine: str) -> None:
    encoded_image = encoded(image, engine, "int8")
    check_embedding(
        encoded_image.embedding[repository_references.STORED_EMBEDDING], references_on(image).embedding, INT8
    )
    for name in repository_references.PROMPT_NAMES:
        stored = references_on(image).prompts[name]
        check_masks(_three_passes(encoded_image, name)[0], stored.masks, stored.stabilities, INT8, name)
    assert encoded_image.segment(points=[(9, 9)]).provenance.precision == "int8"


def _three_passes(encoded_image: Any, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks, scores and logits of the three candidates, the single one and the refined one: [5, …] each."""
    prompt = PROMPTS_BY_NAME[name].in_pixels(encoded_image.size)
    several = encoded_image.predict(**prompt)
    single = encoded_image.predict(**prompt, multimask=False)
    best = several.logits[several.scores.argmax()][None]
    refined = encoded_image.predict(**prompt, mask_input=best, multimask=False)
    passes = (several, single, refined)
    return (
        np.concatenate([each.masks for each in passes]),
        np.concatenate([each.scores for each in passes]),
        np.concatenate([each.logits for each in passes]),
    )


def _stored_references() -> list[Any]:
    """One parameter for each image with stored reference masks, or one that skips and says why."""
    reason = f"no stored official masks: {BESIDE.name}/reference does not lie beside the repository"
    return [pytest.param(reference, id=reference.image.stem) for reference in stored_references()] or [
        pytest.param(None, marks=pytest.mark.skip(reason=reason))
    ]


@pytest.mark.parametrize("reference", _stored_references())
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
class TestStoredReferences:
    def test_embedding(self, reference: StoredReference, engine: str) -> None:
        check_embedding(
            encoded(reference.image, engine, "f32").embedding,
            reference.embedding.astype(np.float32),
            F32_AGAINST_FLOAT16,
        )

    def test_prompts(self, reference: StoredReference, engine: str) -> None:
        encoded_image = encoded(reference.image, engine, "f32")
        compared = 0
        for prompt, stored, areas in zip(reference.prompts, reference.candidates, reference.areas, strict=True):
            if not _inside(prompt, encoded_image.size):
                # The official predictor takes a click outside the image; this library refuses it.
                with pytest.raises(PromptError):
                    encoded_image.predict(**prompt)
                continue
            what = f"{reference.image.name} {prompt}"
            several = encoded_image.predict(**prompt)
            single = encoded_image.predict(**prompt, multimask=False)
            best = several.logits[stored.scores.argmax()][None]
            refined = encoded_image.predict(**prompt, mask_input=best, multimask=False)
            for ours, scores, logits in (
                (several, stored.scores, stored.logits),
                (single, stored.single_scores, stored.single_logits),
                (refined, stored.refined_scores, stored.refined_logits),
            ):
                check_scores(ours.scores, scores, F32_AGAINST_FLOAT16, what)
                check_logits(ours.logits, logits, F32_AGAINST_FLOAT16, what)
            mask_areas = np.count_nonzero(several.masks, axis=(1, 2))
            np.testing.assert_allclose(mask_areas, areas, rtol=5e-3, err_msg=what)
            compared += 1
        assert compared >= 3


@pytest.mark.parametrize("reference", _stored_references())
def test_bf16_keeps_every_stable_mask(reference: StoredReference) -> None:
    encoded_image = encoded(reference.image, "openvino", "bf16")
    check_embedding(encoded_image.embedding, reference.embedding.astype(np.float32), BF16)
    for prompt, stored in zip(reference.prompts, reference.candidates, strict=True):
        if _inside(prompt, encoded_image.size):
            check_logits(encoded_image.predict(**prompt).logits, stored.logits, BF16, str(prompt))


def _inside(prompt: dict[str, Any], size: tuple[int, int]) -> bool:
    points = prompt["points"]
    return points is None or bool((points >= 0).all() and (points < size).all())
