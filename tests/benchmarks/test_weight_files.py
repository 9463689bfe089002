"""The same weights, in the forms that other tools take: what they compute stays the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from anymask import weights
from benchmarks.peers.weight_files import DEVIATION, MEAN, weight_files

PIXELS = np.random.default_rng(0).integers(0, 256, (684, 1024, 3)).astype(np.float32)


def prepared() -> np.ndarray:
    """The pixels as the encoder itself wants them, [1, 3, 1024, 1024]."""
    scaled = ((PIXELS - np.float32(MEAN)) / np.float32(DEVIATION)).transpose(2, 0, 1)
    return np.pad(scaled, ((0, 0), (0, 340), (0, 0)))[None].astype(np.float32)


@pytest.fixture(scope="module")
def embedding() -> np.ndarray:
    session = onnxruntime.InferenceSession(weights.ensure("mobile-sam")["encoder.onnx"])
    return session.run(None, {"input": prepared()})[0]


@pytest.mark.parametrize(("form", "name", "given"), [("x", "x", prepared()), ("pixels", "pixels", PIXELS)])
def test_the_encoder_gives_the_same_embedding_in_every_form(
    form: str, name: str, given: np.ndarray, embedding: np.ndarray, tmp_path: Path
) -> None:
    model = weights.ensure("mobile-sam")
    files = weight_files(form, model["encoder.onnx"], model["sam.onnx"], tmp_path)
    assert files["decoder"] == str(model["sam.onnx"])
    session = onnxruntime.InferenceSession(files["encoder"])
    assert [each.name for each in session.get_inputs()] == [name]
    assert np.abs(session.run(None, {name: given})[0] - embedding).max() < 1e-4


def test_parameters_have_the_official_names(tmp_path: Path) -> None:
    model = weights.ensure("mobile-sam")
    files = weight_files("parameters", model["encoder.onnx"], model["sam.onnx"], tmp_path)
    with np.load(files["parameters"]) as found:
        assert found["mask_decoder.mask_tokens.weight"].shape == (4, 256)
        assert found["image_encoder.patch_embed.seq.0.c.weight"].shape == (32, 3, 3, 3)
