"""SAM and SAM 2 as the two networks that transformers.js loads (`SamModel`, `Sam2Model`), and their configuration.

Names and shapes are those of its sources (`models/sam`, `models/sam2`): it resizes, normalises and pads the image and
enlarges the masks itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from spox import Var

from anymask.models.onnx_layers import const, reshape
from anymask.models.sam.constants import ABSENT, BOTTOM_RIGHT, GRID, IMAGE_SIZE, NOT_A_POINT, TOP_LEFT
from anymask.models.sam.mask_decoder import WIDTH, decode_tokens, has_object_score
from anymask.models.sam.prompt_encoder import dense_position, sparse_prompt_encoder
from anymask.models.sam.standalone import (
    encode_square,
    feature_inputs,
    feature_maps,
    rows_of,
    token_rows,
    without_padding_of_boxes,
)
from anymask.models.sam.tiny_vit import square_input
from anymask.weights.checkpoints.state_dict import StateDict

_IGNORED = -10
"""transformers' label of a point that is ignored."""

_LEVELS = {"high_res_feats_0": "image_embeddings.0", "high_res_feats_1": "image_embeddings.1"}
_LEVELS["image_embeddings"] = "image_embeddings.2"
"""Names of SAM 2's maps of features in transformers.js."""


def vision_encoder(p: StateDict) -> onnx.ModelProto:
    """Emit the encoder; of ViT and Hiera without its large weights (see `anymask.engines.external_weights`).

    Input:
        pixel_values: float32 [1, 3, 1024, 1024], resized, normalised and padded.
    Output:
        SAM: image_embeddings and image_positional_embeddings, float32 [1, 256, 64, 64].
        SAM 2: image_embeddings.0, .1 and .2, float32 [1, 32, 256, 256], [1, 64, 128, 128] and [1, 256, 64, 64].
    """
    pixels = square_input()
    tokens, weights = encode_square(pixels, p)
    maps = feature_maps(tokens)
    if has_object_score(p):
        outputs = {name: maps[own] for own, name in _LEVELS.items()}
    else:
        position = dense_position(p).T.reshape(1, WIDTH, GRID, GRID)
        outputs = {**maps, "image_positional_embeddings": const(position)}
    return spox.build({"pixel_values": pixels, **weights}, outputs)


def prompt_encoder_mask_decoder(p: StateDict) -> onnx.ModelProto:
    """Emit the decoder, which gives the three masks of `multimask_output=True`.

    Input:
        the outputs of `vision_encoder`.
        input_points: float32 [1, P, N, 2], (x, y) in pixels of the 1,024 square: P prompts of N points.
        input_labels: int64 [1, P, N], 1 include, 0 exclude, -1 padding, -10 ignored; of SAM also 2 and 3, the corners
            of a box.
        input_boxes: float32 [1, P, 4], only of SAM 2: corners; P or N may be 0 as transformers.js passes them.
    Output:
        iou_scores: float32 [1, P, 3].
        pred_masks: float32 [1, P, 3, 256, 256], logits.
        object_score_logits: float32 [1, P, 1], only of SAM 2.
    """
    return _sam2_decoder(p) if has_object_score(p) else _sam_decoder(p)


def processor_files(p: StateDict) -> dict[str, dict[str, Any]]:
    """File name → content of the JSON files that transformers.js reads beside the networks."""
    is_sam2 = has_object_score(p)
    name = "Sam2" if is_sam2 else "Sam"
    config: dict[str, Any] = {"architectures": [f"{name}Model"], "model_type": name.lower()}
    square = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    if is_sam2:
        config["vision_config"] = {"model_type": "sam2_vision_model", "num_feature_levels": len(_LEVELS)}
    preprocessor = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_pad": not is_sam2,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "image_processor_type": f"{name}ImageProcessor",
        "processor_class": f"{name}Processor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": square if is_sam2 else {"longest_edge": IMAGE_SIZE},
    }
    if not is_sam2:
        preprocessor["pad_size"] = square
    return {"config.json": config, "preprocessor_config.json": preprocessor}


def _sam_decoder(p: StateDict) -> onnx.ModelProto:
    maps = feature_inputs(p)
    position = spox.argument(spox.Tensor(np.float32, (1, WIDTH, GRID, GRID)))
    points, labels = _point_inputs()
    flat_points, flat_labels = _flat(points, labels)
    prompt = _prompt(flat_points, flat_labels, p, boxes_are_padded=False)
    image = op.add(rows_of(maps["image_embeddings"]), const(p["prompt_encoder.no_mask_embed.weight"]))
    outputs = decode_tokens(image, (), prompt, p, rows_of(position))
    inputs = {"input_points": points, "input_labels": labels, **maps, "image_positional_embeddings": position}
    return spox.build(inputs, _three_masks(outputs["logits"], outputs["scores"]))


