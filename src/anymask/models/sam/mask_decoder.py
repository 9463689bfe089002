"""SAM's mask decoder: a two-way transformer between prompt tokens and image tokens, then upscaling.

Computes `MaskDecoder` and `TwoWayTransformer` of segment-anything in another order of operations.
A prompt has T ≈ 7 tokens and the image 4,096, so the official order, which projects all 4,096 image tokens to
keys, values and queries for every prompt, spends most time on work that does not depend on the prompt. Three
identities move the work to the prompt tokens:

- scores  q·(X·Wk)ᵀ = (q·Wkᵀ)·Xᵀ: project the query, not the image. The key bias shifts all scores of a query alike
  and vanishes in the softmax.
- values  A·(X·Wv)·Wo = (A·X)·(Wv·Wo): average the image tokens first, project the few averages afterwards.
- image ← tokens  A·(V·Wo): multiply the few values by the output projection first.

With 8 heads and T tokens each of these costs 4096·8T·256 multiplications instead of 4096·128·256, and no array of
4,096 projected tokens is written. In the first layer the image tokens do not depend on the prompt at all, and
the batch shares one copy of them.

SAM 2's decoder is the same with additions (`MaskDecoder` of sam2): a token for the score of the object, a sigmoid for
predicted IoU, and finer features that are added while upscaling. HQ-SAM's has one more token and a mask of it that is
added to the others. They are computed where the parameters have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
from spox import Var

from anymask.models.onnx_layers import Parameters, const, double, image_norm, layer_norm, linear, mlp, reshape
from anymask.models.sam.constants import GRID, LEVEL_SIZES, LEVELS
from anymask.models.sam.high_quality import FEATURES, has_high_quality, high_quality_logits
from anymask.models.sam.prompt_encoder import dense_position, dense_prompt

HEADS = 8
WIDTH = 256
MASK_TOKENS = 4
_TRANSFORMER = "mask_decoder.transformer"
_SCORE_LIMIT = 80.0


def mask_decoder(p: Parameters, *, with_mask_input: bool = False) -> onnx.ModelProto:
    """Emit the decoder for a batch of prompts on one image.

    Input:
        embedding: float32 [1, 4096, 256], of the image, shared by the batch; SAM 2's has 1,024 numbers for each token,
            see `anymask.models.sam2.hiera`, and HQ-SAM's 768, see `anymask.models.sam.high_quality`.
        tokens, token_bias: from the prompt encoder, [B, T, 256] and [B, T].
        mask_input: float32 [B, 1, 256, 256], only with `with_mask_input`.
    Output:
        logits: float32 [B, 4, 256, 256]: the single mask, then the three of `multimask_output=True`.
        scores: float32 [B, 4]: predicted IoU.
    """
    inputs = _inputs(p)
    inputs = _inputs(p)
    image, features = _image_tokens(inputs, p, with_mask_input)
    outputs = decode_tokens(image, features, inputs, p)
    return spox.build(inputs, {name: outputs[name] for name in ("logits", "scores")})


def object_scorer(p: Parameters, *, with_mask_input: bool = False) -> onnx.ModelProto:
    """Emit the part of SAM 2's decoder that scores whether there is an object at all.

    Input: as of `mask_decoder`.
    Output:
        object_scores: float32 [B], before the sigmoid: positive means that there is one.
    """
    inputs = _inputs(p)
    image, features = _image_tokens(inputs, p, with_mask_input)
    return spox.build(inputs, {"object_scores": decode_tokens(image, features, inputs, p)["object_scores"]})


def has_object_score(p: Parameters) -> bool:
    """Whether a decoder has SAM 2's additions."""
    return "mask_decoder.obj_score_token.weight" in p


