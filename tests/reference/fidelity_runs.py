"""The runs behind `docs/fidelity.md`: both peers, with the same weights, on the example photographs."""

from __future__ import annotations

from functools import cache

import numpy as np
from fidelity import THINGS, Passes, Row, compare, official_passes
from model_files import encoder_and_decoder
from official import load_official_model, official_predictor
from photographs import EXAMPLES, read_pixels

import anymask


def measure(run: tuple[str, str, str]) -> list[Row]:
    """Make the rows of one model, engine and precision.

    Raises:
        EngineError: this machine hasn't got that precision.
    """
    model, engine, precision = run
    segmenter = anymask.load(model, engine=engine, precision=precision, threads=2, device="cpu", store=False)
    return compare(run, ((segmenter.encode(pixels), *answer) for pixels, *answer in _official_answers()))


@cache
def _official_answers() -> list[tuple[np.ndarray, np.ndarray, Passes]]:
    """Pixels, embedding and answers of each photograph."""
    model = load_official_model(*encoder_and_decoder())
    answers = []
    for name, things in THINGS.items():
        pixels = read_pixels(EXAMPLES / f"{name}.jpg")
        predictor = official_predictor(model, pixels)
        answers.append((pixels, predictor.get_image_embedding().numpy(), official_passes(predictor, things)))
    return answers
