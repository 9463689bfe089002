"""Remove small holes and islands from all masks of an image, then drop the masks that have become duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anymask.structures.mask import Mask
from anymask.structures.nms import mask_box_nms

_COPIED_FIELDS = ("score", "stability", "logits", "label", "detector_score", "object_score")


def clean_small_regions(masks: Sequence[Mask], min_area: float, nms_thresh: float = 0.7) -> list[Mask]:
    """Clean masks and drop those that have become duplicates (`postprocess_small_regions` of segment-anything).

    Holes and islands below `min_area` are removed. Of masks whose boxes then overlap too much, one that needed no
    cleaning is preferred.

    Args:
        masks: of one image.
        min_area: the reference's `min_mask_region_area`, in pixels; 0 cleans nothing.
        nms_thresh: the larger of `box_nms_thresh` and `crop_nms_thresh` in the reference.

    Returns:
        Those that are no duplicates, in their order; the cleaned ones are stored as run lengths.
    """
    if min_area <= 0 or not masks:
        return list(masks)
    cleaned = [_cleaned(mask, min_area) for mask in masks]
    unchanged = np.array([new is old for new, old in zip(cleaned, masks, strict=True)], np.float64)
    boxes = np.array([mask.box for mask in cleaned], np.float64)
    return [cleaned[i] for i in np.sort(mask_box_nms(boxes, unchanged, nms_thresh))]


def _cleaned(mask: Mask, min_area: float) -> Mask:
    """Clean one mask; no full-size array stays in memory."""
    was_rendered = mask.is_rendered
    new = mask.remove_small_regions(min_area, min_area)
    if new is mask:
        _ = mask.box  # measured while the mask is rendered
    else:
        fields = {name: getattr(new, name) for name in _COPIED_FIELDS}
        new = Mask.from_rle(
            new.rle, **fields, follows_prompt=new.follows_prompt, prompt_index=new.prompt_index, edits=new.edits
        )
    if not was_rendered:
        mask.release()
    return new