def decode_tokens(
    image: Var, features: Sequence[Var], prompt: Mapping[str, Var], p: Parameters, position: Var | None = None
) -> dict[str, Var]:
    """The transformer and all heads.

    Args:
        image: [1 or B, 4096, 256], the image tokens with the mask prompt or `no_mask_embed` added.
        features: SAM 2's, of the 2×2 pixels of each token, [1, 4096, 256], and of its 4×4, [1, 4096, 512]; HQ-SAM's,
            [1, 4096, 512]; none of SAM.
        prompt: "tokens" and "token_bias", from the prompt encoder.
        p: parameters.
        position: [1, 4096, 256], the positional encoding of the image tokens; None takes the model's own.

    Returns:
        "logits" [B, 4, 256, 256] and "scores" [B, 4] as of `mask_decoder`, and SAM 2's "object_scores" [B].
    """
    position = const(dense_position(p)[None]) if position is None else position
    queries, image = _transformer(image, position, None, prompt, p)
    pixels = _upscale(image, p, features if has_object_score(p) else ())
    logits = _logits(pixels, const([GRID, GRID], np.int64), _filters(queries, p))
    if has_high_quality(p):
        logits = op.add(logits, high_quality_logits(pixels, features[0], _token(queries, 1 + MASK_TOKENS), p))
    outputs = {"logits": logits, "scores": _scores(queries, p)}
    if has_object_score(p):
        score = mlp(_token(queries, 1 + MASK_TOKENS), p, "mask_decoder.pred_obj_score_head", 3)
        outputs["object_scores"] = reshape(score, [-1])
    return outputs


def split_embedding(embedding: Var, p: Parameters) -> tuple[Var, Sequence[Var]]:
    """The image tokens, [1, 4096, 256], and the finer features of an embedding."""
    if len(_widths(p)) == 1:
        return embedding, ()
    image, *features = op.split(embedding, const(_widths(p), np.int64), axis=2)
    return image, features


def _image_tokens(inputs: dict[str, Var], p: Parameters, with_mask_input: bool) -> tuple[Var, Sequence[Var]]:
    """Image tokens [1 or B, 4096, 256] with the mask prompt added, and the finer features."""
    image, features = split_embedding(inputs["embedding"], p)
    if with_mask_input:
        inputs["mask_input"] = spox.argument(spox.Tensor(np.float32, ("B", 1, 4 * GRID, 4 * GRID)))
        return op.add(image, dense_prompt(inputs["mask_input"], p)), features
    return op.add(image, const(p["prompt_encoder.no_mask_embed.weight"])), features


def search_decoder(p: Parameters) -> onnx.ModelProto:
    """Emit the decoder for many prompts on one image, of whose tokens some are merged.

    Neighbouring image tokens that are alike, and all of the padding, are replaced by their mean, which counts as that
    many tokens in every softmax; see `anymask.models.sam.token_merging`.

    Input:
        embedding, tokens, token_bias: as in `mask_decoder`.
        merged: int64 [N], the blocks of image tokens that are left, as indices of `LEVEL_SIZES`.
        place: int64 [R, C], which of the N stands for each token that is seen.
    Output:
        logits: float32 [B, 4, 4·R, 4·C], scores: float32 [B, 4].
    """
    inputs = _inputs(p)
    inputs["merged"] = spox.argument(spox.Tensor(np.int64, ("N",)))
    inputs["place"] = spox.argument(spox.Tensor(np.int64, ("R", "C")))
    image = op.add(inputs["embedding"], const(p["prompt_encoder.no_mask_embed.weight"]))
    image, position = (
        op.gather(_means(each), inputs["merged"], axis=1) for each in (image, const(dense_position(p)[None]))
    )
    bias = op.gather(const(np.log(np.maximum(LEVEL_SIZES, 1e-9))), inputs["merged"], axis=0)

    queries, image = _transformer(image, position, bias, inputs, p)
    logits = _logits(_upscale(image, p), op.shape(inputs["place"]), _filters(queries, p), inputs["place"])
    return spox.build(inputs, {"logits": logits, "scores": _scores(queries, p)})


def _inputs(p: Parameters) -> dict[str, Var]:
    """The inputs that all decoders have."""
    return {
        "embedding": spox.argument(spox.Tensor(np.float32, (1, GRID * GRID, sum(_widths(p))))),
        "tokens": spox.argument(spox.Tensor(np.float32, ("B", "T", WIDTH))),
        "token_bias": spox.argument(spox.Tensor(np.float32, ("B", "T"))),
    }


