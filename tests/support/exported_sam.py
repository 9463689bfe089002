"""Exported networks as another program uses them: ONNX Runtime and NumPy, with segment-anything's way to prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SIDE = 1024


class ExportedSam:
    """The encoder and the decoder of a folder, and the embedding of one image; nothing of anymask."""

    def __init__(self, folder: Path, image: Path, *, stretched: bool = False) -> None:
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(str(folder / name)) for name in ("encoder.onnx", "decoder.onnx")
        )
        self.pixels = np.asarray(Image.open(image).convert("RGB"))
        self.stretched = stretched
        names = [output.name for output in self.encoder.get_outputs()]
        outputs = self.encoder.run(names, {"input_image": self.pixels.astype(np.float32)})
        self.maps = dict(zip(names, outputs, strict=True))

    def to_square(self, points: list) -> np.ndarray:
        """`ResizeLongestSide.apply_coords` of segment-anything, or SAM 2's stretch."""
        height, width = self.pixels.shape[:2]
        scale = SIDE / max(height, width)
        new = (SIDE, SIDE) if self.stretched else (int(width * scale + 0.5), int(height * scale + 0.5))
        return (np.array(points, np.float64) * new / (width, height)).astype(np.float32)

    def __call__(self, points: list, labels: list, mask_input: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The decoder's outputs by name; points in pixels of the image, padding and boxes as the caller has them."""
        names = [output.name for output in self.decoder.get_outputs()]
        inputs = {
            **self.maps,
            "point_coords": self.to_square(points)[None],
            "point_labels": np.array(labels, np.float32)[None],
            "mask_input": np.zeros((1, 1, 256, 256), np.float32) if mask_input is None else mask_input,
            "has_mask_input": np.array([mask_input is not None], np.float32),
            "orig_im_size": np.array(self.pixels.shape[:2], np.float32),
        }
        return dict(zip(names, self.decoder.run(names, inputs), strict=True))
