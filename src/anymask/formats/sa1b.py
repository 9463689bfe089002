"""SA-1B: one JSON per image, as Meta's dataset and the official generator have it.

Boxes are `[x, y, width, height]`. The image is described under `image`; each annotation has its mask as COCO RLE, the
point that found it, and the scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.formats.base import Format, Holds, Signature
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    image_size,
    load_json,
    optional_float,
    optional_text,
    reading,
    with_image,
)
from anymask.io.atomic import write_file
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image


def write(masks: MaskSet, path: Path) -> list[Path]:
    """Write one file; see `anymask.formats.base.Format`."""
    record = masks.record
    image = {"width": record.width, "height": record.height, "file_name": Path(record.path).name if record.path else ""}
    annotations = [_annotation_entry(masks, mask, number) for number, mask in enumerate(iter_bounded(masks), start=1)]
    content = {"image": {"image_id": 1, **image}, "annotations": annotations}
    write_file(path, json.dumps(content).encode())
    return [path]


def _annotation_entry(masks: MaskSet, mask: Mask, number: int) -> dict[str, Any]:
    x0, y0, x1, y1 = mask.box
    points = masks.prompts[mask.prompt_index].points.tolist() if mask.prompt_index < len(masks.prompts) else []
    return {
        "id": number,
        "segmentation": mask.rle,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": mask.area,
        "predicted_iou": mask.score,
        "stability_score": mask.stability,
        "point_coords": points,
        "crop_box": [0, 0, *masks.size],
    }


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read a file of SA-1B or of the official generator; see `anymask.formats.base.Format`.

    Raises:
        InputError: the file is not of this format.
    """
    with reading(path, "SA-1B"):
        content = load_json(path)
        about = as_object(content["image"], "image")
        record = ImageRecord(
            *image_size(about["width"], about["height"]), optional_text(about.get("file_name") or None)
        )
        annotations = as_list(content["annotations"], "annotations")
        masks = [_read_mask(as_object(entry, "annotations")) for entry in annotations]
        return with_image(MaskSet(masks, image=record), image)


def _read_mask(entry: Mapping[str, Any]) -> Mask:
    return Mask.from_rle(
        entry["segmentation"],
        score=optional_float(entry.get("predicted_iou")),
        stability=optional_float(entry.get("stability_score")),
    )


FORMAT = Format(
    name="sa1b",
    title="SA-1B (JSON)",
    summary="Meta's SA-1B JSON: RLE, point, predicted IoU and stability of each mask",
    holds=Holds(empty_masks=True, labels=False, scores=("score", "stability")),
    suffix=".json",
    media_type="application/json",
    signature=Signature(extensions=(".json",), json_keys=frozenset({"image", "annotations"})),
    names_images_beside=True,
    menu_position=50,
    write=write,
    read=read,
)