def _widths(p: Parameters) -> list[int]:
    """How many numbers of an image token are of which kind: those of the transformer, then the finer features."""
    if has_object_score(p):
        return [WIDTH, WIDTH, 2 * WIDTH]
    return [WIDTH, FEATURES] if has_high_quality(p) else [WIDTH]


def _means(x: Var) -> Var:
    """[1, 4096, 256] → [1, `len(LEVEL_SIZES)`, 256]: the tokens, the means of blocks of each level, and zeros."""
    levels, side = [x], GRID
    while len(levels) < LEVELS:  # one axis at a time: engines have fast kernels for that
        side //= 2
        x = op.reduce_mean(reshape(x, [side, 2, -1]), const([1], np.int64), keepdims=0)
        x = reshape(op.reduce_mean(reshape(x, [-1, 2, WIDTH]), const([1], np.int64), keepdims=0), [1, -1, WIDTH])
        levels.append(x)
    return op.concat([*levels, const(np.zeros((1, 1, WIDTH)))], axis=1)


def _transformer(
    image: Var, position: Var, image_bias: Var | None, inputs: Mapping[str, Var], p: Parameters
) -> tuple[Var, Var]:
    """Both layers: the prompt's tokens [B, T, 256] and the image's [B, N, 256].

    Args:
        image: [1 or B, N, 256].
        position: [1, N, 256], positional encoding of the image tokens.
        image_bias: [N], added to the attention scores of the image tokens; None for zeros.
        inputs: with tokens [B, T, 256] and token_bias [B, T].
        p: parameters.
    """
    tokens, token_bias = inputs["tokens"], inputs["token_bias"]
    key_bias = op.unsqueeze(token_bias, const([1, 2], np.int64))  # [B, 1, 1, T]
    queries = tokens
    for layer in range(2):
        name = f"{_TRANSFORMER}.layers.{layer}"
        if layer == 0:  # the reference leaves out both the position and the residual here
            queries = _self_attention(queries, queries, key_bias, p, f"{name}.self_attn")
        else:
            positioned = op.add(queries, tokens)
            queries = op.add(queries, _self_attention(positioned, queries, key_bias, p, f"{name}.self_attn"))
        queries = layer_norm(queries, p, f"{name}.norm1")
        image_positioned = op.add(image, position)
        attended = _tokens_to_image(
            op.add(queries, tokens), image_positioned, image, image_bias, p, f"{name}.cross_attn_token_to_image"
        )
        queries = layer_norm(op.add(queries, attended), p, f"{name}.norm2")
        hidden = op.relu(linear(queries, p, f"{name}.mlp.lin1"))
        queries = layer_norm(op.add(queries, linear(hidden, p, f"{name}.mlp.lin2")), p, f"{name}.norm3")
        attended = _image_to_tokens(
            image_positioned,
            op.add(queries, tokens),
            queries,
            key_bias,
            p,
            f"{name}.cross_attn_image_to_token",
        )
        image = image_norm(op.add(image, attended), p, f"{name}.norm4")
    attended = _tokens_to_image(
        op.add(queries, tokens),
        op.add(image, position),
        image,
        image_bias,
        p,
        f"{_TRANSFORMER}.final_attn_token_to_image",
    )
    return layer_norm(op.add(queries, attended), p, f"{_TRANSFORMER}.norm_final_attn"), image


