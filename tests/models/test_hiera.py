"""SAM 2's Hiera encoder against the same arithmetic in NumPy, in the order of the official code."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from anymask.engines.external_weights import DetachedGraph
from anymask.engines.loading import load_engine
from anymask.errors import ModelError
from anymask.models.sam2 import hiera
from anymask.models.sam2.hiera import HieraShape, hiera_encoder, shape_of
from anymask.weights.checkpoints.key_mapping import official_names
from tests.support.hiera_in_numpy import official_features
from tests.support.small_hiera import sam2_parameters

SHAPES = {
    "like tiny: windows of 14 and 7, which do not fill the grid": HieraShape(1, (1, 2, 2, 2), (4,)),
    "like large: two heads, windows of 16 and 8": HieraShape(2, (1, 1, 1, 1), (), (8, 4, 16, 8)),
}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((1, 3, 1024, 1024)).astype(np.float32)


def embedding(parameters: dict[str, np.ndarray], image: np.ndarray, engine: str) -> np.ndarray:
    parameters = official_names(parameters)
    graph = DetachedGraph(partial(hiera_encoder, parameters), parameters)
    compiled = load_engine(engine, precision="f32", threads=2, cache=None, device="cpu").compile("hiera", lambda: graph)
    return compiled(image=image)["embedding"]


def by_token(features: list[np.ndarray]) -> np.ndarray:
    """[64, 64, 256], [128, 128, 64] and [256, 256, 32] → [4096, 1024], in the order that the docstring states."""
    image, finer, finest = features
    finer = finer.reshape(64, 2, 64, 2, 64).transpose(0, 2, 1, 3, 4)
    finest = finest.reshape(64, 2, 2, 64, 2, 2, 32).transpose(0, 3, 1, 4, 2, 5, 6)
    return np.concatenate([each.reshape(4096, -1) for each in (image, finer, finest)], axis=1)


@pytest.mark.parametrize(
    ("shape", "engine"), tuple(zip(SHAPES.values(), ("onnxruntime", "openvino"), strict=True)), ids=SHAPES
)
def test_embedding_is_the_official_one(
    shape: HieraShape, engine: str, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hiera.SHAPES, (8, sum(shape.stages)), shape)
    parameters = sam2_parameters(8, shape)
    expected = by_token(official_features(parameters, image, shape))
    found = embedding(parameters, image, engine)
    assert found.shape == (1, 4096, 1024)
    assert np.abs(found[0] - expected).max() < 1e-4 * np.abs(expected).max()


def test_an_unknown_size_is_named_with_the_known_ones() -> None:
    parameters = official_names(sam2_parameters(24, HieraShape(1, (1, 1, 1, 1), ())))
    with pytest.raises(ModelError, match="width×depth 24×4; anymask knows SAM 2's four: 96×12, 96×16, 112×24, 144×48"):
        shape_of(parameters)


def test_every_published_size_has_its_own_windows_and_heads() -> None:
    for (width, depth), shape in hiera.SHAPES.items():
        assert sum(shape.stages) == depth
        assert width % shape.heads == 0
        assert all(sum(shape.stages[:2]) <= block < sum(shape.stages[:3]) for block in shape.everywhere)
        assert shape.windows == ((8, 4, 16, 8) if width == 144 else (8, 4, 14, 7))
