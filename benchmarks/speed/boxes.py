"""Ten boxes on an encoded image, one full-size mask for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.official import Peers
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns

COUNT = 10


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes; the official code takes the boxes as one batch."""
    for size in (LARGE, SMALL):
        image = pixels(size)
        encoded = peers.segmenter.encode(image)
        predictor = peers.official_predictor(image)
        boxes = ten_boxes(size)
        yield run_in_turns(
            f"ten boxes {size[0]}×{size[1]}, ten full-size masks",
            ours=lambda encoded=encoded, boxes=boxes: [mask.array for mask in encoded.segment(boxes=boxes)],
            official=lambda predictor=predictor, boxes=boxes: _official(predictor, boxes),
            pairs=peers.settings.pairs,
        )


def _official(predictor: Any, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    import torch

    scaled = predictor.transform.apply_boxes_torch(torch.as_tensor(boxes), predictor.original_size)
    masks, _, _ = predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)
    full_size: NDArray[np.bool_] = masks[:, 0].numpy()
    return full_size


def ten_boxes(size: tuple[int, int]) -> NDArray[np.float64]:
    """Ten boxes over the image, a fifth to a half of its sides."""
    chance = np.random.default_rng(0)
    sides = chance.uniform(0.2, 0.5, (COUNT, 2))
    corners = chance.uniform(0, 1 - sides)
    return np.round(np.concatenate([corners, corners + sides], axis=1) * np.tile(size, 2))
