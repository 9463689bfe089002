"""The official generator and `sampling="grid"`, run live on the same image with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

import anymask

pytestmark = pytest.mark.reference

IMAGE = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
MATCHED, EXTRA = 0.97, 0.05


def generator(model: Any, **options: Any) -> Any:
    from tests.reference.official import mobile_sam

    return mobile_sam().SamAutomaticMaskGenerator(model, output_mode="coco_rle", **options)


def overlaps(official: list[dict[str, Any]], ours: Any) -> np.ndarray[Any, Any]:
    return np.asarray(
        coco.iou([mask.rle for mask in ours], [record["segmentation"] for record in official], [0] * len(official))
    )


@pytest.fixture(scope="module")
def encoded() -> Any:
    return anymask.load("mobile-sam", precision="f32", threads=2, store=False).encode(IMAGE)


@pytest.mark.parametrize(
    "options",
    [
        {"points_per_side": 16},
        {"points_per_side": 8, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.85, "box_nms_thresh": 0.5},
        {"points_per_side": 8, "stability_score_offset": 0.5, "min_mask_region_area": 100},
        {"points_per_side": 6, "crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
    ],
    ids=["defaults", "thresholds", "offset and clean-up", "crops"],
)
def test_grid_gives_the_official_masks(official_model: Any, encoded: Any, options: dict[str, Any]) -> None:
    pixels = np.ascontiguousarray(encoded.pixels)
    official = generator(official_model, **options).generate(pixels)
    ours = encoded.everything(sampling="grid", **options)
    assert len(official) >= 5
    best = overlaps(official, ours)
    assert (best.max(axis=0) >= 0.9).mean() >= MATCHED
    assert (best.max(axis=1) < 0.9).sum() <= max(1, EXTRA * len(official))
