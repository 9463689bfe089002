"""The official parameters of MobileSAM, read back out of the two ONNX files.

The export renamed linear layers, folded every batch norm into its convolution, expanded the attention biases
and joined the output tokens. This module undoes all of that by the names of the ONNX *nodes*, which still
follow the official module tree. It shares no code with the library on purpose: were both to use one mapping,
a mistake in it would cancel out in every comparison.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

BATCH_NORM_EPSILON = 1e-5
CONV_BN = re.compile(r"\.c$")


def read_official_parameters(encoder_onnx: Path, decoder_onnx: Path) -> dict[str, NDArray[Any]]:
    """Read both files into one dict of float32 arrays under the names of the official state dict.

    Attention biases are left expanded, as `….attn.attention_biases_expanded` [heads, N, N]; the model's own
    index table is needed to shrink them (see `benchmarks.peers.workers.official_model.build`).

    Args:
        encoder_onnx: the image encoder.
        decoder_onnx: the prompt encoder and mask decoder.
    """
    parameters = {f"image_encoder.{name}": array for name, array in _read(encoder_onnx).items()}
    for name, array in _read(decoder_onnx).items():
        parameters[_decoder_name(name)] = array
    _split_output_tokens(parameters)
    return parameters


def _read(path: Path) -> dict[str, NDArray[Any]]:
    graph = onnx.load(path).graph
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    parameters = {name: array for name, array in initializers.items() if not name.startswith("onnx::")}
    for node in graph.node:
        parameters.update(_parameters_of(node, initializers, constants))
    return parameters


def _parameters_of(
    node: onnx.NodeProto, initializers: dict[str, NDArray[Any]], constants: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """What this node says about renamed parameters; empty for the many nodes that hold none."""
    module = _module_of(node.name)
    renamed = [initializers[name] for name in node.input if name.startswith("onnx::") and name in initializers]
    if node.op_type == "Conv" and CONV_BN.search(module):
        return _unfolded_batch_norm(module, *renamed)
    if node.op_type == "MatMul" and renamed:
        return {f"{module}.weight": np.ascontiguousarray(renamed[0].T)}
    if node.op_type == "Add" and module.endswith(".attn"):
        bias = next(constants[name] for name in node.input if name in constants)
        return {f"{module}.attention_biases_expanded": bias}
    if node.op_type in ("Mul", "Add") and renamed and module:
        # LayerNorm2d writes its scale and shift as [C, 1, 1].
        return {f"{module}.{'weight' if node.op_type == 'Mul' else 'bias'}": renamed[0].reshape(-1)}
    if node.op_type == "Mul" and renamed:
        return {"no_mask_embed.weight": renamed[0].reshape(1, -1)}
    if node.op_type == "Expand" and renamed:
        return {"output_tokens": renamed[0][0]}
    return {}


def _module_of(node_name: str) -> str:
    """The official module a node belongs to: `/patch_embed/seq/seq.0/c/Conv` → `patch_embed.seq.0.c`."""
    scopes = node_name.strip("/").split("/")[:-1]
    # A Sequential or ModuleList appears twice: once by itself, once in its child's name.
    leaves = [scope for scope, child in pairwise([*scopes, ""]) if not child.startswith(f"{scope}.")]
    return ".".join(leaves)


def _unfolded_batch_norm(module: str, weight: NDArray[Any], bias: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """A convolution without bias, and a batch norm that does nothing but add the folded bias."""
    batch_norm = f"{module[: -len('.c')]}.bn"
    channels = len(bias)
    return {
        f"{module}.weight": weight,
        f"{batch_norm}.weight": np.ones(channels, np.float32),
        f"{batch_norm}.bias": bias,
        f"{batch_norm}.running_mean": np.zeros(channels, np.float32),
        f"{batch_norm}.running_var": np.full(channels, 1 - BATCH_NORM_EPSILON, np.float32),
    }


def _decoder_name(name: str) -> str:
    name = name.removeprefix("model.")
    if name.startswith(("mask_decoder.", "prompt_encoder.")):
        return name
    owner = "prompt_encoder" if name.startswith(("mask_downscaling", "no_mask_embed")) else "mask_decoder"
    return f"{owner}.{name}"


def _split_output_tokens(parameters: dict[str, NDArray[Any]]) -> None:
    tokens = parameters.pop("mask_decoder.output_tokens")
    parameters["mask_decoder.iou_token.weight"] = tokens[:1]
    parameters["mask_decoder.mask_tokens.weight"] = tokens[1:]
