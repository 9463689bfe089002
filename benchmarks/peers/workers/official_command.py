"""What `anymask segment` does, written with the official code: one click, one mask, the same three files.

Arguments: CHECKPOINT IMAGE X Y OUT THREADS. The checkpoint is a plain `.pth` state dict, as the official code expects
it. Images are compressed as lightly as PNG allows: compressing is not what the two are compared for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from .official_model import mobile_sam


def main(checkpoint: str, image_path: str, x: str, y: str, out: str, threads: str) -> None:
    """Load, encode, prompt, write."""
    torch.set_num_threads(int(threads))
    official = mobile_sam()
    model = official.sam_model_registry["vit_t"](checkpoint=checkpoint).eval()
    pixels = np.array(Image.open(image_path).convert("RGB"))
    predictor = official.SamPredictor(model)
    predictor.set_image(pixels)
    point = (float(x), float(y))
    masks, scores, _ = predictor.predict(point_coords=np.array([point]), point_labels=np.array([1]))
    best = int(scores.argmax())
    _write(Path(out), pixels, masks[best], float(scores[best]), point)


def _write(
    folder: Path, pixels: NDArray[np.uint8], mask: NDArray[np.bool_], score: float, point: tuple[float, float]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(folder / "mask_000.png", compress_level=1)
    overlay = pixels.copy()
    overlay[mask] = (overlay[mask] * 0.4 + np.array([30, 144, 255]) * 0.6).astype(np.uint8)
    overlay_image = Image.fromarray(overlay)
    ImageDraw.Draw(overlay_image).regular_polygon((*point, 15), 5, fill="lime", outline="white")
    overlay_image.save(folder / "overlay.png", compress_level=1)
    rle = coco_mask.encode(np.asfortranarray(mask))
    counts = rle["counts"].decode()
    record = {"score": score, "area": int(mask.sum()), "rle": {"size": rle["size"], "counts": counts}}
    (folder / "masks.json").write_text(json.dumps({"masks": [record]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
