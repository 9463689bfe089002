"""SAM and SAM 2 as two networks that need no code around them, in the layout of segment-anything's ONNX export.

The encoder resizes, normalises and pads the image itself, and the decoder takes points and labels and gives masks in
the image's size. SAM 2 has two more arrays between them, its finer features, under the names that exports of it use;
HQ-SAM has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from spox import Var

from anymask.models.onnx_layers import const, reshape
from anymask.models.sam.constants import (
    ABSENT,
    GRID,
    HALF_IMAGE,
    IMAGE_SIZE,
    LOGIT_LIMIT,
    NOT_A_POINT,
    PIXEL_DEVIATION,
    PIXEL_MEAN,
    STABILITY_DELTA,
    STABILITY_THRESHOLD,
    TOP_LEFT,
)
from anymask.models.sam.efficientvit import sees_half
from anymask.models.sam.encoders import ENCODERS, encoder_of
from anymask.models.sam.high_quality import FEATURES, has_high_quality
from anymask.models.sam.mask_decoder import MASK_TOKENS, WIDTH, decode_tokens, has_object_score
from anymask.models.sam.prompt_encoder import dense_prompt, sparse_prompt_encoder
from anymask.models.sam.quantization import Arithmetic
from anymask.models.sam.tiny_vit import image_tokens
from anymask.weights.checkpoints.state_dict import StateDict

Selection: TypeAlias = Literal["all", "single", "multi"]
"""Masks of a decoder: all four, the one of `multimask_output=False`, or the three of `multimask_output=True`."""

_HIGH_QUALITY = "high_quality_features"
"""Name of HQ-SAM's finer features."""

_SINGLE_MASK_POINTS = 2.5
"""From more points than this segment-anything's export takes the single mask, else the best of the three."""


def standalone_encoder(p: StateDict) -> onnx.ModelProto:
    """Emit the encoder; of ViT and Hiera without its large weights (see `anymask.engines.external_weights`).

    Input:
        input_image: float32 [H, W, 3], RGB, 0 to 255, of any size.
        image_encoder.….weight: the weights of linear layers, where the encoder has them outside.
    Output:
        image_embeddings: float32 [1, 256, 64, 64].
        high_res_feats_0, high_res_feats_1: float32 [1, 32, 256, 256] and [1, 64, 128, 128], only of SAM 2.
        high_quality_features: float32 [1, 32, 256, 256], only of HQ-SAM.
    """
    image = spox.argument(spox.Tensor(np.float32, ("H", "W", 3)))
    square = _stretched(image) if has_object_score(p) else _padded(image, encoder_side(p))
    tokens, weights = encode_square(square, p)
    return spox.build({"input_image": image, **weights}, feature_maps(tokens))


def square_encoder(p: StateDict) -> onnx.ModelProto:
    """Emit the encoder for an image that is resized, normalised and padded already; weights as of the other one.

    Input:
        image: float32 [1, 3, S, S], S as of `encoder_side`.
    Output: as of `standalone_encoder`.
    """
    side = encoder_side(p)
    image = spox.argument(spox.Tensor(np.float32, (1, 3, side, side)))
    tokens, weights = encode_square(image, p)
    return spox.build({"image": image, **weights}, feature_maps(tokens))


