"""The library against answers that the official PyTorch code gave earlier: exactness without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anymask
from anymask.errors import EngineError, PromptError
from tests.support import repository_answers
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
from tests.support.photographs import BESIDE, example_photographs, read_pixels
from tests.support.relative_prompts import PROMPTS
from tests.support.stored_answers import StoredAnswer, stored_answers

F32_RUNS = (("openvino", "f32", F32), ("onnxruntime", "f32", F32))
PROMPTS_BY_NAME = {prompt.name: prompt for prompt in PROMPTS}


@cache
def segmenter(engine: str, precision: str) -> Any:
    try:
        return anymask.load("mobile-sam", engine=engine, precision=precision, threads=2, store=False)
    except EngineError as error:
        pytest.skip(f"{engine} cannot run in {precision} on this machine: {error}")


@cache
def encoded(photo: Path, engine: str, precision: str) -> Any:
    return segmenter(engine, precision).encode(read_pixels(photo))


@cache
def answers_on(photo: Path) -> repository_answers.PhotoAnswer:
    return repository_answers.read(photo)


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back() -> Iterator[None]:
    """Five models and their photographs hold 3.5 GB."""
    yield
    encoded.cache_clear()
    segmenter.cache_clear()


def test_every_example_image_has_reference_masks() -> None:
    assert repository_answers.photographs() == example_photographs() != []


@pytest.mark.parametrize("photo", example_photographs(), ids=lambda photo: photo.name)
@pytest.mark.parametrize(("engine", "precision", "bounds"), F32_RUNS)
class TestAnswersInTheRepository:
    def test_embedding(self, photo: Path, engine: str, precision: str, bounds: Bounds) -> None:
        """T1: an embedding of the right shape and the wrong numbers.

        https://github.com/wkentaro/osam/issues/87
        """
        ours = encoded(photo, engine, precision).embedding
        check_embedding(ours[repository_answers.EMBEDDING_KEPT], answers_on(photo).embedding, bounds)

    @pytest.mark.parametrize("name", repository_answers.PROMPT_NAMES)
    def test_prompt(self, photo: Path, engine: str, precision: str, bounds: Bounds, name: str) -> None:
        stored = answers_on(photo).prompts[name]
        masks, scores, logits = _three_passes(encoded(photo, engine, precision), name)
        difference = np.abs(logits[repository_answers.LOGITS_KEPT] - stored.logits).max()
        assert bounds.logits is not None
        assert difference <= bounds.logits
        check_scores(scores, stored.scores, bounds, name)
        check_masks(masks, stored.masks, stored.stabilities, bounds, name)


@pytest.mark.parametrize("photo", example_photographs(), ids=lambda photo: photo.name)
@pytest.mark.parametrize("name", repository_answers.PROMPT_NAMES)
def test_bf16_keeps_every_stable_mask_in_the_repository(photo: Path, name: str) -> None:
    stored = answers_on(photo).prompts[name]
    masks, _, _ = _three_passes(encoded(photo, "openvino", "bf16"), name)
    check_masks(masks, stored.masks, stored.stabilities, BF16, name)


@pytest.mark.parametrize("photo", example_photographs(), ids=lambda photo: photo.name)
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_int8_keeps_its_bounds_in_the_repository(photo: Path, engine: str) -> None:
    found = encoded(photo, engine, "int8")
    check_embedding(found.embedding[repository_answers.EMBEDDING_KEPT], answers_on(photo).embedding, INT8)
    for name in repository_answers.PROMPT_NAMES:
        stored = answers_on(photo).prompts[name]
        check_masks(_three_passes(found, name)[0], stored.masks, stored.stabilities, INT8, name)
    assert found.segment(points=[(9, 9)]).provenance.precision == "int8"


def _three_passes(found: Any, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks, scores and logits of the three candidates, the single one and the refined one: [5, …] each."""
    prompt = PROMPTS_BY_NAME[name].in_pixels(found.size)
    several = found.predict(**prompt)
    single = found.predict(**prompt, multimask=False)
    best = several.logits[several.scores.argmax()][None]
    refined = found.predict(**prompt, mask_input=best, multimask=False)
    passes = (several, single, refined)
    return (
        np.concatenate([each.masks for each in passes]),
        np.concatenate([each.scores for each in passes]),
        np.concatenate([each.logits for each in passes]),
    )


def _answers_beside() -> list[Any]:
    """One parameter for each photograph with stored answers, or one that skips and says why."""
    reason = f"no stored official answers: {BESIDE.name}/reference does not lie beside the repository"
    return [pytest.param(answer, id=answer.photo.stem) for answer in stored_answers()] or [
        pytest.param(None, marks=pytest.mark.skip(reason=reason))
    ]


@pytest.mark.parametrize("answer", _answers_beside())
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
class TestAnswersBesideTheRepository:
    def test_embedding(self, answer: StoredAnswer, engine: str) -> None:
        check_embedding(
            encoded(answer.photo, engine, "f32").embedding,
            answer.embedding.astype(np.float32),
            F32_AGAINST_FLOAT16,
        )

    def test_prompts(self, answer: StoredAnswer, engine: str) -> None:
        found = encoded(answer.photo, engine, "f32")
        compared = 0
        for prompt, stored, areas in zip(answer.prompts, answer.candidates, answer.areas, strict=True):
            if not _inside(prompt, found.size):
                # The official predictor takes a click outside the photograph; this library refuses it.
                with pytest.raises(PromptError):
                    found.predict(**prompt)
                continue
            what = f"{answer.photo.name} {prompt}"
            several = found.predict(**prompt)
            single = found.predict(**prompt, multimask=False)
            best = several.logits[stored.scores.argmax()][None]
            refined = found.predict(**prompt, mask_input=best, multimask=False)
            for ours, scores, logits in (
                (several, stored.scores, stored.logits),
                (single, stored.single_scores, stored.single_logits),
                (refined, stored.refined_scores, stored.refined_logits),
            ):
                check_scores(ours.scores, scores, F32_AGAINST_FLOAT16, what)
                check_logits(ours.logits, logits, F32_AGAINST_FLOAT16, what)
            found_areas = np.count_nonzero(several.masks, axis=(1, 2))
            np.testing.assert_allclose(found_areas, areas, rtol=5e-3, err_msg=what)
            compared += 1
        assert compared >= 3


@pytest.mark.parametrize("answer", _answers_beside())
def test_bf16_keeps_every_stable_mask(answer: StoredAnswer) -> None:
    found = encoded(answer.photo, "openvino", "bf16")
    check_embedding(found.embedding, answer.embedding.astype(np.float32), BF16)
    for prompt, stored in zip(answer.prompts, answer.candidates, strict=True):
        if _inside(prompt, found.size):
            check_logits(found.predict(**prompt).logits, stored.logits, BF16, str(prompt))


def _inside(prompt: dict[str, Any], size: tuple[int, int]) -> bool:
    points = prompt["points"]
    return points is None or bool((points >= 0).all() and (points < size).all())
