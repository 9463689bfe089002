"""The stem leaves out most of the padding: its answer is that of the whole square, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.engines.base import CompiledGraph
from anymask.engines.loading import load_engine
from anymask.engines.registry import ENGINES
from anymask.errors import ModelError
from anymask.models.onnx_layers import Parameters
from anymask.models.sam.constants import stem_side
from anymask.models.sam.model import preprocess
from anymask.models.sam.tiny_vit import tinyvit_stem
from anymask.weights import ensure
from anymask.weights.checkpoints.state_dict import read_state_dict

SIZES = [(1024, 1), (3, 1024), (1024, 683), (684, 1024), (1024, 685), (1024, 976), (990, 1024)]


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return read_state_dict(ensure("mobile-sam").values())


@pytest.fixture(scope="module", params=ENGINES)
def stem(request: pytest.FixtureRequest, parameters: Parameters) -> CompiledGraph:
    engine = load_engine(request.param, precision="f32", threads=2)
    return engine.compile("stem", lambda: tinyvit_stem(parameters))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_stem_gives_the_features_of_the_whole_square(stem: CompiledGraph, size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    part = preprocess(pixels, 1, (stem_side(height), stem_side(width)))
    assert np.array_equal(stem(image=part)["features"], stem(image=preprocess(pixels))["features"])


def test_the_stem_takes_little_more_than_the_image() -> None:
    assert [stem_side(side) for side in (1, 576, 683, 768, 1024)] == [32, 608, 736, 800, 1024]
    assert all(side + 31 <= stem_side(side) <= side + 62 for side in range(1, 960))


def test_a_network_that_looks_farther_is_refused(parameters: Parameters) -> None:
    wider = dict(parameters) | {
        name.replace("layers.0.blocks.1", "layers.0.blocks.2"): array
        for name, array in parameters.items()
        if "layers.0.blocks.1" in name
    }
    with pytest.raises(ModelError, match="has 2 blocks, these weights have 3"):
        tinyvit_stem(wider)
