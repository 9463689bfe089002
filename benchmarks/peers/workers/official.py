"""Drives the official PyTorch code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .official_model import build, mobile_sam
from .steps import StepResult, serve

GRID = 32
FEW, MORE = 32, 96
"""Everything mode is timed at so many of its 1,024 points and scaled: the whole grid takes minutes."""


class Official:
    """`SamPredictor` and `SamAutomaticMaskGenerator`."""

    def load(self, image_path: str, folder: str, threads: int, parameters: str, **_: Any) -> None:
        """Build the model, and keep it as the `.pth` file that people have."""
        torch.set_num_threads(threads)
        self.image_path, self.threads = image_path, threads
        self.pixels = np.array(Image.open(image_path).convert("RGB"))
        with np.load(parameters) as arrays:
            self.model = build(dict(arrays))
        self.checkpoint = Path(folder) / "mobile_sam.pth"
        torch.save(self.model.state_dict(), self.checkpoint)
        self.predictor = mobile_sam().SamPredictor(self.model)

    def encode(self) -> None:
        """Make the embedding."""
        self.predictor.set_image(self.pixels)

    def click(self, point: list[float]) -> StepResult:
        """Three candidates."""
        masks, scores, _ = self.predictor.predict(
            point_coords=np.array([point]), point_labels=np.array([1]), multimask_output=True
        )
        return StepResult(masks, scores.tolist())

    def boxes(self, boxes: list[list[float]]) -> StepResult:
        """One mask per box, all boxes in one batch."""
        scaled = self.predictor.transform.apply_boxes_torch(torch.as_tensor(boxes), self.predictor.original_size)
        masks, scores, _ = self.predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)
        return StepResult(masks[:, 0].numpy(), scores[:, 0].tolist())

    def everything(self) -> StepResult:
        """The masks that a part of the grid finds, and the time the whole grid would take."""
        few, _ = generate(self.model, self.pixels, FEW)
        more, masks = generate(self.model, self.pixels, MORE)
        return StepResult(
            np.stack([mask["segmentation"] for mask in masks])
            if masks
            else np.zeros((0, *self.pixels.shape[:2]), bool),
            seconds=few + (more - few) / (MORE - FEW) * (GRID * GRID - FEW),
        )

    def command(self, point: list[float], out: str) -> StepResult:
        """A script that does what `anymask segment` does."""
        arguments = [str(self.checkpoint), self.image_path, *map(str, point), out, str(self.threads)]
        return StepResult(facts={"module": "official_command", "arguments": arguments})


def generate(model: Any, pixels: NDArray[np.uint8], count: int) -> tuple[float, list[dict[str, Any]]]:
    """Run the official generator on points spread over its grid; return the seconds and its masks."""
    steps = (np.arange(GRID) + 0.5) / GRID
    points = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    selected = points[np.linspace(0, len(points) - 1, count).round().astype(int)]
    generator = mobile_sam().SamAutomaticMaskGenerator(model, points_per_side=None, point_grids=[selected])
    started = time.perf_counter()
    masks = generator.generate(pixels)
    return time.perf_counter() - started, masks


if __name__ == "__main__":
    serve(Official())
