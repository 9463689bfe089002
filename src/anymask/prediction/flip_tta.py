"""Test-time augmentation by flipping: prompts about the mirrored image, with masks in the image itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anymask.prediction.prompting import DecodePrompts
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide


def through_mirror(mirror: Callable[[], DecodePrompts], frame: ResizeLongestSide) -> DecodePrompts:
    """Decode prompts on the mirrored image, with prompts and masks in the frame of the image itself.

    Args:
        mirror: makes the decoder of the image flipped left to right; called with the first prompts.
        frame: the image's geometry in the model.
    """

    def decode(prompts: Sequence[Prompt]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, scores = mirror()([flip_prompt(prompt, frame) for prompt in prompts])
        return np.stack([flip_logits(each, frame) for each in logits]), scores

    return decode


def flip_prompt(prompt: Prompt, frame: ResizeLongestSide) -> Prompt:
    """The same prompt about the mirrored image."""
    points, box = prompt.points.copy(), prompt.box
    points[:, 0] = frame.width - points[:, 0]
    if box is not None:
        box = np.array([frame.width - box[2], box[1], frame.width - box[0], box[3]])
    mask_input = None if prompt.mask_input is None else flip_logits(prompt.mask_input, frame)
    return replace(prompt, points=points, box=box, mask_input=mask_input)


def flip_logits(logits: NDArray[np.float32], frame: ResizeLongestSide) -> NDArray[np.float32]:
    """Logits of the mirrored image, flipped back: float32 [..., 256, 256]; in the padding they repeat the edge."""
    cells = frame.resized[0] / (MODEL_SIDE // LOGIT_SIDE)
    at = np.clip(cells - 1 - np.arange(LOGIT_SIDE), 0, None)
    low = np.floor(at).astype(np.int64)
    share = (at - low).astype(np.float32)
    high = np.minimum(low + 1, LOGIT_SIDE - 1)
    flipped: NDArray[np.float32] = (logits[..., low] * (1 - share) + logits[..., high] * share).astype(np.float32)
    columns = frame.valid_logits()[0]
    flipped[..., columns:] = flipped[..., columns - 1 : columns]
    return flipped