def _sam2_decoder(p: StateDict) -> onnx.ModelProto:
    maps = feature_inputs(p)
    points, labels = _point_inputs()
    boxes = spox.argument(spox.Tensor(np.float32, (1, "boxes", 4)))
    flat_points, flat_labels = _with_boxes(*_flat(points, labels), reshape(boxes, [-1, 2, 2]))
    prompt = _prompt(flat_points, flat_labels, p, boxes_are_padded=True)
    tokens, finer = token_rows(maps)
    image = op.add(tokens, const(p["prompt_encoder.no_mask_embed.weight"]))
    outputs = decode_tokens(image, finer, prompt, p)
    inputs = {"input_points": points, "input_labels": labels, "input_boxes": boxes}
    inputs |= {_LEVELS[name]: each for name, each in maps.items()}
    results = _three_masks(outputs["logits"], outputs["scores"])
    return spox.build(inputs, {**results, "object_score_logits": reshape(outputs["object_scores"], [1, -1, 1])})


def _point_inputs() -> tuple[Var, Var]:
    points = spox.argument(spox.Tensor(np.float32, (1, "prompts", "points", 2)))
    return points, spox.argument(spox.Tensor(np.int64, (1, "prompts", "points")))


def _flat(points: Var, labels: Var) -> tuple[Var, Var]:
    """[1, P, N, 2] and [1, P, N] → [P, N, 2] and [P, N] with our label of ignored points."""
    axis = const([0], np.int64)
    labels = op.squeeze(labels, axis)
    ignored = op.equal(labels, const(_IGNORED, np.int64))
    return op.squeeze(points, axis), op.where(ignored, const(ABSENT, np.int64), labels)


def _with_boxes(points: Var, labels: Var, boxes: Var) -> tuple[Var, Var]:
    """Points [P, N, 2], their labels [P, N], and boxes [Q, 2, 2] as points [B, N + 2, 2] and labels [B, N + 2].

    B is the larger of P and Q; Q is 0 or B, and P is 1 or B.
    """
    count = op.slice(op.shape(boxes), const([0], np.int64), const([1], np.int64))
    prompts = op.max([op.slice(op.shape(points), const([0], np.int64), const([1], np.int64)), count])
    n = op.slice(op.shape(points), const([1], np.int64), const([2], np.int64))
    points = op.expand(points, op.concat([prompts, n, const([2], np.int64)], axis=0))
    labels = op.expand(labels, op.concat([prompts, n], axis=0))
    missing = op.sub(prompts, count)
    absent = op.expand(const(0.0), op.concat([missing, const([2, 2], np.int64)], axis=0))
    corners = op.expand(
        const(np.array([[TOP_LEFT, BOTTOM_RIGHT]]), np.int64), op.concat([count, const([2], np.int64)], axis=0)
    )
    no_corners = op.expand(const(ABSENT, np.int64), op.concat([missing, const([2], np.int64)], axis=0))
    return (
        op.concat([points, op.concat([boxes, absent], axis=0)], axis=1),
        op.concat([labels, op.concat([corners, no_corners], axis=0)], axis=1),
    )


def _prompt(points: Var, labels: Var, p: StateDict, boxes_are_padded: bool) -> dict[str, Var]:
    """The prompt's tokens of points [P, N, 2] and labels [P, N], with one padding point more."""
    count = op.slice(op.shape(labels), const([0], np.int64), const([1], np.int64))
    one = op.concat([count, const([1], np.int64)], axis=0)
    last = op.expand(const(0.0), op.concat([one, const([2], np.int64)], axis=0))
    labels = op.concat([labels, op.expand(const(NOT_A_POINT, np.int64), one)], axis=1)
    labels = labels if boxes_are_padded else without_padding_of_boxes(labels)
    return dict(spox.inline(sparse_prompt_encoder(p))(points=op.concat([points, last], axis=1), labels=labels))


def _three_masks(logits: Var, scores: Var) -> dict[str, Var]:
    """The last three of four masks, with a batch of one image."""
    bounds, batch = (const([1], np.int64), const([4], np.int64), const([1], np.int64)), const([0], np.int64)
    return {
        "iou_scores": op.unsqueeze(op.slice(scores, *bounds), batch),
        "pred_masks": op.unsqueeze(op.slice(logits, *bounds), batch),
    }
