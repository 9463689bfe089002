"""Ten and a hundred boxes on an encoded image, one full-size mask for each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.encoded_image import EncodedImage
from benchmarks.official import Peers
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns

COUNT = 10
MANY = 100


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes; the official code takes ten boxes as one batch, and a hundred in a loop.

    With `refine="off"` each box is decoded once, as by the official code; by default three times.
    """
    for size in (LARGE, SMALL):
        image = pixels(size)
        encoded, predictor = peers.segmenter.encode(image), peers.official_predictor(image)
        ten, many = random_boxes(size, COUNT), random_boxes(size, MANY)
        for refine in ("off", "auto"):
            yield run_in_turns(
                f"{COUNT} boxes {size[0]}×{size[1]}, refine {refine}",
                ours=partial(_ours, encoded, ten, refine),
                official=partial(_official, predictor, ten),
                pairs=peers.settings.pairs,
            )
        yield run_in_turns(
            f"{MANY} boxes {size[0]}×{size[1]}, refine off",
            ours=partial(_ours, encoded, many, "off"),
            official=partial(_official_loop, predictor, many),
            pairs=max(2, peers.settings.pairs // 3),
        )


def _ours(encoded: EncodedImage, boxes: NDArray[np.float64], refine: str) -> list[NDArray[np.bool_]]:
    return [mask.array for mask in encoded.segment(boxes=boxes, refine=refine)]


def _official(predictor: Any, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    import torch

    scaled = predictor.transform.apply_boxes_torch(torch.as_tensor(boxes), predictor.original_size)
    masks, _, _ = predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)
    full_size: NDArray[np.bool_] = masks[:, 0].numpy()
    return full_size


def _official_loop(predictor: Any, boxes: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    return [predictor.predict(box=box, multimask_output=False)[0][0] for box in boxes]


def random_boxes(size: tuple[int, int], count: int = COUNT) -> NDArray[np.float64]:
    """Boxes over the image, a fifth to a half of its sides."""
    chance = np.random.default_rng(0)
    sides = chance.uniform(0.2, 0.5, (count, 2))
    corners = chance.uniform(0, 1 - sides)
    return np.round(np.concatenate([corners, corners + sides], axis=1) * np.tile(size, 2))
