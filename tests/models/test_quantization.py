"""Products in int8: what they cost on numbers that are known, and that engines really compute in int8."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import onnx
import pytest
import spox

import anymask
from anymask.engines.loading import load_engine
from anymask.engines.registry import ENGINES
from anymask.errors import EngineError, ModelError
from anymask.models.base import load_model
from anymask.models.sam.quantization import Arithmetic, Int8, known_ranges, steps, weight_scales

RNG = np.random.default_rng(0)
PARAMETERS = {
    "fc.weight": RNG.standard_normal((32, 64)).astype(np.float32) * RNG.uniform(0.01, 3, (32, 1)).astype(np.float32),
    "fc.bias": RNG.standard_normal(32).astype(np.float32),
}
INPUT = RNG.uniform(-0.5, 3, (200, 64)).astype(np.float32)


def layer(arithmetic: Arithmetic) -> onnx.ModelProto:
    x = spox.argument(spox.Tensor(np.float32, ("N", 64)))
    return spox.build({"x": x}, {"y": arithmetic.linear(x, PARAMETERS, "fc")})


def run(name: str, arithmetic: Arithmetic, precision: str) -> np.ndarray:
    return load_engine(name, precision=precision, threads=1).compile("layer", lambda: layer(arithmetic))(x=INPUT)["y"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_layer_with_a_range_is_off_by_its_steps_and_no_more(name: str) -> None:
    exact = INPUT @ PARAMETERS["fc.weight"].T + PARAMETERS["fc.bias"]
    found = run(name, Int8({"fc": (-0.5, 3.0)}), "int8")
    # Each of 64 products is off by half a step of the input and half a step of the weight, at random.
    weights = PARAMETERS["fc.weight"]
    step = np.sqrt(64 / 12) * (steps(-0.5, 3.0)[0] * np.abs(weights).max(1) + 3 * weight_scales(weights))
    error = np.abs(found - exact)
    assert (error <= 5 * step + 0.01 * np.abs(exact).max()).all()
    assert error.max() > 1e-4 * np.abs(exact).max(), "nothing was rounded"


@pytest.mark.parametrize("name", ENGINES)
def test_values_outside_the_range_are_clipped(name: str) -> None:
    clipped = np.minimum(INPUT, 1.0) @ PARAMETERS["fc.weight"].T + PARAMETERS["fc.bias"]
    found = run(name, Int8({"fc": (-0.5, 1.0)}), "int8")
    assert np.abs(found - clipped).max() < 0.05 * np.abs(clipped).max()


def test_a_layer_without_a_range_stays_as_it_is() -> None:
    assert np.array_equal(run("onnxruntime", Int8({}), "f32"), run("onnxruntime", Arithmetic(), "f32"))


@pytest.mark.parametrize("shape", [(9, 64), (9, 7), (9, 6, 3, 3), (9, 1, 3, 3)])
def test_two_neighbours_never_overflow_16_bits_on_processors_without_vnni(shape: tuple[int, ...]) -> None:
    for weights in (RNG.standard_normal(shape), np.ones(shape), -np.ones(shape), np.zeros(shape)):
        scales = weight_scales(weights.astype(np.float32))
        whole = np.rint(weights / scales.reshape(-1, *[1] * (len(shape) - 1)))
        assert np.abs(whole).max() <= 127
        largest = whole[:, 0::2].copy()
        largest[:, : shape[1] // 2] += whole[:, 1::2]  # one sign each, or smaller than the larger of them
        assert 255 * np.abs(largest).max() < 2**15
    assert np.abs(np.rint(np.ones(2) / weight_scales(np.ones((1, 2), np.float32)))).sum() >= 127, "too cautious"


def test_zero_is_one_of_the_steps() -> None:
    for low, high in ((-0.17, 4.1), (0.0, 2.0), (-3.0, 0.0), (-6.5, 6.1)):
        scale, zero = steps(low, high)
        assert 0 <= zero <= 255
        assert abs((0 - zero) * scale - low) <= scale / 2 + 1e-9


def test_openvino_computes_marked_layers_in_int8() -> None:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(layer(Int8({"fc": (-0.5, 3.0)})).SerializeToString()), "CPU")
    nodes = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    products = [info["runtimePrecision"].value for info in nodes if info["layerType"].value == "FullyConnected"]
    assert products == ["u8"]


def test_the_table_belongs_to_the_default_model_and_to_its_layers() -> None:
    key = anymask.load("mobile-sam", store=False).weights
    ranges = known_ranges(key)
    assert ranges
    assert all(low <= 0 < high for low, high in ranges.values())
    assert known_ranges("0" * 64) is None
    assert len((files("anymask.models.sam") / "int8.json").read_bytes()) < 10_000
    assert json.loads((files("anymask.models.sam") / "int8.json").read_text())[key]["model"] == "mobile-sam"


def test_weights_without_a_table_are_one_clear_line() -> None:
    engine = load_engine("openvino", precision="int8")
    with pytest.raises(ModelError, match="int8 has been measured for mobile-sam only"):
        load_model("sam", {}, "0" * 64, engine)


@pytest.mark.parametrize("device", ["cuda", "coreml"])
def test_int8_is_refused_elsewhere_than_on_the_cpu(device: str) -> None:
    with pytest.raises(EngineError, match="int8 runs on the CPU here"):
        load_engine("onnxruntime", precision="int8", device=device)
