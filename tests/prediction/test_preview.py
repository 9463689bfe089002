"""A preview takes a single call of the decoder, and is often the final mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anymask import EncodedImage
from anymask.prediction.preview import preview
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt, make_prompt


def test_a_preview_runs_the_decoder_once_for_all_prompts(coffee: EncodedImage) -> None:
    batch_sizes: list[int] = []

    def decode(prompts: Sequence[Prompt]) -> Any:
        batch_sizes.append(len(prompts))
        return coffee.decode(prompts)

    prompts = [make_prompt(coffee.size, points=[(110, 300)]), make_prompt(coffee.size, box=[170, 14, 412, 264])]
    previews = preview(decode, coffee.transform, prompts)
    assert batch_sizes == [2]
    assert all(result.follows_prompt for result in previews)


def test_a_preview_often_equals_the_final_mask(coffee: EncodedImage) -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform([10, 10], [590, 390], (12, 2))
    prompts = [make_prompt(coffee.size, points=[point]) for point in points]
    masks = [result.logits > 0 for result in preview(coffee.decode, coffee.transform, prompts)]
    whole = [coffee.segment(points=[point], refine="off")[0].logits > 0 for point in points]
    assert np.mean([iou(a, b) > 0.8 for a, b in zip(masks, whole, strict=True)]) >= 0.5
