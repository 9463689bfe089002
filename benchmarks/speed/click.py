"""One more click on an encoded image, with its three candidates as full-size masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.official import Peers
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns

# Where the clicks land, from 0 to 1 of the width and height; another place each time, as a person's clicks would.
PLACES = ((0.34, 0.66), (0.61, 0.66), (0.37, 0.26), (0.64, 0.37), (0.5, 0.9))


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes."""
    for size in (LARGE, SMALL):
        image = pixels(size)
        encoded = peers.segmenter.encode(image)
        predictor = peers.official_predictor(image)
        ours_at, official_at = _places(size), _places(size)

        def ours(encoded=encoded, places=ours_at) -> object:
            return encoded.predict(points=[next(places)], labels=[1]).masks

        def official(predictor=predictor, places=official_at) -> object:
            point = np.array([next(places)])
            return predictor.predict(point_coords=point, point_labels=np.array([1]), multimask_output=True)

        yield run_in_turns(
            f"click {size[0]}×{size[1]}, three full-size masks", ours, official, 3 * peers.settings.pairs
        )


def _places(size: tuple[int, int]) -> Iterator[tuple[float, float]]:
    while True:
        yield from ((round(x * size[0]), round(y * size[1])) for x, y in PLACES)
