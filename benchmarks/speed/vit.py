"""Encoding with ViT-B, the smallest of SAM's own encoders, from a checkpoint as the official code saves it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from anymask.engines.loading import load_engine
from anymask.models.base import load_model
from benchmarks.official import Peers
from benchmarks.speed.images import SMALL, pixels
from benchmarks.speed.pairs import Comparison, run_in_turns
from tests.reference.official_vit import VIT_B, predictor_of, random_sam, save_checkpoint

RUNS = (("openvino", "f32"), ("openvino", "auto"), ("onnxruntime", "f32"))


def compare(peers: Peers) -> Iterator[Comparison]:
    """Compare each engine and precision with the official code in f32; the weights are random, the work is the same."""
    model = random_sam(VIT_B)
    image = pixels(SMALL)
    with tempfile.TemporaryDirectory() as name:
        checkpoint = save_checkpoint(model, Path(name) / "vit_b.pth")
        for engine_name, precision in RUNS:
            engine = load_engine(engine_name, precision=precision, threads=peers.settings.threads, device="cpu")
            family = load_model("sam", {checkpoint.name: checkpoint}, f"random/{engine_name}/{precision}", engine)
            yield run_in_turns(
                f"ViT-B encode {SMALL[0]}×{SMALL[1]}, {engine.name} {engine.precision}",
                ours=lambda family=family: family.encode(image),
                official=lambda: predictor_of(model, image),
                pairs=peers.settings.pairs,
            )
