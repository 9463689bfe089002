"""Masks as a dataset of Hugging Face `datasets` (extra `datasets`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets

from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded


def features() -> datasets.Features:
    """The columns of a dataset of masks: an image for each row, and a list of its objects.

    An object has `label`, `score`, `area` in pixels, `bbox` ([x, y, width, height] in pixels, as COCO has it) and `rle`
    (COCO run lengths, which ``anymask.Mask.from_rle`` and pycocotools read).
    """
    number, text = datasets.Value("int64"), datasets.Value("string")
    one = {
        "label": text,
        "score": datasets.Value("float32"),
        "area": number,
        "bbox": [number],
        "rle": {"size": [number], "counts": text},
    }
    return datasets.Features({"image": datasets.Image(), "width": number, "height": number, "objects": [one]})


def to_dataset(results: Iterable[MaskSet]) -> datasets.Dataset:
    """Make a dataset with a row for each result.

    ```python
    to_dataset(segmenter.encode(path).everything() for path in paths).to_parquet("masks.parquet")
    ```

    Args:
        results: of one image each; images that were opened from files stay files, others are stored as PNG.
    """
    return datasets.Dataset.from_list([_row(result) for result in results], features=features())


def _row(result: MaskSet) -> dict[str, Any]:
    width, height = result.size
    objects = []
    for mask in iter_bounded(result):
        x0, y0, x1, y1 = mask.box
        objects.append(
            {
                "label": mask.label,
                "score": mask.confidence,
                "area": mask.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "rle": mask.rle,
            }
        )
    return {"image": _image(result), "width": width, "height": height, "objects": objects}


def _image(result: MaskSet) -> Any:
    """The file of an image, its pixels if it has none, or None if neither is at hand."""
    path = result.record.path
    if path is not None and Path(path).is_file():
        return str(path)
    if not result.has_image:
        return None
    import PIL.Image

    return PIL.Image.fromarray(result.image.pixels)
