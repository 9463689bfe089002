"""Where the time of a network goes, by the type of operation: `python -m benchmarks.speed.profile [--points N]`.

Runs MobileSAM's encoder, its exact decoder and the decoder of the search with OpenVINO's own counters, and prints the
share of each type of operation. Products of matrices and convolutions are what a processor is fast at; the rest
(softmax, norms, transposes, copies) is what could be fused or left out.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import anymask
from anymask.engines.libraries import import_openvino
from anymask.models.sam.constants import GRID
from anymask.models.sam.encoders import ENCODERS, encoder_of
from anymask.models.sam.mask_decoder import mask_decoder, search_decoder
from anymask.models.sam.model import BATCH, Sam
from benchmarks.peers.machine import processor
from benchmarks.speed.rates import POINT_TOKENS

PRODUCTS = ("MatMul", "FullyConnected", "Convolution", "Deconvolution")
RUNS = 5
LANDSCAPE = (48, 64)
"""Rows and columns of image tokens of a 4:3 image, of which none is merged here."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.profile", description=__doc__)
    parser.add_argument("--points", type=int, default=BATCH, help=f"prompts of a run of a decoder (default {BATCH})")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "f32"])
    arguments = parser.parse_args()
    segmenter = anymask.load(
        "mobile-sam", engine="openvino", precision=arguments.precision, threads=arguments.threads, store=False
    )
    print(f"{processor()}, {arguments.threads} threads, {segmenter.precision}")
    for name, network, inputs in _networks(segmenter.network, arguments.points):
        _print(name, _milliseconds(network, inputs, arguments.threads, segmenter.precision))


def _networks(model: Any, points: int) -> Iterator[tuple[str, onnx.ModelProto, dict[str, NDArray[Any]]]]:
    """Name, network and inputs of the encoder and of both decoders."""
    if not isinstance(model, Sam):
        raise TypeError(f"{model.name} is not measured")
    parameters = model.parameters()
    random = np.random.default_rng(0).standard_normal
    encoder = ENCODERS[encoder_of(parameters)].graph(parameters)
    shapes = {
        each.name: [dimension.dim_value for dimension in each.type.tensor_type.shape.dim]
        for each in encoder.graph.input
    }
    yield "encoder", encoder, {name: random(shape, np.float32) for name, shape in shapes.items()}
    prompt = {
        "embedding": random((1, 4096, 256), np.float32),
        "tokens": random((points, POINT_TOKENS, 256), np.float32),
        "token_bias": np.zeros((points, POINT_TOKENS), np.float32),
    }
    blocks = np.arange(GRID * LANDSCAPE[0])
    search = {**prompt, "merged": blocks, "place": blocks.reshape(LANDSCAPE)}
    yield f"decoder, {points} points", mask_decoder(parameters), prompt
    yield f"decoder of the search, {points} points", search_decoder(parameters), search


def _milliseconds(
    network: onnx.ModelProto, inputs: Mapping[str, NDArray[Any]], threads: int, precision: str
) -> dict[str, float]:
    """Median milliseconds of each type of operation in one run."""
    core = import_openvino().Core()
    options = {
        "PERF_COUNT": True,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = core.compile_model(core.read_model(network.SerializeToString()), "CPU", options).create_infer_request()
    request.infer(dict(inputs))
    runs: dict[str, list[float]] = defaultdict(list)
    for _ in range(RUNS):
        request.infer(dict(inputs))
        types: dict[str, float] = defaultdict(float)
        for operation in request.profiling_info:
            types[operation.node_type] += operation.real_time.total_seconds() * 1000
        for name, milliseconds in types.items():
            runs[name].append(milliseconds)
    return {name: statistics.median(times) for name, times in runs.items()}


def _print(name: str, milliseconds: Mapping[str, float]) -> None:
    total = sum(milliseconds.values())
    products = sum(milliseconds.get(each, 0.0) for each in PRODUCTS)
    print(f"\n{name}: {total:.0f} ms, of which products and convolutions {products / total:.0%}")
    for each, spent in sorted(milliseconds.items(), key=lambda item: -item[1]):
        if spent >= 0.01 * total:
            print(f"  {each:<24} {spent:8.1f} ms {spent / total:6.0%}")


if __name__ == "__main__":
    main()
