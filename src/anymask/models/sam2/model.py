"""SAM 2.1 on images: SAM's model with the Hiera encoder, an image stretched to the square, and object scores."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.engines.external_weights import DetachedGraph
from anymask.models.sam.constants import (
    BOTTOM_RIGHT,
    LOGIT_LIMIT,
    NOT_A_POINT,
    PIXEL_DEVIATION,
    PIXEL_MEAN,
    STABILITY_DELTA,
    STABILITY_THRESHOLD,
    TOP_LEFT,
)
from anymask.models.sam.model import PARALLEL_DECODES, GraphTable, Sam
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import MODEL_SIDE, ResizeLongestSide, StretchToSquare

if TYPE_CHECKING:
    import onnx

    from anymask.weights.checkpoints.state_dict import StateDict


class Sam2(Sam):
    """A SAM 2 or SAM 2.1 model for images on an engine; see `anymask.models.base.Model`."""

    name = "sam2"
    geometry: type[ResizeLongestSide] = StretchToSquare
    logit_limit: float | None = LOGIT_LIMIT
    pred_iou_thresh = 0.8
    sampling: Literal["adaptive", "grid"] = "grid"
    """Adaptive sampling was never measured with trained weights of this family."""
    encoders = ("hiera",)

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed an image: uint8 [H, W, 3] RGB → float32 [1, 4096, 1024], see `anymask.models.sam2.hiera`."""
        return self._graph("encoder")(image=stretch(pixels, self._engine.threads))["embedding"]

    def decode(
        self,
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        prompts: Sequence[Prompt],
        *,
        searching: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks: logits, float32 [B, 4, 256, 256], and IoU, float32 [B, 4], in the order of the prompts."""
        logits, scores = super().decode(embedding, frame, prompts, searching=searching)
        replace_unstable(logits, scores)
        return logits, scores

    def object_scores(
        self, embedding: NDArray[np.float32], frame: ResizeLongestSide, prompts: Sequence[Prompt]
    ) -> NDArray[np.float32]:
        """How sure the model is that there is an object, float32 [B], 0 to 1 (the sigmoid of its logit).

        Args:
            embedding: float32 [1, 4096, 1024], of `encode`.
            frame: the geometry of the image in the model.
            prompts: B prompts, in pixels of the image.
        """
        scores = np.empty(len(prompts), np.float32)
        for graph, indices in self._batches(prompts, "object_scorer", "mask_object_scorer"):
            outputs = self._decode(graph, embedding, frame, [prompts[i] for i in indices])
            scores[indices] = 1 / (1 + np.exp(-outputs["object_scores"]))
        return scores

    def _sparse_prompt(self, frame: ResizeLongestSide, prompt: Prompt) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Points, float32 [N, 2] in the 1,024 square, and labels, int64 [N]: box, points, padding.

        A box is two points of its own kind, and there is padding after them too, unlike in SAM.
        """
        box = np.zeros((0, 2)) if prompt.box is None else prompt.box.reshape(2, 2)
        points = frame.to_model(np.concatenate([box, prompt.points]))
        labels = np.concatenate([np.array([TOP_LEFT, BOTTOM_RIGHT], np.int64)[: len(box)], prompt.labels])
        if not len(points):  # without either the reference passes no padding: the mask input stands alone
            return points, labels
        return (
            np.concatenate([points, np.zeros((1, 2), np.float32)]),
            np.concatenate([labels, np.array([NOT_A_POINT], np.int64)]),
        )

    def _mask_inputs(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Mask inputs, float32 [B, 1, 256, 256], within the magnitude of the logits that the reference returns."""
        return np.clip(super()._mask_inputs(prompts), -LOGIT_LIMIT, LOGIT_LIMIT)

    @property
    def _table(self) -> GraphTable:
        return _GRAPHS


def replace_unstable(logits: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """Replace single masks of low stability by the best of their three, in place.

    Args:
        logits: float32 [B, 4, 256, 256], the single mask first.
        scores: float32 [B, 4], predicted IoU.
    """
    single = logits[:, 0]
    inner, outer = (np.count_nonzero(single > cut, axis=(1, 2)) for cut in (STABILITY_DELTA, -STABILITY_DELTA))
    stability = np.where(outer > 0, inner / np.maximum(outer, 1), 1.0)
    rows = np.flatnonzero(stability < STABILITY_THRESHOLD)
    best = 1 + scores[rows, 1:].argmax(axis=1)
    logits[rows, 0], scores[rows, 0] = logits[rows, best], scores[rows, best]


def stretch(pixels: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    """Resize an image to the square and normalise it, as `SAM2Transforms` does.

    Pillow resizes numbers of type float, without rounding in between, as torchvision resizes a tensor; its resize of
    uint8, as for SAM, would differ by up to a level.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        threads: channels at once; the result does not depend on it.

    Returns:
        float32 [1, 3, 1024, 1024].
    """
    from PIL import Image

    square = np.empty((1, 3, MODEL_SIDE, MODEL_SIDE), np.float32)

    def resize(channel: int) -> None:
        plane = Image.fromarray(pixels[..., channel].astype(np.float32))
        resized = plane.resize((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BILINEAR)
        np.subtract(np.asarray(resized), PIXEL_MEAN[channel], out=square[0, channel])
        square[0, channel] /= PIXEL_DEVIATION[channel]

    with ThreadPoolExecutor(max(1, min(threads, 3))) as pool:
        list(pool.map(resize, range(3)))
    return square


def _build_encoder(parameters: StateDict) -> DetachedGraph:
    from anymask.models.sam.encoders import ENCODERS

    return DetachedGraph(partial(ENCODERS["hiera"].graph, parameters), parameters)


def _build_prompt_encoder(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.prompt_encoder import sparse_prompt_encoder

    return sparse_prompt_encoder(parameters)


def _build_decoder(parameters: StateDict, with_mask_input: bool = False) -> onnx.ModelProto:
    from anymask.models.sam.mask_decoder import mask_decoder

    return mask_decoder(parameters, with_mask_input=with_mask_input)


def _build_object_scorer(parameters: StateDict, with_mask_input: bool = False) -> onnx.ModelProto:
    from anymask.models.sam.mask_decoder import object_scorer

    return object_scorer(parameters, with_mask_input=with_mask_input)


_GRAPHS: GraphTable = {
    "encoder": (_build_encoder, False, 1),
    "prompt_encoder": (_build_prompt_encoder, True, 1),
    "decoder": (_build_decoder, False, 1),
    "mask_decoder": (partial(_build_decoder, with_mask_input=True), False, 1),
    "search_decoder": (_build_decoder, False, PARALLEL_DECODES),
    "object_scorer": (_build_object_scorer, False, 1),
    "mask_object_scorer": (partial(_build_object_scorer, with_mask_input=True), False, 1),
}
