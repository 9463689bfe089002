"""ONNX models as files: large weights go into a file of their own beside the model, `NAME.onnx_data`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anymask.engines.external_weights import as_aligned

if TYPE_CHECKING:
    import onnx

    from anymask.export.networks import Network

ALIGNMENT = 4096
"""Offsets in the file of weights are multiples of it, so that programs can map them into memory."""

DATA_SUFFIX = "_data"
"""Added to the model's name; transformers.js looks for this one."""


def write_network(network: Network, folder: Path) -> list[str]:
    """Write one network, and its weights if it has them outside; returns the names of the files."""
    model = network.emit()
    name = f"{network.name}.onnx"
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    outside = [each.name for each in model.graph.input if each.name in network.weights]
    if not outside:
        path.write_bytes(model.SerializeToString())
        return [name]
    kept = [each for each in model.graph.input if each.name not in outside]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    with path.with_name(path.name + DATA_SUFFIX).open("wb") as stream:
        for each in outside:
            _append(model, each, as_aligned(network.weights[each]), stream, path.name + DATA_SUFFIX)
    path.write_bytes(model.SerializeToString())
    return [name, name + DATA_SUFFIX]


def write_metadata(path: Path, values: Mapping[str, str]) -> None:
    """Add text to the metadata of an ONNX model; its file of weights stays as it is."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    stated = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(model, {**stated, **values})
    path.write_bytes(model.SerializeToString())


def _append(model: onnx.ModelProto, name: str, array: NDArray[np.float32], stream: BinaryIO, location: str) -> None:
    """Write an array of float32 to the file of weights, and make it an initializer of the model."""
    import onnx

    stream.write(b"\0" * (-stream.tell() % ALIGNMENT))
    offset = stream.tell()
    array.tofile(stream)
    tensor = model.graph.initializer.add(
        name=name, data_type=onnx.TensorProto.FLOAT, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in {"location": location, "offset": offset, "length": array.nbytes}.items():
        tensor.external_data.add(key=key, value=str(value))
