"""SAM 2.1: files that the official code saves, against the official code itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from anymask.engines.external_weights import DetachedGraph
from anymask.engines.loading import load_engine
from anymask.models.sam2.hiera import SHAPES, hiera_encoder
from anymask.weights.checkpoints.state_dict import read_state_dict
from tests.support.agreement import BF16, F32, Bounds, check_embedding, cosine
from tests.support.example_images import example_image_paths, read_pixels

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return read_pixels(example_image_paths()[0])


@pytest.fixture(scope="module", autouse=True)
def two_threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("engine", "precision", "bounds"),
    [("openvino", "f32", F32), ("onnxruntime", "f32", F32), ("openvino", "auto", BF16)],
)
def test_encoder_of_tiny_embeds_like_the_official_one(
    engine: str, precision: str, bounds: Bounds, tmp_path: Path, pixels: np.ndarray
) -> None:
    from tests.reference.official_sam2 import predictor_of, random_sam2, save_checkpoint

    model = random_sam2("tiny")
    predictor = predictor_of(model, pixels)
    parameters = read_state_dict([save_checkpoint(model, tmp_path / "sam2.1_hiera_tiny.pt")])
    graph = DetachedGraph(partial(hiera_encoder, parameters), parameters)
    compiled = load_engine(engine, precision=precision, threads=2, cache=None, device="cpu").compile(
        "hiera", lambda: graph
    )
    embedding = compiled(image=predictor._transforms(pixels)[None].numpy())["embedding"][0]
    official = predictor.get_image_embedding().numpy()
    check_embedding(embedding[:, :256].T.reshape(1, 256, 64, 64), official, bounds)
    finest, finer = (level.numpy()[0] for level in predictor._features["high_res_feats"])
    finer = finer.reshape(64, 64, 2, 64, 2).transpose(1, 3, 2, 4, 0).reshape(4096, 256)
    finest = finest.reshape(32, 64, 2, 2, 64, 2, 2).transpose(1, 4, 2, 5, 3, 6, 0).reshape(4096, 512)
    assert cosine(embedding[:, 256:512], finer) >= bounds.cosine
    assert cosine(embedding[:, 512:], finest) >= bounds.cosine


@pytest.mark.parametrize("size", ["tiny", "small", "base-plus", "large"])
def test_windows_heads_and_global_blocks_are_those_of_the_official_configuration(size: str) -> None:
    from hydra import compose
    from sam2.modeling.backbones.hieradet import Hiera

    from tests.reference.official_sam2 import CONFIGS

    stated = compose(config_name=CONFIGS[size]).model.image_encoder.trunk
    official = {name: each.default for name, each in signature(Hiera).parameters.items()} | dict(stated)
    shape = SHAPES[official["embed_dim"], sum(official["stages"])]
    assert shape.windows == tuple(official["window_spec"])
    assert shape.everywhere == tuple(official["global_att_blocks"])
    assert shape.stages == tuple(official["stages"])
    assert shape.heads == official["num_heads"]
