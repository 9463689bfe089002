"""The runs behind `docs/explanation/fidelity.md`: both peers, with the same weights, on the example images."""

from __future__ import annotations

from functools import cache

import numpy as np

import anymask
from tests.reference.fidelity import THINGS, Passes, Row, compare, official_passes
from tests.reference.official import load_official_model, official_predictor
from tests.support.example_images import EXAMPLES, read_pixels
from tests.support.model_files import encoder_and_decoder


def measure(run: tuple[str, str, str]) -> list[Row]:
    """Make the rows of one model, engine and precision.

    Raises:
        EngineError: this machine hasn't got that precision.
    """
    model, engine, precision = run
    segmenter = anymask.load(model, engine=engine, precision=precision, threads=2, device="cpu", store=False)
    return compare(run, ((segmenter.encode(pixels), *result) for pixels, *result in _official_results()))


@cache
def _official_results() -> list[tuple[np.ndarray, np.ndarray, Passes]]:
    """Pixels, embedding and answers of each image."""
    model = load_official_model(*encoder_and_decoder())
    results = []
    for name, things in THINGS.items():
        pixels = read_pixels(EXAMPLES / f"{name}.jpg")
        predictor = official_predictor(model, pixels)
        results.append((pixels, predictor.get_image_embedding().numpy(), official_passes(predictor, things)))
    return results
