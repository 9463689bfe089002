"""What models cost: counted in the networks, and noted in the catalogue's facts."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import spox
import spox.opset.ai.onnx.v20 as op
from onnx import TensorProto, helper

from anymask import weights
from anymask.models.cost import encoder_multiply_adds, multiply_adds
from anymask.models.onnx_layers import const, conv
from anymask.models.sam.shapes import ARCHITECTURES, encoder_shapes, random_parameters

KNOWN = (*weights.all_models(), *weights.unpinned_models())
QUICK = ("tinyvit", "repvit-m1", "hiera-tiny")
LONG = ("efficientvit-xl0", "efficientvit-xl1", "hq-vit-h", "vit-l")
"""Half a minute each to emit, or twins of others. XL0 and XL1 are held against what their authors counted."""


def noted(architecture: str) -> float:
    found = {weights.model_facts(name).gmac for name in KNOWN if weights.model_facts(name).architecture == architecture}
    (gmac,) = found
    assert gmac is not None
    return gmac


def test_multiply_adds_of_each_kind_of_product() -> None:
    image = spox.argument(spox.Tensor(np.float32, (1, 4, 10, 20)))
    wide = conv(image, np.ones((8, 4, 3, 3), np.float32), None, pad=1)  # 1600 · 36
    deep = conv(wide, np.ones((8, 1, 3, 3), np.float32), None, pad=1, groups=8)  # 1600 · 9
    large = op.conv_transpose(deep, const(np.ones((8, 2, 2, 2))), strides=[2, 2])  # 1600 · 8
    rows = op.reshape(large, const([40, 40], np.int64))
    product = op.matmul(rows, const(np.ones((40, 5))))  # 200 · 40
    total = op.gemm(product, const(np.ones((3, 5))), transB=1)  # 120 · 5
    model = spox.build({"image": image}, {"total": total})
    assert multiply_adds(model) == 1600 * (36 + 9 + 8) + 200 * 40 + 120 * 5


def test_open_shapes_are_refused() -> None:
    shapes = {"a": ("N", 3), "b": (3, 2), "c": ("N", 2)}
    a, b, c = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "open", [a, b], [c])
    with pytest.raises(ValueError, match="shapes of MatMul '' are not fixed"):
        multiply_adds(helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)]))


@pytest.mark.parametrize("architecture", QUICK)
def test_noted_cost_is_that_of_the_network(architecture: str) -> None:
    assert round(encoder_multiply_adds(random_parameters(architecture)) / 1e9) == noted(architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in (*QUICK, *LONG)])
def test_noted_cost_is_that_of_the_network_of_every_size(architecture: str) -> None:
    assert round(encoder_multiply_adds(random_parameters(architecture)) / 1e9) == noted(architecture)


def test_every_network_of_the_catalogue_has_its_cost_and_a_purpose() -> None:
    for name in KNOWN:
        facts = weights.model_facts(name)
        assert facts.good_at, name
        assert bool(facts.quality) == bool(facts.source), name
        assert (facts.architecture is None) == (facts.gmac is None), name
    assert {weights.model_facts(name).architecture for name in KNOWN} - {None} == set(ARCHITECTURES)
    assert (noted("efficientvit-xl0"), noted("efficientvit-xl1")) == (185, 322)  # as in their README


def test_numbers_of_parameters_are_the_published_ones() -> None:
    millions = {
        name: sum(int(np.prod(shape)) for shape in encoder_shapes(name).values()) / 1e6 for name in ARCHITECTURES
    }
    assert millions["vit-b"] == pytest.approx(89.7, abs=0.1)
    assert millions["vit-h"] == pytest.approx(637.0, abs=0.1)
    assert millions["hiera-large"] == pytest.approx(212.7, abs=0.1)
    assert len({id(array) for array in random_parameters("vit-b").values()}) < 20  # arrays of one shape are one
