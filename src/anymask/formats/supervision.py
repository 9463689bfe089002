"""Masks as the `Detections` of supervision (extra `supervision`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import AnymaskError, InputError

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet
    from anymask.structures.provenance import ImageRecord


def to_supervision(masks: Sequence[Mask]) -> Any:
    """Convert masks of one image to a ``supervision.Detections``.

    Boxes keep exclusive maxima. Labels are numbered in alphabetical order (``class_id``) and named in
    ``data["class_name"]``; a mask without a label has the name "", since annotators need a class for every mask.
    ``confidence`` is that of the masks: the detector's score where there is one, else the mask's; it is left out unless
    every mask has one.

    Raises:
        AnymaskError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError:
        raise AnymaskError("supervision is not installed; get it with: pip install 'anymask[supervision]'") from None
    if not masks:
        return supervision.Detections.empty()
    labels = [mask.label or "" for mask in masks]
    scores = [mask.confidence for mask in masks]
    names = sorted(set(labels))
    return supervision.Detections(
        xyxy=np.array([mask.box for mask in masks], np.float32),
        mask=np.stack([mask.array for mask in masks]),
        confidence=None if None in scores else np.array(scores, np.float32),
        class_id=np.array([names.index(label) for label in labels]),
        data={"class_name": np.array(labels)},
    )


def from_supervision(detections: Any, image: Image | ImageRecord) -> MaskSet:
    """Take the masks of a ``supervision.Detections``, so that any format of anymask can hold them.

    ```python
    from_supervision(detections, anymask.open_image("dogs.jpg")).save("dogs.json", "labelme")
    ```

    Args:
        detections: of one image, with masks.
        image: that image, or its record.

    Raises:
        InputError: detections without masks, or masks of another size than the image's.
    """
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet

    if len(detections) and detections.mask is None:
        raise InputError("these detections have boxes and no masks: encoded.segment(boxes=detections.xyxy) makes them")
    names = detections.data.get("class_name")
    if names is None:
        names = [None] * len(detections) if detections.class_id is None else detections.class_id
    scores = [None] * len(detections) if detections.confidence is None else detections.confidence.tolist()
    masks = [
        Mask.from_array(detections.mask[index], label=None if name is None or name == "" else str(name), score=score)
        for index, (name, score) in enumerate(zip(names, scores, strict=True))
    ]
    return MaskSet(masks, image=image)
