"""The check of exported files: they run alone, and their masks are compared with anymask's own on a known image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from anymask.engines.libraries import import_onnxruntime, import_openvino
from anymask.errors import EngineError
from anymask.evaluation.doctor.known_image import PROMPTS, known_image
from anymask.export.fastsam import compared_segments
from anymask.export.options import ExportOptions
from anymask.models.fastsam.model import FastSam
from anymask.models.sam.constants import BOTTOM_RIGHT, NOT_A_POINT, TOP_LEFT
from anymask.models.sam.model import preprocess
from anymask.models.sam2.model import Sam2, stretch
from anymask.structures.overlap import iou

if TYPE_CHECKING:
    from anymask.prediction.encoded_image import EncodedImage
    from anymask.prediction.fastsam import FastSamImage
    from anymask.prediction.sam import SamImage
    from anymask.prediction.segmenter import Segmenter

LEAST_IOU = 0.98
"""An export whose masks agree less is refused."""

Run: TypeAlias = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
"""Runs one network: inputs by name → outputs by name."""


@dataclass(frozen=True)
class MaskCheck:
    """IoU of exported files' masks with anymask's own in f32, over all masks of a few prompts on a known image."""

    least_iou: float
    mean_iou: float
    masks: int


def compare(segmenter: Segmenter, files: Sequence[Path], options: ExportOptions) -> MaskCheck:
    """Run the networks of an export, and compare their masks.

    Args:
        segmenter: the model, in f32.
        files: the encoder and the decoder, or FastSAM's network; `.onnx` or `.xml`.
        options: of the export.

    Raises:
        EngineError: a file does not run, or a mask has an IoU below `LEAST_IOU`, or FastSAM finds nothing to compare.
    """
    encoded = segmenter.encode(known_image())
    open_network = _open_ir if options.format == "openvino" else _open_onnx
    try:
        ious = [iou(theirs, ours) for theirs, ours in _pairs(encoded, [open_network(file) for file in files], options)]
    except Exception as error:  # engines have no narrower base class
        raise EngineError(f"the exported networks do not run: {error}") from error
    if not ious:
        raise EngineError(
            "the network finds nothing in the known image, so its masks cannot be compared; nothing was written"
        )
    agreement = MaskCheck(min(ious), float(np.mean(ious)), len(ious))
    if agreement.least_iou < LEAST_IOU:
        raise EngineError(
            f"the exported networks give other masks: the lowest IoU with anymask's own is {agreement.least_iou:.4f}, "
            f"it must be {LEAST_IOU}; nothing was written"
        )
    return agreement


def _pairs(
    encoded: EncodedImage, networks: Sequence[Run], options: ExportOptions
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks of the networks and our own, bool [H, W]."""
    model = encoded.runtime.model
    if isinstance(model, FastSam):
        (network,) = networks
        outputs = network({model.input_name: model.frame(encoded.size).apply_image(encoded.pixels)})
        yield from compared_segments(cast("FastSamImage", encoded), model, outputs)
        return
    encoder, decoder = networks
    masks_of = _tjs_masks if options.layout == "transformers-js" else _masks
    for found, expected in masks_of(cast("SamImage", encoded), encoder, decoder, options):
        yield from zip(found, expected, strict=True)


def _open_onnx(path: Path) -> Run:
    session = import_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _open_ir(path: Path) -> Run:
    core = import_openvino().Core()
    model = core.read_model(str(path))
    names = [output.get_any_name() for output in model.outputs]  # compiling adds names
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        results = compiled(dict(inputs))
        return {name: results[index].copy() for index, name in enumerate(names)}

    return run


def _prompts(encoded: SamImage) -> Iterator[dict[str, Any]]:
    """Arguments of `predict`: a click, a box, and a further click on the mask of the first."""
    yield from PROMPTS.values()
    first = next(iter(PROMPTS.values()))
    logits = encoded.predict(**first).logits[:1]
    yield {"points": [*first["points"], (2, 2)], "labels": [*first["labels"], 0], "mask_input": logits}


def _masks(
    encoded: SamImage, encoder: Run, decoder: Run, options: ExportOptions
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks of the files in the layout of segment-anything and our own, bool [K, H, W], for each prompt."""
    is_sam2 = isinstance(encoded.runtime.model, Sam2)
    maps = encoder({"input_image": encoded.pixels.astype(np.float32)})
    for prompt in _prompts(encoded):
        points, labels = _points_and_labels(encoded, prompt, always_padded=is_sam2)
        mask = prompt.get("mask_input")
        outputs = decoder(
            {
                **maps,
                "point_coords": points[None],
                "point_labels": labels[None],
                "mask_input": np.zeros((1, 1, 256, 256), np.float32) if mask is None else mask[None],
                "has_mask_input": np.array([mask is not None], np.float32),
                "orig_im_size": np.array(encoded.pixels.shape[:2], np.float32),
            }
        )
        yield outputs["masks"][0] > 0, _expected(encoded, prompt, options.masks, len(labels) if not is_sam2 else None)


def _expected(encoded: SamImage, prompt: Mapping[str, Any], masks: str, points: int | None) -> NDArray[np.bool_]:
    """Our masks, bool [K, H, W]; ``points`` with padding decides which one SAM's single mask is."""
    single, several = (encoded.predict(**prompt, multimask=multi) for multi in (False, True))
    if masks == "all":
        return np.concatenate([single.masks, several.masks])
    if masks == "multi":
        return several.masks
    if points is not None and points <= 2:
        best = int(several.scores.argmax())
        return several.masks[best : best + 1]
    return single.masks


def _tjs_masks(
    encoded: SamImage, encoder: Run, decoder: Run, options: ExportOptions
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """The same in the layout of transformers.js."""
    is_sam2 = isinstance(encoded.runtime.model, Sam2)
    prepare = stretch if is_sam2 else preprocess
    maps = encoder({"pixel_values": prepare(encoded.pixels)})
    for prompt in PROMPTS.values():
        points, labels = _points_and_labels(encoded, prompt, padded=False)
        inputs: dict[str, NDArray[Any]] = {
            "input_points": points[None, None],
            "input_labels": labels.astype(np.int64)[None, None],
        }
        if is_sam2:
            box = "box" in prompt
            inputs["input_boxes"] = points.reshape(1, 1, 4) if box else np.zeros((1, 0, 4), np.float32)
            if box:
                inputs["input_points"] = np.zeros((1, 1, 0, 2), np.float32)
                inputs["input_labels"] = np.zeros((1, 1, 0), np.int64)
        logits = decoder({**maps, **inputs})["pred_masks"][0, 0]
        found = np.stack([encoded.transform.upscale(each) for each in logits])
        yield found, encoded.predict(**prompt, multimask=True).masks


def _points_and_labels(
    encoded: SamImage, prompt: Mapping[str, Any], *, padded: bool = True, always_padded: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points, float32 [N, 2] in the 1,024 square, and labels, float32 [N]: a box without padding, as SAM has it."""
    box = prompt.get("box")
    points = [*prompt.get("points", []), *([] if box is None else [box[:2], box[2:]])]
    labels = [*prompt.get("labels", []), *([] if box is None else [TOP_LEFT, BOTTOM_RIGHT])]
    found = encoded.transform.to_model(np.array(points))
    if padded and (box is None or always_padded):
        found, labels = np.concatenate([found, np.zeros((1, 2), np.float32)]), [*labels, NOT_A_POINT]
    return found, np.array(labels, np.float32)
