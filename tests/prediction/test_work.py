"""How much a call makes the model do, in prompts decoded: what a change could silently multiply. Seconds say less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anymask
from anymask.prediction.encoded_image import EncodedImage


@pytest.fixture
def prompts(segmenter: anymask.Segmenter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of prompts of each call of the decoder."""
    counts: list[int] = []
    decode = segmenter.network.decode

    def counted(embedding: Any, frame: Any, prompts: Any, **options: Any) -> Any:
        counts.append(len(prompts))
        return decode(embedding, frame, prompts, **options)

    monkeypatch.setattr(segmenter.network, "decode", counted)
    return counts


BOXES = [(40 + 20 * i, 60, 300 + 20 * i, 300) for i in range(10)]


@pytest.mark.parametrize(
    ("call", "least", "most"),
    [
        (lambda image: image.predict(points=[(250, 180)]), 1, 1),
        (lambda image: image.segment(points=[(250, 180)]), 3, 4),  # the boxes of its larger masks, too
        (lambda image: image.segment(boxes=BOXES[:1]), 3, 3),  # a little smaller and larger, too
        (lambda image: image.segment(boxes=BOXES), 30, 30),
        (lambda image: image.segment(boxes=BOXES, refine="off"), 10, 10),
        (lambda image: image.everything(), 64, 130),  # of 1,024 points
        (lambda image: image.everything(points_per_side=8, sampling="grid"), 64, 64),
    ],
    ids=["predict", "click", "box", "ten boxes", "ten boxes, refine off", "everything", "grid"],
)
def test_prompts_are_no_more_than_needed(
    coffee: EncodedImage, prompts: list[int], call: Callable[[EncodedImage], object], least: int, most: int
) -> None:
    call(coffee)
    assert least <= sum(prompts) <= most
