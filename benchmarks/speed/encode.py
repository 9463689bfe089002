"""Encoding an image: from pixels to an embedding, with resizing and normalising in both."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.official import Peers
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare at both sizes, in the precision asked for, in f32 and in int8."""
    segmenters = peers.segmenters(("f32", "int8"))
    for size in (LARGE, SMALL):
        image = pixels(size)
        for segmenter in segmenters:
            yield run_in_turns(
                f"encode {size[0]}×{size[1]}, {segmenter.precision}",
                ours=lambda segmenter=segmenter, image=image: segmenter.encode(image),
                official=lambda image=image: peers.official_predictor(image),
                pairs=peers.settings.pairs,
            )
