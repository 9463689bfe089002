"""Read the parameters of a SAM-family model out of exported ONNX files, under their official names.

An exporter keeps the official name for most parameters and loses it for some: linear layers become
`onnx::MatMul_*` (transposed), convolutions with a folded batch norm `onnx::Conv_*`, layer norms over channels
`onnx::Mul_*` and `onnx::Add_*`. The *node* that uses such a number still carries the module path, and that is
enough to restore its name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError, first_line

_PREFIXES = ("image_encoder.", "prompt_encoder.", "mask_decoder.")
_DECODER_MODULES = ("transformer.", "output_upscaling.", "output_hypernetworks_mlps.", "iou_prediction_head.")
_PROMPT_MODULES = ("mask_downscaling.", "pe_layer.", "point_embeddings.", "not_a_point_embed.")


def read_onnx(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a file's parameters.

    Args:
        path: an ONNX file that holds a model or a part of one, for example its decoder.

    Returns:
        float32 arrays under the names of the official `state_dict`. Batch norms that the exporter folded stay
        folded: a convolution then has a `.bias` and its `.bn.*` entries are missing.

    Raises:
        WeightsError: the file is no ONNX model, or a damaged one.
    """
    try:
        return _read_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file makes protobuf and onnx raise almost anything
        raise WeightsError(f"{path} is no ONNX model, or a damaged one ({first_line(error)})") from error


def _read_file(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return a file's float32 arrays, contiguous and in the official shapes, by official names."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    parameters = {_official_name(name): array for name, array in arrays.items() if "::" not in name}
    for node in graph.node:
        module = _module_path(node.name)
        for position, name in enumerate(node.input):
            if name.startswith("onnx::") and name in arrays:
                parameters.update(_name_initializer(node.op_type, module, position, arrays[name]))
            elif node.op_type == "Add" and module.endswith(".attn") and constants.get(name, _NONE).ndim == 3:
                parameters[_official_name(f"{module}.attention_biases")] = constants[name][:, 0, :]
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in parameters.items()}


_NONE = np.zeros(0, np.float32)


def _name_initializer(
    op_type: str, module: str, position: int, array: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Name one anonymous initializer after the node that consumes it.

    Args:
        op_type: of the node.
        module: path of the node, such as `patch_embed.seq.0.c`.
        position: of the initializer among the node's inputs.
        array: float32, in the shape that the exporter gave it.

    Returns:
        Official name → array in the shape of the official `state_dict`.
    """
    name = _official_name(module)
    if op_type == "MatMul":
        return {f"{name}.weight": array.T}
    if op_type == "Conv":
        return {f"{name}.{'weight' if position == 1 else 'bias'}": array}
    if op_type == "Expand":  # the exporter joined the score token and the mask tokens
        return {
            "mask_decoder.iou_token.weight": array[0, :1],
            "mask_decoder.mask_tokens.weight": array[0, 1:],
        }
    if op_type == "Mul" and not module:
        return {"prompt_encoder.no_mask_embed.weight": array.reshape(1, -1)}
    return {f"{name}.{'weight' if op_type == 'Mul' else 'bias'}": array.reshape(-1)}


def _module_path(node_name: str) -> str:
    """Turn `/patch_embed/seq/seq.0/c/Conv` into `patch_embed.seq.0.c`; a child repeats its container."""
    parts = node_name.split("/")[1:-1]
    children = [*parts[1:], ""]
    return ".".join(p for p, child in zip(parts, children, strict=False) if not child.startswith(f"{p}."))


def _official_name(name: str) -> str:
    name = name.removeprefix("model.")
    if name.startswith(_PREFIXES):
        return name
    if name.startswith(_DECODER_MODULES):
        return f"mask_decoder.{name}"
    if name.startswith(_PROMPT_MODULES):
        return f"prompt_encoder.{name}"
    return f"image_encoder.{name}"