def standalone_decoder(p: StateDict, selection: Selection = "all") -> onnx.ModelProto:
    """Emit the decoder.

    Input, all float32:
        image_embeddings: [1, 256, 64, 64]; of SAM 2 and HQ-SAM also the encoder's other outputs.
        point_coords: [B, N, 2], (x, y) in pixels of the 1,024 square.
        point_labels: [B, N], 1 include, 0 exclude, 2 and 3 the corners of a box, -1 padding. SAM has none where there
            is a box, and ignores it: programs that always add it get the masks of the official predictor, too.
        mask_input: [1 or B, 1, 256, 256], logits of an earlier mask, used where has_mask_input is 1.
        has_mask_input: [1], 0 or 1.
        orig_im_size: [2], height and width of the image.
    Output:
        masks: float32 [B, K, H, W], logits in the image's size: positive is inside. K is 4, 1 or 3.
        iou_predictions: float32 [B, K].
        low_res_masks: float32 [B, K, 256, 256].
        object_score_logits: float32 [B, 1], only of SAM 2: positive means that there is an object.
    """
    inputs = {
        **feature_inputs(p),
        "point_coords": spox.argument(spox.Tensor(np.float32, ("B", "N", 2))),
        "point_labels": spox.argument(spox.Tensor(np.float32, ("B", "N"))),
        "mask_input": spox.argument(spox.Tensor(np.float32, ("M", 1, 4 * GRID, 4 * GRID))),
        "has_mask_input": spox.argument(spox.Tensor(np.float32, (1,))),
        "orig_im_size": spox.argument(spox.Tensor(np.float32, (2,))),
    }
    labels = op.cast(inputs["point_labels"], to=np.int64)
    tokens, finer = token_rows(inputs)
    has_mask, is_sam2 = inputs["has_mask_input"], has_object_score(p)
    kinds = labels if is_sam2 else without_padding_of_boxes(labels)
    prompt = spox.inline(sparse_prompt_encoder(p))(points=inputs["point_coords"], labels=kinds)
    mask = op.clip(inputs["mask_input"], const(-LOGIT_LIMIT), const(LOGIT_LIMIT)) if is_sam2 else inputs["mask_input"]
    without = op.mul(op.sub(const(1.0), has_mask), const(p["prompt_encoder.no_mask_embed.weight"]))
    image = op.add(tokens, op.add(op.mul(has_mask, dense_prompt(mask, p)), without))
    outputs = decode_tokens(image, finer, prompt, p)
    logits, scores = outputs["logits"], outputs["scores"]
    if is_sam2:
        logits, scores = replaced_if_unstable(logits, scores)
        logits = op.clip(logits, const(-LOGIT_LIMIT), const(LOGIT_LIMIT))
    count = op.slice(op.shape(labels), const([1], np.int64), const([2], np.int64))
    logits, scores = _selected(logits, scores, selection, None if is_sam2 else count)
    results = {
        "masks": _in_image_size(logits, inputs["orig_im_size"], at_once=is_sam2),
        "iou_predictions": scores,
        "low_res_masks": logits,
    }
    if is_sam2:
        results["object_score_logits"] = reshape(outputs["object_scores"], [-1, 1])
    model = spox.build(inputs, results)
    masks = {"all": MASK_TOKENS, "single": 1, "multi": MASK_TOKENS - 1}[selection]
    shapes: dict[str, tuple[int | str, ...]] = {
        "masks": ("B", masks, "H", "W"),
        "iou_predictions": ("B", masks),
        "low_res_masks": ("B", masks, 4 * GRID, 4 * GRID),
        "object_score_logits": ("B", 1),
    }
    _name_dimensions(model, shapes)
    return model


def _name_dimensions(model: onnx.ModelProto, shapes: Mapping[str, tuple[int | str, ...]]) -> None:
    """State the shapes of outputs, which are open to the graph itself."""
    for output in model.graph.output:
        del output.type.tensor_type.shape.dim[:]
        for size in shapes[output.name]:
            output.type.tensor_type.shape.dim.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})


def encode_square(square: Var, p: StateDict) -> tuple[Var, dict[str, Var]]:
    """The embedding of the normalised square, as of the encoder's graph, and weights to be inputs.

    Returns:
        [1, 4096, 256], SAM 2's [1, 4096, 1024] or HQ-SAM's [1, 4096, 768]; the weights by name.
    """
    encoder = encoder_of(p)
    if encoder == "tinyvit":
        return image_tokens(square, p, Arithmetic()), {}
    model = ENCODERS[encoder].graph(p)
    weights = {
        each.name: spox.argument(spox.Tensor(np.float32, p[each.name].shape))
        for each in model.graph.input
        if each.name not in ("image", HALF_IMAGE)
    }
    name = "image" if encoder_side(p) == IMAGE_SIZE else HALF_IMAGE
    return spox.inline(model)(**{name: square}, **weights)["embedding"], weights


def encoder_side(p: StateDict) -> int:
    """Side of the square that the encoder takes, in pixels: 1,024, or 512 of small EfficientViTs."""
    return IMAGE_SIZE // 2 if encoder_of(p) == "efficientvit" and sees_half(p) else IMAGE_SIZE


