"""The machine's rate, and the share of it that each stage reaches."""

from __future__ import annotations

import re

import pytest

import anymask


@pytest.mark.reference
def test_stages_are_counted_and_set_beside_a_product_of_matrices() -> None:
    from benchmarks.official import Peers, Settings  # with PyTorch
    from benchmarks.speed import rates

    segmenter = anymask.load("mobile-sam", engine="onnxruntime", precision="f32", threads=2, store=False)
    product, encode, batch, single = rates.compare(Peers(Settings(1, 2, "onnxruntime", "f32"), segmenter, None))
    assert product.name == "product of two 2048×2048 matrices, f32"
    assert re.fullmatch(r"\d+ GFLOP/s", product.notes[0])
    counts = []
    for stage in (encode, batch, single):
        found = re.fullmatch(r"(\d+\.\d) GFLOP at \d+ GFLOP/s: \d+% of that of the product", stage.notes[0])
        assert found, stage.notes
        counts.append(float(found[1]))
    assert 70 < counts[0] < 80  # TinyViT and its neck, 37 billion multiply-adds
    assert counts[1] == pytest.approx(128 * counts[2], rel=0.03)
