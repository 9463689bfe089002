"""Official names for the parameters of an export."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from anymask.weights import ensure
from anymask.weights.checkpoints.onnx import read_onnx
from anymask.weights.checkpoints.state_dict import read_state_dict


@pytest.fixture(scope="module")
def mobile_sam():
    return read_state_dict(ensure("mobile-sam").values())


def test_every_parameter_of_mobile_sam_gets_its_official_name(mobile_sam):
    assert len(mobile_sam) == 327
    assert all(name.startswith(("image_encoder.", "prompt_encoder.", "mask_decoder.")) for name in mobile_sam)
    assert not any("onnx" in name or "/" in name for name in mobile_sam)
    assert {array.dtype for array in mobile_sam.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("image_encoder.patch_embed.seq.0.c.weight", (32, 3, 3, 3)),
        ("image_encoder.layers.2.blocks.5.attn.qkv.weight", (480, 160)),
        ("image_encoder.layers.2.blocks.5.attn.attention_biases", (5, 196)),
        ("image_encoder.neck.3.bias", (256,)),
        ("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", (2, 128)),
        ("prompt_encoder.no_mask_embed.weight", (1, 256)),
        ("prompt_encoder.mask_downscaling.4.weight", (16,)),
        ("mask_decoder.iou_token.weight", (1, 256)),
        ("mask_decoder.mask_tokens.weight", (4, 256)),
        ("mask_decoder.transformer.layers.1.mlp.lin1.weight", (2048, 256)),
        ("mask_decoder.transformer.final_attn_token_to_image.k_proj.weight", (128, 256)),
        ("mask_decoder.output_upscaling.1.weight", (64,)),
        ("mask_decoder.output_hypernetworks_mlps.3.layers.2.weight", (32, 256)),
    ],
)
def test_shapes_are_those_of_the_official_state_dict(mobile_sam, name, shape):
    assert mobile_sam[name].shape == shape


def test_linear_weights_come_back_in_torch_orientation(tmp_path):
    """Exporters write `x @ weight.T` with the transposed weight under an anonymous name."""
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    node = helper.make_node(
        "MatMul", ["x", "onnx::MatMul_7"], ["y"], name="/transformer/layers.0/self_attn/q_proj/MatMul"
    )
    graph = helper.make_graph(
        [node],
        "export",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(np.ascontiguousarray(weight.T), "onnx::MatMul_7")],
    )
    path = tmp_path / "export.onnx"
    onnx.save(helper.make_model(graph), path)
    parameters = read_onnx(path)
    assert list(parameters) == ["mask_decoder.transformer.layers.0.self_attn.q_proj.weight"]
    assert np.array_equal(next(iter(parameters.values())), weight)