def feature_maps(tokens: Var) -> dict[str, Var]:
    """Image tokens as maps of features, channels first: SAM 2's 1,024 numbers a token are three, HQ-SAM's 768 two."""
    width = tokens.unwrap_tensor().shape[-1]
    if width == WIDTH:
        return {"image_embeddings": _grid(tokens)}
    if width == WIDTH + FEATURES:
        parts = op.split(tokens, const([WIDTH, FEATURES], np.int64), axis=2)
        return {"image_embeddings": _grid(parts[0]), _HIGH_QUALITY: _four_times(parts[1])}
    parts = op.split(tokens, const([WIDTH, WIDTH, 2 * WIDTH], np.int64), axis=2)
    twice = op.transpose(reshape(parts[1], [GRID, GRID, 2, 2, WIDTH // 4]), perm=[4, 0, 2, 1, 3])
    return {
        "image_embeddings": _grid(parts[0]),
        "high_res_feats_0": _four_times(parts[2]),
        "high_res_feats_1": reshape(twice, [1, WIDTH // 4, 2 * GRID, 2 * GRID]),
    }


def feature_inputs(p: StateDict) -> dict[str, Var]:
    """The outputs of `feature_maps` as inputs of a decoder."""
    shapes = {"image_embeddings": (1, WIDTH, GRID, GRID)}
    if has_object_score(p):
        shapes["high_res_feats_0"] = (1, WIDTH // 8, 4 * GRID, 4 * GRID)
        shapes["high_res_feats_1"] = (1, WIDTH // 4, 2 * GRID, 2 * GRID)
    if has_high_quality(p):
        shapes[_HIGH_QUALITY] = (1, FEATURES // 16, 4 * GRID, 4 * GRID)
    return {name: spox.argument(spox.Tensor(np.float32, shape)) for name, shape in shapes.items()}


def token_rows(maps: Mapping[str, Var]) -> tuple[Var, Sequence[Var]]:
    """The inverse of `feature_maps`: image tokens [1, 4096, 256], and the finer features of `decode_tokens`."""
    tokens = rows_of(maps["image_embeddings"])
    if _HIGH_QUALITY in maps:
        return tokens, (_rows_of_four_times(maps[_HIGH_QUALITY]),)
    if "high_res_feats_0" not in maps:
        return tokens, ()
    twice = reshape(maps["high_res_feats_1"], [WIDTH // 4, GRID, 2, GRID, 2])
    twice = reshape(op.transpose(twice, perm=[1, 3, 2, 4, 0]), [1, GRID * GRID, WIDTH])
    return tokens, (twice, _rows_of_four_times(maps["high_res_feats_0"]))


def _four_times(features: Var) -> Var:
    """Features of the 4×4 pixels of each token as a map: [1, 4096, 512] → [1, 32, 256, 256]."""
    apart = reshape(features, [GRID, GRID, 2, 2, 2, 2, FEATURES // 16])
    return reshape(op.transpose(apart, perm=[6, 0, 2, 4, 1, 3, 5]), [1, FEATURES // 16, 4 * GRID, 4 * GRID])


def _rows_of_four_times(grid: Var) -> Var:
    """The inverse of `_four_times`."""
    apart = reshape(grid, [FEATURES // 16, GRID, 2, 2, GRID, 2, 2])
    return reshape(op.transpose(apart, perm=[1, 4, 2, 5, 3, 6, 0]), [1, GRID * GRID, FEATURES])


def rows_of(grid: Var) -> Var:
    """[1, 256, 64, 64] → [1, 4096, 256]."""
    return op.transpose(reshape(grid, [1, WIDTH, GRID * GRID]), perm=[0, 2, 1])


def without_padding_of_boxes(labels: Var) -> Var:
    """Labels int64 [B, N] with padding absent in the prompts that have a box: SAM was not trained with both."""
    has_box = op.greater_or_equal(op.reduce_max(labels, const([1], np.int64), keepdims=1), const(TOP_LEFT, np.int64))
    padding = op.equal(labels, const(NOT_A_POINT, np.int64))
    return op.where(op.and_(has_box, padding), const(ABSENT, np.int64), labels)


def replaced_if_unstable(logits: Var, scores: Var) -> tuple[Var, Var]:
    """SAM 2's masks with the single one replaced by the best of the three where its stability is low.

    Args:
        logits: [B, 4, 256, 256].
        scores: [B, 4].
    """
    single = op.slice(logits, const([0], np.int64), const([1], np.int64), const([1], np.int64))
    inner, outer = (
        op.reduce_sum(op.cast(op.greater(single, const(cut)), to=np.float32), const([1, 2, 3], np.int64), keepdims=0)
        for cut in (STABILITY_DELTA, -STABILITY_DELTA)
    )
    stability = op.where(op.greater(outer, const(0.0)), op.div(inner, op.max([outer, const(1.0)])), const(1.0))
    start, end, axis = const([1], np.int64), const([MASK_TOKENS], np.int64), const([1], np.int64)
    best = op.add(op.arg_max(op.slice(scores, start, end, axis), axis=1, keepdims=1), const(np.array([[1]]), np.int64))
    index = op.where(
        op.unsqueeze(op.less(stability, const(STABILITY_THRESHOLD)), axis), best, const(np.array([[0]]), np.int64)
    )
    first_logits, first_score = _taken(logits, index), _taken(scores, index)
    return (
        op.concat([first_logits, op.slice(logits, start, end, axis)], axis=1),
        op.concat([first_score, op.slice(scores, start, end, axis)], axis=1),
    )


def _grid(tokens: Var) -> Var:
    """[1, 4096, 256] → [1, 256, 64, 64]."""
    return reshape(op.transpose(tokens, perm=[0, 2, 1]), [1, WIDTH, GRID, GRID])


def _padded(image: Var, side: int) -> Var:
    """SAM's square of an image [H, W, 3]: [1, 3, side, side], resized like Pillow, normalised, then padded."""
    size = op.slice(op.shape(image), const([0], np.int64), const([2], np.int64))
    resized = _resized_sides(size, side)
    x = op.unsqueeze(op.transpose(image, perm=[2, 0, 1]), const([0], np.int64))
    height, (rows, columns) = op.split(size, num_outputs=2, axis=0)[0], op.split(resized, num_outputs=2, axis=0)
    # Pillow resizes along x, rounds to whole levels, and then resizes along y.
    x = _round(_resize(x, op.concat([height, columns], axis=0), antialias=True))
    x = _normalised(_round(_resize(x, op.concat([rows, columns], axis=0), antialias=True)))
    beyond = op.sub(const([side, side], np.int64), resized)
    return op.pad(x, op.concat([const([0] * 6, np.int64), beyond], axis=0), const(0.0))


def _stretched(image: Var) -> Var:
    """SAM 2's square of an image [H, W, 3]: [1, 3, 1024, 1024], stretched without rounding, and normalised."""
    x = op.unsqueeze(op.transpose(image, perm=[2, 0, 1]), const([0], np.int64))
    return _normalised(_resize(x, const([IMAGE_SIZE, IMAGE_SIZE], np.int64), antialias=True))


def _normalised(x: Var) -> Var:
    mean, deviation = (const(each.reshape(1, 3, 1, 1)) for each in (PIXEL_MEAN, PIXEL_DEVIATION))
    return op.div(op.sub(x, mean), deviation)


def _round(x: Var) -> Var:
    """Half up, like Pillow."""
    return op.floor(op.add(x, const(0.5)))


def _resized_sides(size: Var, side: int = IMAGE_SIZE) -> Var:
    """(rows, columns) of an image of this (height, width) in the square, int64 [2], as `get_preprocess_shape`."""
    sides = op.cast(size, to=np.float64)
    scale = op.div(const(side, np.float64), op.reduce_max(sides, keepdims=1))
    return op.cast(op.floor(op.add(op.mul(sides, scale), const(0.5, np.float64))), to=np.int64)


def _resize(x: Var, size: Var, antialias: bool = False) -> Var:
    """Resize [B, C, H, W] bilinearly to (rows, columns), int64 [2]."""
    before = op.slice(op.shape(x), const([0], np.int64), const([2], np.int64))
    return op.resize(
        x,
        sizes=op.concat([before, size], axis=0),
        antialias=int(antialias),
        exclude_outside=int(antialias),
        coordinate_transformation_mode="half_pixel",
        mode="linear",
    )


def _selected(logits: Var, scores: Var, selection: Selection, points: Var | None) -> tuple[Var, Var]:
    """The masks of a selection.

    Args:
        logits: [B, 4, 256, 256].
        scores: [B, 4].
        selection: which.
        points: int64 [1], number of points with padding, for the single mask of SAM as `SamOnnxModel.select_masks`
            takes it; None: the single mask is the first.
    """
    if selection == "all":
        return logits, scores
    start, end = (0, 1) if selection == "single" else (1, MASK_TOKENS)
    if selection == "single" and points is not None:
        first = np.array([[1000.0, 0, 0, 0]])
        many = op.greater(op.cast(points, to=np.float32), const(_SINGLE_MASK_POINTS))
        weight = op.where(many, const(first), const(-first))
        index = op.arg_max(op.add(scores, weight), axis=1, keepdims=1)
        return _taken(logits, index), _taken(scores, index)
    bounds = const([start], np.int64), const([end], np.int64), const([1], np.int64)
    return op.slice(logits, *bounds), op.slice(scores, *bounds)


def _taken(x: Var, index: Var) -> Var:
    """One of the masks of each prompt: [B, K, ...] and index int64 [B, 1] → [B, 1, ...]."""
    return op.unsqueeze(op.gather_nd(x, index, batch_dims=1), const([1], np.int64))


def _in_image_size(logits: Var, size: Var, at_once: bool) -> Var:
    """Logits [B, K, 256, 256] in the image's size, float32 [2] of height and width: [B, K, H, W]."""
    size = op.cast(size, to=np.int64)
    if not at_once:
        logits = _resize(logits, const([IMAGE_SIZE, IMAGE_SIZE], np.int64))
        logits = op.slice(logits, const([0, 0], np.int64), _resized_sides(size), const([2, 3], np.int64))
    return _resize(logits, size)
