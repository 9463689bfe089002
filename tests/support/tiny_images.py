"""Makes folders of small images with a bright disc each, and a table that points at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

SIZE = (64, 48)


def make_images(folder: Path, count: int) -> Path:
    """Images `photo_1.png` … in two folders, and `prompts.csv` beside them with a point in each disc."""
    lines = ["image,x,y,label,name"]
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    for number in range(count):
        name = f"{'deep/' if number % 3 == 2 else ''}photo_{number + 1}.png"
        x, y = 16 + number * 7 % 32, 14 + number * 5 % 20
        disc = (columns - x) ** 2 + (rows - y) ** 2 <= (7 + number % 5) ** 2
        pixels = np.where(disc[..., None], (230, 220, 60), (40, 60 + number % 90, 110)).astype(np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(folder / name)
        lines.append(f"{name},{x},{y},1,disc")
    (folder.parent / "prompts.csv").write_text("\n".join(lines) + "\n")
    return folder


def results_of(out: Path) -> dict[str, Any]:
    """Image → its result, without what depends on the moment and on the number of cores."""
    results = {}
    for path in sorted((out / "results").rglob("*.json")):
        content = json.loads(path.read_text())
        for name in ("seconds", "threads"):
            del content[name]
        results[content["batch"]["photo"]] = content
    return results
