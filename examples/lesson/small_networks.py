"""Small networks in the file formats of FastSAM and OWL-ViT, for a lesson that needs no download.

The weights of both must be downloaded manually. What is written here has the same inputs and outputs and runs
through the same code, but was never trained and knows nothing of objects.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import spox.opset.ai.onnx.v20 as op
from onnx import helper
from spox import Tensor, Var, argument, build

FASTSAM_SIZE = (640, 448)
"""(width, height) of the input; multiples of 32."""

COLOURS = {"green": (-0.3, 1.0, -0.6), "orange": (1.0, 0.1, -1.0), "yellow": (0.6, 0.9, -1.0)}
"""The words that the small OWL-ViT knows, and what red, green and blue have more or less of than grey."""

_OWL_SIDE, _STEP = 192, 6


def write_fastsam(path: Path, seed: int = 1) -> Path:
    """Write a network in FastSAM's layout: a segment is what has the colour of a point of a grid, around that point.

    The weights are random projections of colours to 31 prototypes.

    Args:
        path: of the ONNX file.
        seed: of the random weights.
    """
    width, height = FASTSAM_SIZE
    image = argument(Tensor(np.float32, (1, 3, height, width)))
    projection = np.random.default_rng(seed).normal(size=(31, 3, 1, 1)).astype(np.float32)
    colours = op.average_pool(image, kernel_shape=(4, 4), strides=(4, 4))
    likeness = op.conv(op.sub(colours, _mean(colours, (2, 3))), op.const(projection))
    ones = np.ones((1, 1, height // 4, width // 4), np.float32)
    prototypes = op.concat([likeness, op.const(ones)], axis=1)

    at_points = op.average_pool(likeness, kernel_shape=(8, 8), strides=(8, 8))
    square_at_points = op.average_pool(op.mul(likeness, likeness), kernel_shape=(8, 8), strides=(8, 8))
    uneven = _mean(op.sub(square_at_points, op.mul(at_points, at_points)), (1,))
    strength = _mean(op.mul(at_points, at_points), (1,))
    scores = op.sigmoid(op.sub(op.const(np.float32(3)), op.mul(uneven, op.const(np.float32(400)))))
    # A pixel belongs to the segment where its projection is nearer to that of the point than to grey.
    threshold = op.mul(strength, op.const(np.float32(-31 / 2)))
    columns, rows = np.meshgrid(np.arange(16, width, 32), np.arange(16, height, 32))
    boxes = np.stack([columns, rows, np.full_like(columns, 220), np.full_like(rows, 220)])[None].astype(np.float32)
    packed = op.concat([op.const(boxes), scores, at_points, threshold], axis=1)
    output = op.reshape(packed, op.const(np.array([1, 4 + 1 + 32, -1])))
    model = build({"images": image}, {"output0": output, "output1": prototypes})
    properties = {"task": "segment", "imgsz": f"[{height}, {width}]", "names": "{0: 'object'}", "stride": "32"}
    helper.set_model_props(model, properties)
    onnx.save(model, path)
    return path


def write_owlvit(folder: Path, width: float = 0.18, height: float = 0.27) -> dict[str, Path]:
    """Write a network in OWL-ViT's layout that finds spots of a colour, and the tokenizer of its three words.

    The weights are written by hand: the embedding of a patch is the colour around it, less that of a ring around this;
    the embedding of a word is a colour.

    Args:
        folder: for `model.onnx` and `tokenizer.json`.
        width: of a spot, as a share of the image's.
        height: the same.
    """
    image = argument(Tensor(np.float32, (1, 3, _OWL_SIDE, _OWL_SIDE)))
    tokens = argument(Tensor(np.int64, ("queries", 16)))
    mask = argument(Tensor(np.int64, ("queries", 16)))

    table = np.array([[0, 0, 0, 0], *((*colour, 0) for colour in COLOURS.values())], np.float32)
    words = op.mul(op.gather(op.const(table), tokens), op.unsqueeze(op.cast(mask, to=np.float32), _axes(2)))
    text = op.unsqueeze(_unit(op.reduce_sum(words, _axes(1), keepdims=0)), _axes(0))

    kernel = _spot(width, height)
    pads = [side // 2 for side in kernel.shape] * 2
    weights = np.zeros((3, 3, *kernel.shape), np.float32)
    for channel in range(3):  # what a colour has more of than the mean of all three
        weights[channel] = (np.eye(3)[channel] - 1 / 3)[:, None, None] * kernel
    spots = op.conv(image, op.const(weights), pads=pads, strides=(_STEP, _STEP))
    side = -(-_OWL_SIDE // _STEP)
    grey = op.const(np.full((1, 1, side, side), 0.8, np.float32))
    flat = op.reshape(op.concat([spots, grey], axis=1), op.const(np.array([1, 4, side * side])))
    patches = op.transpose(flat, perm=(0, 2, 1))

    similarity = op.matmul(_unit(patches), op.transpose(text, perm=(0, 2, 1)))
    nothing = op.mul(_mean(patches, (2,)), op.const(np.float32(0)))
    shifted = op.add(similarity, op.add(nothing, op.const(np.float32(-0.5))))
    logits = op.mul(shifted, op.add(nothing, op.const(np.float32(12))))
    centres = (np.arange(side) * _STEP / _OWL_SIDE).astype(np.float32)
    grid = np.stack([*np.meshgrid(centres, centres), np.full((side, side), width), np.full((side, side), height)])
    boxes = op.add(op.const(grid.reshape(4, -1).T[None].astype(np.float32)), nothing)
    outputs = {"logits": logits, "pred_boxes": boxes, "text_embeds": text}
    onnx.save(
        build({"pixel_values": image, "input_ids": tokens, "attention_mask": mask}, outputs), folder / "model.onnx"
    )
    _write_tokenizer(folder / "tokenizer.json")
    return {"model.onnx": folder / "model.onnx", "tokenizer.json": folder / "tokenizer.json"}


def _spot(width: float, height: float) -> np.ndarray:
    """An ellipse less the ring around it, float32 [rows, columns]; the sum is 0."""
    radii = np.array([height, width]) * _OWL_SIDE / 2
    reach = np.ceil(radii * 1.5).astype(int)
    y, x = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    distance = np.hypot(y / radii[0], x / radii[1])
    inside, ring = distance <= 0.9, (distance > 1.1) & (distance <= 1.4)
    return (inside / inside.sum() - 0.5 * ring / ring.sum()).astype(np.float32)


def _write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    numbers = {"other": 0, **{word: number for number, word in enumerate(COLOURS, 1)}}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="other"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def _mean(values: Var, axes: tuple[int, ...]) -> Var:
    return op.reduce_mean(values, _axes(*axes))


def _unit(vectors: Var) -> Var:
    length = op.sqrt(op.reduce_sum(op.mul(vectors, vectors), _axes(-1)))
    return op.div(vectors, op.add(length, op.const(np.float32(1e-6))))


def _axes(*axes: int) -> Var:
    return op.const(np.array(axes, np.int64))
