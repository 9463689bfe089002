"""The runs behind `docs/fidelity.md`: both peers on the example photographs, with trained and with random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fidelity import RANDOM_VIT, RUNS, Passes, Row, compare, official_passes
from model_files import encoder_and_decoder
from official import load_official_model, official_predictor
from official_vit import VIT_B, predictor_of, random_sam, save_checkpoint
from photographs import example_photographs, read_pixels

import anymask
from anymask.engines import load_engine
from anymask.errors import EngineError
from anymask.families import load_family
from anymask.segmenter import Segmenter


def measure() -> Iterator[Row]:
    """Make every row that this machine can: those of a precision it has not are left out, by name on the terminal."""
    yield from _trained()
    yield from _random()


def _trained() -> Iterator[Row]:
    model = load_official_model(*encoder_and_decoder())
    photographs = [read_pixels(path) for path in example_photographs()]
    answers = [_official(official_predictor(model, pixels)) for pixels in photographs]
    for run in RUNS:
        if run[0] != RANDOM_VIT and (segmenter := _segmenter(run)):
            scenes = (segmenter.encode(pixels) for pixels in photographs)
            yield from compare(run, ((scene, *answer) for scene, answer in zip(scenes, answers, strict=True)))


def _random() -> Iterator[Row]:
    """ViT-B on one photograph: its encoder takes the official code ten seconds."""
    model = random_sam(VIT_B)
    pixels = read_pixels(example_photographs()[0])
    answer = _official(predictor_of(model, pixels))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = save_checkpoint(model, Path(folder) / "vit_b.pth")
        for run in RUNS:
            if run[0] == RANDOM_VIT:
                engine = load_engine(run[1], precision=run[2], threads=2, device="cpu")
                family = load_family("sam", {checkpoint.name: checkpoint}, f"random/{run[1]}", engine)
                scene = Segmenter(run[0], "random", family, engine, None, 0.0).encode(pixels)
                yield from compare(run, [(scene, *answer)])


def _official(predictor: Any) -> tuple[np.ndarray, Passes]:
    return predictor.get_image_embedding().numpy(), official_passes(predictor)


def _segmenter(run: tuple[str, str, str]) -> Segmenter | None:
    try:
        return anymask.load(run[0], engine=run[1], precision=run[2], threads=2, device="cpu", store=False)
    except EngineError as error:
        print(f"not measured: {' '.join(run)} ({error})")
        return None
