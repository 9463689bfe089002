"""How much of what the machine can compute each stage uses: its rate beside that of one large product of matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import onnx

from anymask.engines.loading import load_engine
from anymask.models.cost import encoder_multiply_adds, multiply_adds
from anymask.models.sam.mask_decoder import mask_decoder
from anymask.models.sam.model import BATCH, Sam
from anymask.structures.prompt import point_prompts
from anymask.structures.transforms import MODEL_SIDE, ResizeLongestSide
from benchmarks.official import Peers
from benchmarks.peers.spread import spread_of
from benchmarks.speed.images import pixels
from benchmarks.speed.pairs import Comparison, run_alone

SIDE = 2048
"""Of the matrices: large enough that a larger product is no faster."""

POINT_TOKENS = 7
"""Of a prompt of one point: the score's, those of four masks, the point and its padding."""


@dataclass(frozen=True)
class Stage:
    """A part of the work, and how many multiply-adds of it are counted.

    Attributes:
        name: what is computed.
        run: does it once.
        count: multiply-adds of one run.
    """

    name: str
    run: Callable[[], object]
    count: int


def compare(peers: Peers) -> Iterator[Comparison]:
    """The machine's rates in bf16 and f32, then each stage's share of the rate in its precision."""
    settings, segmenter = peers.settings, peers.segmenter
    rates: dict[str, float] = {}
    for precision in dict.fromkeys((segmenter.precision, "f32")):
        engine = load_engine(settings.engine, precision=precision, threads=settings.threads, cache=None)
        product = engine.compile(f"product of matrices {SIDE}", _product)
        matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
        timed = run_alone(
            f"product of two {SIDE}×{SIDE} matrices, {precision}", partial(product, a=matrix), settings.pairs
        )
        rates[precision] = 2 * SIDE**3 / spread_of(timed.ours).median
        yield replace(timed, notes=(f"{rates[precision] / 1e9:.0f} GFLOP/s",))
    for stage in _stages(peers):
        timed = run_alone(f"{stage.name}, {segmenter.precision}", stage.run, settings.pairs)
        rate = 2 * stage.count / spread_of(timed.ours).median
        share = rate / rates[segmenter.precision]
        note = f"{2 * stage.count / 1e9:.1f} GFLOP at {rate / 1e9:.0f} GFLOP/s: {share:.0%} of that of the product"
        yield replace(timed, notes=(note,))


def _stages(peers: Peers) -> Iterator[Stage]:
    """Encoding an image without padding, and decoding points on it in full batches, alone and one by one."""
    network = peers.segmenter.network
    if not isinstance(network, Sam):
        raise TypeError(f"{network.name} is not measured")
    parameters = network.parameters()
    image = pixels((MODEL_SIDE, MODEL_SIDE))
    frame = ResizeLongestSide(MODEL_SIDE, MODEL_SIDE)
    embedding = network.encode(image)
    yield Stage("encode", partial(network.encode, image), encoder_multiply_adds(parameters))
    points = np.random.default_rng(0).uniform(0, MODEL_SIDE, (8 * BATCH, 2))
    prompts = point_prompts(points)
    decoder = mask_decoder(parameters)
    one = multiply_adds(_with_shapes(decoder, B=BATCH, T=POINT_TOKENS)) // BATCH
    for name, count in ((f"decode {len(prompts)} points", len(prompts)), ("decode one point", 1)):
        yield Stage(name, partial(network.decode, embedding, frame, prompts[:count]), count * one)


def _product() -> onnx.ModelProto:
    """The product of a float32 matrix "a" [2048, 2048] with a constant one."""
    weights = np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)
    matrix = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT, shape=[SIDE, SIDE])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["a", "b"], ["product"])],
        "product",
        [matrix("a")],
        [matrix("product")],
        [onnx.numpy_helper.from_array(weights, "b")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)


def _with_shapes(model: onnx.ModelProto, **sizes: int) -> onnx.ModelProto:
    """A copy of a model in which the named dimensions of its inputs are fixed."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_value = sizes[dimension.dim_param]
    return fixed
