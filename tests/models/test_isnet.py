"""The network that finds the subject: what goes in, what comes out, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from anymask.engines.loading import load_engine
from anymask.errors import ModelError
from anymask.models.isnet import IsNet
from tests.support.small_isnet import SIDE, write_red_finder


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_image_goes_in_as_a_square_around_zero_and_the_finest_map_comes_out(engine: str, tmp_path: Path) -> None:
    network = IsNet([write_red_finder(tmp_path / "net.onnx")], "key", load_engine(engine, precision="f32"))
    pixels = np.full((30, 90, 3), 40, np.uint8)
    pixels[:, 45:, 0] = 255
    found = network.subject_map(pixels)
    assert (found.shape, found.dtype) == ((SIDE, SIDE), np.float32)
    assert np.allclose(found[:, :28], 40 / 255, atol=0.01)
    assert np.allclose(found[:, 36:], 1, atol=0.01)
    network.release()
    assert np.array_equal(network.subject_map(pixels), found)


def test_other_files_are_refused_with_what_would_be_right(tmp_path: Path) -> None:
    path = write_red_finder(tmp_path / "net.onnx")
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=r"no ISNet export: .* \[1, 4, 64, 64\] .* expected are \[1, 3, N, N\]"):
        IsNet([path], "key", load_engine())
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ModelError, match="cannot be read as an ONNX file"):
        IsNet([tmp_path / "text.onnx"], "key", load_engine())
    with pytest.raises(ModelError, match=r"takes one ONNX export, not net\.pth"):
        IsNet([tmp_path / "net.pth"], "key", load_engine())