def _self_attention(x: Var, values: Var, key_bias: Var, p: Parameters, name: str) -> Var:
    """Self attention of the prompt's tokens: x and values [B, T, 256], key_bias [B, 1, 1, T] → [B, T, 256]."""
    q = _scaled_heads(linear(x, p, f"{name}.q_proj"), WIDTH // HEADS)
    k = _split_heads(linear(x, p, f"{name}.k_proj"), WIDTH // HEADS)
    v = _split_heads(linear(values, p, f"{name}.v_proj"), WIDTH // HEADS)
    scores = op.add(op.matmul(q, op.transpose(k, perm=[0, 1, 3, 2])), key_bias)
    y = op.transpose(op.matmul(op.softmax(scores, axis=-1), v), perm=[0, 2, 1, 3])
    return linear(reshape(y, [0, 0, WIDTH]), p, f"{name}.out_proj")


def _tokens_to_image(queries: Var, keys: Var, values: Var, image_bias: Var | None, p: Parameters, name: str) -> Var:
    """Cross attention of T tokens over N image tokens, [B, T, 256], without projecting the image.

    OpenVINO fuses the three operations into one kernel that keeps the scores in f32. Another form takes a tenth less of
    a prompt's time, but rounds the scores to bf16, and then masks differ from the reference by more than is allowed.

    Args:
        queries: [B, T, 256].
        keys: [1 or B, N, 256].
        values: [1 or B, N, 256].
        image_bias: [N], added to the scores, or None.
        p: parameters.
        name: of the attention module.
    """
    q = linear(queries, p, f"{name}.q_proj")
    depth = p[f"{name}.q_proj.weight"].shape[0] // HEADS
    key_weight = p[f"{name}.k_proj.weight"].reshape(HEADS, depth, WIDTH)
    q = op.matmul(_scaled_heads(q, depth), const(key_weight))  # [B, heads, T, 256]
    scores = op.matmul(_join_heads(q), op.transpose(keys, perm=[0, 2, 1]))  # [B, heads·T, N]
    if image_bias is not None:
        scores = op.add(scores, image_bias)
    averages = op.matmul(op.softmax(scores, axis=-1), values)  # [B, heads·T, 256]
    averages = reshape(averages, [0, HEADS, -1, WIDTH])
    value_weight = p[f"{name}.v_proj.weight"].reshape(HEADS, depth, WIDTH).transpose(0, 2, 1)
    y = op.transpose(op.matmul(averages, const(value_weight)), perm=[0, 2, 1, 3])
    y = op.add(reshape(y, [0, 0, HEADS * depth]), const(p[f"{name}.v_proj.bias"]))
    return linear(y, p, f"{name}.out_proj")


def _image_to_tokens(queries: Var, keys: Var, values: Var, key_bias: Var, p: Parameters, name: str) -> Var:
    """Cross attention of N image tokens over T tokens, [B, N, 256], without projecting the image.

    Args:
        queries: [1 or B, N, 256].
        keys: [B, T, 256].
        values: [B, T, 256].
        key_bias: [B, 1, 1, T], added to the scores.
        p: parameters.
        name: of the attention module.
    """
    depth = p[f"{name}.k_proj.weight"].shape[0] // HEADS
    k = _scaled_heads(linear(keys, p, f"{name}.k_proj"), depth)  # [B, heads, T, depth]
    query_weight = p[f"{name}.q_proj.weight"].reshape(HEADS, depth, WIDTH)
    query_bias = p[f"{name}.q_proj.bias"].reshape(HEADS, depth, 1)
    directions = op.transpose(_join_heads(op.matmul(k, const(query_weight))), perm=[0, 2, 1])
    offsets = op.add(op.transpose(op.matmul(k, const(query_bias)), perm=[0, 1, 3, 2]), key_bias)
    scores = op.add(op.matmul(queries, directions), reshape(offsets, [0, 1, -1]))  # [B, N, heads·T]
    weights = _softmax_per_head(scores, key_bias)
    out_weight = p[f"{name}.out_proj.weight"].T.reshape(HEADS, depth, WIDTH)
    v = op.matmul(_split_heads(linear(values, p, f"{name}.v_proj"), depth), const(out_weight))
    y = op.matmul(weights, _join_heads(v))
    return op.add(y, const(p[f"{name}.out_proj.bias"]))


def _softmax_per_head(scores: Var, key_bias: Var) -> Var:
    """Softmax over each head's T scores in [B, N, heads·T].

    A softmax kernel over 7 numbers is slow; here the sums are a small matrix product. Scores are not shifted by their
    maximum: on images they lie within ±17, and the clip keeps the exponential finite for any weights.
    """
    exponentials = op.exp(op.clip(scores, const(-_SCORE_LIMIT), const(_SCORE_LIMIT)))
    tokens = op.slice(op.shape(key_bias), const([3], np.int64), const([4], np.int64))
    ones = op.expand(const(1.0), op.concat([tokens, tokens], axis=0))
    heads = reshape(const(np.eye(HEADS)), [HEADS, 1, HEADS, 1])
    same_head = op.mul(heads, op.unsqueeze(ones, const([0, 2], np.int64)))  # [heads, T, heads, T]
    size = op.mul(tokens, const([HEADS], np.int64))
    sums = op.matmul(exponentials, op.reshape(same_head, op.concat([size, size], axis=0)))
    return op.div(exponentials, sums)


def _split_heads(x: Var, depth: int) -> Var:
    """[B, T, heads·depth] → [B, heads, T, depth]."""
    return op.transpose(reshape(x, [0, 0, HEADS, depth]), perm=[0, 2, 1, 3])


def _scaled_heads(x: Var, depth: int) -> Var:
    """[B, T, heads·depth] → [B, heads, T, depth], scaled by attention's 1/√depth; applied to the smaller operand."""
    return op.mul(_split_heads(x, depth), const(depth**-0.5))


def _join_heads(x: Var) -> Var:
    """[B, heads, T, C] → [B, heads·T, C]."""
    return reshape(x, [0, -1, WIDTH])


def _scores(queries: Var, p: Parameters) -> Var:
    """Predicted IoU: [B, T, 256] → [B, 4]."""
    scores = mlp(_token(queries, 0), p, "mask_decoder.iou_prediction_head", 3)
    return op.sigmoid(scores) if has_object_score(p) else scores


def _filters(queries: Var, p: Parameters) -> Var:
    """One dynamic 1×1 filter per mask token, [B, 4, 32] (`output_hypernetworks_mlps`)."""
    filters = [
        mlp(_token(queries, 1 + i), p, f"mask_decoder.output_hypernetworks_mlps.{i}", 3) for i in range(MASK_TOKENS)
    ]
    return op.concat([op.unsqueeze(f, const([1], np.int64)) for f in filters], axis=1)


def _token(queries: Var, index: int) -> Var:
    """One token: [B, T, 256] → [B, 256]."""
    return op.gather(queries, const(index, np.int64), axis=1)


def _upscale(image: Var, p: Parameters, finer: Sequence[Var] = ()) -> Var:
    """`output_upscaling`: [B, N, 256] → [B, 16·N, 32], each image token's 16 pixels together.

    With SAM 2's finer features, of the 2×2 pixels of each token, [1, N, 256], and of its 4×4, [1, N, 512].

    A transposed convolution with kernel 2 and stride 2 is one matrix product per pixel that yields four pixels, so
    everything stays channels-last and only the logits are rearranged into rows and columns.
    """
    x = double(image, p, "mask_decoder.output_upscaling.0")
    x = reshape(op.add(x, finer[0]) if finer else x, [0, -1, WIDTH // 4])
    x = op.gelu(image_norm(x, p, "mask_decoder.output_upscaling.1", 1e-6))
    x = double(x, p, "mask_decoder.output_upscaling.3")
    x = op.gelu(op.add(x, reshape(finer[1], [0, -1, WIDTH // 2])) if finer else x)
    return reshape(x, [0, -1, WIDTH // 8])


def _logits(pixels: Var, size: Var, filters: Var, place: Var | None = None) -> Var:
    """Apply the filters [B, 4, 32] to the pixels of image tokens, [B, 16·N, 32], size [R, C] → [B, 4, 4·R, 4·C].

    N is R·C, unless place [R, C] says which image token stands where.
    """
    logits = op.matmul(filters, op.transpose(pixels, perm=[0, 2, 1]))
    if place is not None:
        logits = op.gather(reshape(logits, [0, MASK_TOKENS, -1, 16]), reshape(place, [-1]), axis=2)
    # Each image token's 16 pixels lie together: (row, column, then y and x of the first and of the second doubling).
    apart = op.concat([const([-1], np.int64), size, const([2, 2, 2, 2], np.int64)], axis=0)
    logits = op.transpose(op.reshape(logits, apart), perm=[0, 1, 3, 5, 2, 4, 6])
    image_size = op.mul(size, const([4, 4], np.int64))
    return op.reshape(logits, op.concat([const([-1, MASK_TOKENS], np.int64), image_size], axis=0))
