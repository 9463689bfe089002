"""A mask's outline made sharper by a model of subjects, where both agree on the object.

A mask comes from 256×256 logits, the map of a subject from a square of 1,024. In a narrow band along the mask's
outline the map decides, if mask and subject are the same object; everywhere else the mask stays.
`python -m training.sharpening` measures the two numbers on photographs with ground truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.structures.mask import Mask
from anymask.structures.overlap import iou
from anymask.structures.prompt import Prompt
from anymask.structures.prompt_check import PromptCheck

OUTLINE_BAND = 0.006
"""Width of the band to each side of the outline, as a share of the image's diagonal."""
SUBJECT_AGREEMENT = 0.7
"""Least IoU of mask and subject: a part of the subject, or one of its objects, stays as it is."""
_CERTAIN = np.float32(9.2)
"""Logit of a pixel that the mask decides."""


def sharpened(
    mask: NDArray[np.bool_],
    alpha: NDArray[np.float32],
    band: float = OUTLINE_BAND,
    agreement: float = SUBJECT_AGREEMENT,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """The mask with the outline of the map; None where they do not agree, or the mask is empty.

    Args:
        mask: bool [H, W].
        alpha: float32 [H, W], 0 to 1, the share of the subject.
        band: see `OUTLINE_BAND`.
        agreement: see `SUBJECT_AGREEMENT`.

    Returns:
        The new mask and the band, bool [H, W] each.
    """
    if not mask.any():
        return None
    width = max(1.0, band * float(np.hypot(*mask.shape)))
    subject = alpha > 0.5
    if iou(mask, subject) < agreement:
        return None
    along = np.where(mask, _distance_to(~mask), _distance_to(mask)) <= width  # the edge of the image is no outline
    return np.where(along, subject, mask), along


def _distance_to(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of each pixel to the nearest one of a mask, bool [H, W], in pixels; float32 [H, W]."""
    import cv2

    others = np.ascontiguousarray(~mask).view(np.uint8)
    distance: NDArray[np.float32] = cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance


def sharpen_mask(mask: Mask, alpha: NDArray[np.float32], prompt: Prompt | None, model: str) -> Mask:
    """A Mask with the outline of the map where both agree; else the same one.

    Args:
        mask: of the image.
        alpha: float32 [H, W], 0 to 1, the share of the subject.
        prompt: of the mask: what it includes and excludes stays so. None if unknown.
        model: its name, for the note in `Mask.edits`.

    Returns:
        A Mask whose `probabilities` are the map's in the band and certain beyond it.
    """
    changed = sharpened(mask.array, alpha)
    if changed is None:
        return mask
    array, band = changed
    follows_prompt = mask.follows_prompt
    if prompt is not None and follows_prompt is not None:
        follows_prompt = PromptCheck.of(array, prompt)
        if bool(mask.follows_prompt) and not follows_prompt:
            return mask

    def full_logits() -> NDArray[np.float32]:
        soft = np.clip(alpha, 1e-4, 1 - 1e-4)
        logits: NDArray[np.float32] = np.where(array, _CERTAIN, -_CERTAIN)
        return np.where(band, np.log(soft / (1 - soft)), logits).astype(np.float32)

    return Mask(
        array, mask.size, score=mask.score, stability=mask.stability, logits=mask.logits, label=mask.label,
        detector_score=mask.detector_score, object_score=mask.object_score, follows_prompt=follows_prompt,
        prompt_index=mask.prompt_index, edits=(*mask.edits, f"outline sharpened with {model}"),
        full_logits=full_logits,
    )  # fmt: skip
