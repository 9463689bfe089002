"""The image encoders that stand under SAM's decoder, each declared in one place.

To add one, write the function that emits its graph, in a module beside this one, and declare it here: by which
parameter its checkpoints are recognised, and which parameters they may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from anymask.errors import ModelError

if TYPE_CHECKING:
    import onnx

    from anymask.weights.checkpoints.state_dict import StateDict

_WB = r"\.(?:weight|bias)"
_NORM = r"(?:weight|bias|running_mean|running_var|num_batches_tracked)"
_SAM_NECK = rf"image_encoder\.neck\.[0-3]{_WB}"


@dataclass(frozen=True)
class ImageEncoder:
    """An image encoder.

    Attributes:
        build: "module.function" in `anymask.models`, parameters → the ONNX graph.
        mark: a parameter that only checkpoints with this encoder have.
        parameters: regular expressions of the names that its checkpoints may have, beside the decoder's.
        shapes: name → shape of parameters that must fit the decoder.
        family: the catalogue's name of the model family.
        is_large: whether the graph takes its weights as inputs, see `anymask.engines.external_weights`.
    """

    build: str
    mark: str
    parameters: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    family: str = "sam"
    is_large: bool = False

    def graph(self, parameters: StateDict) -> onnx.ModelProto:
        """Build the graph of the encoder."""
        module, _, function = self.build.rpartition(".")
        graph: onnx.ModelProto = getattr(import_module(f"anymask.models.{module}"), function)(parameters)
        return graph


_NECK_SHAPE = {"image_encoder.neck.2.weight": (256, 256, 3, 3)}

ENCODERS = {
    "vit": ImageEncoder(
        "sam.vit.vit_encoder",
        "image_encoder.blocks.0.attn.qkv.weight",
        (
            r"image_encoder\.pos_embed",
            rf"image_encoder\.patch_embed\.proj{_WB}",
            rf"image_encoder\.blocks\.\d+\.(?:norm[12]|attn\.(?:qkv|proj)|mlp\.lin[12]){_WB}",
            r"image_encoder\.blocks\.\d+\.attn\.rel_pos_[hw]",
            _SAM_NECK,
        ),
        _NECK_SHAPE,
        is_large=True,
    ),
    "tinyvit": ImageEncoder(
        "sam.tiny_vit.tinyvit_trunk",
        "image_encoder.patch_embed.seq.0.c.weight",
        (
            rf"image_encoder\.patch_embed\.seq\.\d+\.(?:c{_WB}|bn\.{_NORM})",
            rf"image_encoder\.layers\.\d+\.(?:blocks\.\d+|downsample)\.(?:conv[1-3]|local_conv)\.(?:c{_WB}|bn\.{_NORM})",
            rf"image_encoder\.layers\.\d+\.blocks\.\d+\.(?:attn\.(?:norm|qkv|proj)|mlp\.(?:norm|fc1|fc2)){_WB}",
            r"image_encoder\.layers\.\d+\.blocks\.\d+\.attn\.attention_bias(?:es|_idxs)",
            rf"image_encoder\.(?:norm_head|head){_WB}",  # of the classifier it was pre-trained as
            _SAM_NECK,
        ),
        _NECK_SHAPE,
    ),
    "repvit": ImageEncoder(
        "sam.repvit.repvit_encoder",
        "image_encoder.features.0.0.c.weight",
        (
            rf"image_encoder\.features\.\d+\.(?:token_mixer\.|channel_mixer\.m\.)?\d+(?:\.conv1?)?\.(?:c{_WB}|bn\.{_NORM})",
            rf"image_encoder\.features\.\d+\.token_mixer\.1\.fc[12]{_WB}",
            r"image_encoder\.fuse_stage(?:2|3\.op_list\.0)\.weight",
            _SAM_NECK,
        ),
        _NECK_SHAPE,
    ),
    "efficientvit": ImageEncoder(
        "sam.efficientvit.efficientvit_encoder",
        "image_encoder.backbone.stages.0.op_list.0.conv.weight",
        (
            rf"image_encoder\.(?:backbone\.stages|neck)\..+\.(?:conv{_WB}|norm\.{_NORM})",
            r"image_encoder\.backbone\.stages\.\d+\.op_list\.\d+\.context_module\.main\.aggreg\.\d+\.[01]\.weight",
            rf"image_encoder\.norm{_WB}",
        ),
        {"image_encoder.norm.weight": (256,)},
    ),
    "hiera": ImageEncoder(
        "sam2.hiera.hiera_encoder",
        "image_encoder.trunk.patch_embed.proj.weight",
        (
            r"image_encoder\.trunk\.pos_embed(?:_window)?",
            rf"image_encoder\.trunk\.patch_embed\.proj{_WB}",
            rf"image_encoder\.trunk\.blocks\.\d+\.(?:norm[12]|proj|attn\.(?:qkv|proj)|mlp\.layers\.[01]){_WB}",
            rf"image_encoder\.neck\.convs\.[0-3]\.conv{_WB}",
            r"no_mem_embed",
            r"mask_decoder\.obj_score_token\.weight",
            rf"mask_decoder\.(?:conv_s[01]|pred_obj_score_head\.layers\.[0-2]){_WB}",
            # The memory of earlier frames of a video, of sam2 and of transformers: an image has none.
            r"(?:memory_attention|memory_encoder|mask_downsample|obj_ptr_proj|obj_ptr_tpos_proj|object_pointer_proj"
            r"|temporal_positional_encoding_projection_layer)\..+",
            r"maskmem_tpos_enc|memory_temporal_positional_encoding|no_mem_pos_enc|no_memory_positional_encoding"
            r"|no_obj_ptr|no_object_pointer|no_obj_embed_spatial|occlusion_spatial_embedding_parameter",
        ),
        {"image_encoder.neck.convs.3.conv.bias": (256,)},
        family="sam2",
        is_large=True,
    ),
}
"""By name. The decoder of SAM stands above all of them; that of SAM 2 has additions, see
`anymask.models.sam.mask_decoder`."""


def encoder_of(parameters: StateDict) -> str:
    """The name of a checkpoint's image encoder.

    Raises:
        ModelError: none that this version has, or more than one.
    """
    names = [name for name, encoder in ENCODERS.items() if encoder.mark in parameters]
    if len(names) != 1:
        raise ModelError(
            f"{parameters.source} is no checkpoint of SAM or SAM 2: it has no image encoder that this version supports "
            f"({', '.join(ENCODERS)})"
        )
    return names[0]
