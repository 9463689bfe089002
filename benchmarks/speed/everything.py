"""Segment everything: the adaptive search, and the same grid, against the official generator."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.mask_data import mask_overlaps
from anymask.automatic.result import GeneratedMasks
from benchmarks.official import Peers
from benchmarks.peers.workers.official import FEW, GRID, MORE, generate
from benchmarks.speed.images import everything_images
from benchmarks.speed.pairs import Comparison, seconds_of


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare on each image, with the share of the grid's masks found; both peers encode it, too."""
    exact = peers.segmenters()[-1]
    for name, pixels in everything_images():

        def ours(pixels: NDArray[np.uint8] = pixels) -> GeneratedMasks:
            return peers.segmenter.encode(pixels).everything()

        result = ours()
        times = [seconds_of(ours) for _ in range(max(3, peers.settings.pairs // 2))]
        grid = exact.encode(pixels).everything(sampling="grid")
        note = (
            f"{result.data.prompts} prompts against {GRID * GRID}; of the {len(grid)} masks of the full grid "
            f"{share_matched(grid, result, 0.75):.3f} found at IoU 0.75, {share_matched(grid, result, 0.9):.3f} at 0.9"
        )
        official = [official_seconds(peers, pixels)]
        yield Comparison(f"everything {name}", [statistics.median(times)], official, (note,))
        same = seconds_of(lambda pixels=pixels: peers.segmenter.encode(pixels).everything(sampling="grid"))
        yield Comparison(f"everything {name}, the same {GRID * GRID:,} points", [same], official)


def share_matched(targets: GeneratedMasks, result: GeneratedMasks, least: float) -> float:
    """Share of the target masks that a result has at this IoU or better."""
    if not len(targets) or not len(result):
        return float(not len(targets))
    masks = [each.data.masks.take(each.data.indices).masks() for each in (targets, result)]
    shared, areas, others = mask_overlaps(*masks)
    overlaps = shared / np.maximum(areas[:, None] + others[None] - shared, 1)
    return float((overlaps.max(axis=1) >= least).mean())


def official_seconds(peers: Peers, pixels: NDArray[np.uint8]) -> float:
    """What the official generator takes for its whole grid, from two runs on parts of it."""
    (few, _), (more, _) = (generate(peers.official_model, pixels, count) for count in (FEW, MORE))
    return few + (more - few) / (MORE - FEW) * (GRID * GRID - FEW)
