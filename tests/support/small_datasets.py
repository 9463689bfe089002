"""Small datasets that tests make: shapes drawn over an example image, so that the ground truth is exact."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.evaluation import Object

IMAGE_PATH = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
SIZE = (240, 160)


def box_mask(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = (80, 60)) -> NDArray[np.bool_]:
    mask = np.zeros((size[1], size[0]), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def box_object(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = (80, 60), **attributes: Any) -> Object:
    mask = box_mask(x0, y0, x1, y1, size)
    attributes.setdefault("name", f"{x0},{y0}")
    return Object(mask=mask, ignored=np.zeros_like(mask), **attributes)


def discs(number: int) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """A part of the image with a large and a small bright disc, elsewhere for each number, and their masks."""
    with Image.open(IMAGE_PATH) as image:
        pixels = np.asarray(image.convert("RGB").crop((0, 0, *SIZE))).copy()
    masks = []
    for color, radius, x in (((255, 40, 200), 34, 60 + 6 * number), ((40, 255, 60), 12, 190)):
        mask = np.zeros(SIZE[::-1], np.uint8)
        cv2.circle(mask, (x, 80), radius, 1, -1)
        pixels[mask > 0] = color
        masks.append(mask > 0)
    return pixels, masks


def index_dataset(folder: Path, images: int) -> Path:
    """Images with discs in the layout with an index: label maps of 16 bits."""
    rows = []
    for number in range(images):
        pixels, masks = discs(number)
        Image.fromarray(pixels).save(folder / f"photo{number}.png")
        labels = sum(place * mask.astype(np.uint16) for place, mask in enumerate(masks, 1))
        Image.fromarray(np.asarray(labels, np.uint16)).save(folder / f"mask{number}.png")
        rows.append((f"photo{number}.png", f"mask{number}.png"))
    write_index(folder, rows)
    return folder


def write_index(folder: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = ("image", "mask")) -> None:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def coco_dataset(
    folder: Path, annotations: Sequence[Mapping[str, Any]], categories: Sequence[str] = ("disc",), **image: Any
) -> Path:
    """One image with discs in COCO's layout, and these annotations."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    pixels, _ = discs(0)
    Image.fromarray(pixels).save(folder / "val" / "a.png")
    entry = {"id": 7, "file_name": "a.png", "width": SIZE[0], "height": SIZE[1], **image}
    content = {
        "images": [entry],
        "annotations": [{"id": 100 + i, "image_id": 7, "category_id": 1, **e} for i, e in enumerate(annotations)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
    }
    (folder / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return folder
