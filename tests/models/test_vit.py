"""SAM's ViT encoder against the same arithmetic in NumPy, in the order of the official code."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from anymask.engines.external_weights import DetachedGraph
from anymask.engines.loading import load_engine
from anymask.errors import ModelError
from anymask.models.sam.vit import vit_encoder
from tests.support.small_vit import official_embedding, vit_parameters

SHAPES = {
    "windows and one global block": {},
    "global first and last": {"blocks": 4, "everywhere": (0, 3)},
    "pruned: fewer numbers per head than the width has": {"width": 40, "heads": 3, "depth": 8, "mlp": 56},
    "windows that fill the grid": {"window": 16, "blocks": 2},
    "windows only": {"window": 9, "blocks": 2, "everywhere": ()},
    "global only": {"blocks": 1, "everywhere": (0,)},
}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Noise over three quarters, zero padding below."""
    picture = np.random.default_rng(7).standard_normal((1, 3, 1024, 1024)).astype(np.float32)
    picture[:, :, 768:] = 0
    return picture


def embedding(parameters, image, engine="onnxruntime", precision="f32", cache=None):
    graph = DetachedGraph(partial(vit_encoder, parameters), parameters)
    compiled = load_engine(engine, precision=precision, threads=2, cache=cache, device="cpu").compile(
        "vit", lambda: graph
    )
    return compiled(image=image)["embedding"]


def cosine(a, b):
    return float(np.ravel(a) @ np.ravel(b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_embedding_is_the_official_one(shape, image):
    parameters = vit_parameters(**shape)
    expected = official_embedding(parameters, image)
    found = embedding(parameters, image)
    assert found.shape == (1, 4096, 256)
    assert np.abs(found[0] - expected).max() < 2e-4 * np.abs(expected).max()


def test_openvino_agrees_with_onnxruntime(image):
    parameters = vit_parameters(seed=1)
    exact = embedding(parameters, image)
    assert np.abs(embedding(parameters, image, "openvino") - exact).max() < 1e-4 * np.abs(exact).max()


@pytest.mark.parametrize("length", [63, 255])
def test_global_table_of_another_training_size_is_resampled(length, image):
    parameters = vit_parameters(blocks=2, everywhere=(1,), seed=3)
    chance = np.random.default_rng(4)
    for axis in "hw":
        name = f"image_encoder.blocks.1.attn.rel_pos_{axis}"
        parameters[name] = chance.standard_normal((length, 12)).astype(np.float32)
    expected = official_embedding(parameters, image)
    assert np.abs(embedding(parameters, image)[0] - expected).max() < 2e-4 * np.abs(expected).max()


def test_optional_parts_may_be_missing(image):
    parameters = vit_parameters(blocks=1, everywhere=(), seed=5)
    zeroed = dict(parameters)
    for name in ("pos_embed", "blocks.0.attn.qkv.bias", "patch_embed.proj.bias"):
        name = f"image_encoder.{name}"
        zeroed[name] = np.zeros_like(parameters[name])
        del parameters[name]
    assert np.array_equal(embedding(parameters, image), embedding(zeroed, image))


def test_large_weights_stay_outside_the_model():
    parameters = vit_parameters(width=64, mlp=256)
    model = vit_encoder(parameters)
    names = {each.name for each in model.graph.input}
    layers = ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")
    outside = {f"image_encoder.blocks.{block}.{layer}.weight" for block in range(3) for layer in layers}
    assert names == {"image"} | outside
    assert [each.name for each in model.graph.output] == ["embedding"]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_second_process_takes_the_model_from_the_disk_and_the_weights_from_the_file(engine, image, tmp_path):
    parameters = vit_parameters(blocks=1, everywhere=(), seed=6)
    first = embedding(parameters, image, engine, cache=tmp_path)
    kept = [path for path in tmp_path.iterdir() if path.suffix == ".graph"]
    assert len(kept) == 1

    def forbidden():
        raise AssertionError("the model was emitted although it is on disk")

    again = load_engine(engine, precision="f32", threads=2, cache=tmp_path, device="cpu").compile(
        "vit", lambda: DetachedGraph(forbidden, parameters)
    )
    assert np.array_equal(again(image=image)["embedding"], first)
    kept[0].write_bytes(kept[0].read_bytes()[:200])
    assert np.array_equal(embedding(parameters, image, engine, cache=tmp_path), first)


def test_read_only_weights_are_fine(image):
    parameters = vit_parameters(blocks=1, everywhere=(), seed=8)
    before = embedding(parameters, image, "openvino")
    for array in parameters.values():
        array.setflags(write=False)
    assert np.array_equal(embedding(parameters, image, "openvino"), before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch": 14}, "patches of 14 pixels; SAM's decoder needs 16"),
        ({"drop": "pos_embed"}, "images of 512 pixels; anymask runs SAM at 1024"),
        ({"drop": "rel_pos"}, "no relative positions"),
    ],
)
def test_a_vit_that_is_not_sams_is_one_clear_line(change, words):
    parameters = vit_parameters(blocks=1, patch=change.get("patch", 16))
    if change.get("drop") == "pos_embed":
        parameters["image_encoder.pos_embed"] = parameters["image_encoder.pos_embed"][:, :32, :32]
    if change.get("drop") == "rel_pos":
        parameters = {name: array for name, array in parameters.items() if "rel_pos" not in name}
    with pytest.raises(ModelError, match=words) as raised:
        vit_encoder(parameters)
    assert "\n" not in str(raised.value)
