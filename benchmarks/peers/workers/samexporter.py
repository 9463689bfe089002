"""Drives samexporter's ONNX inference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .steps import StepResult, limit_onnxruntime, serve


class Samexporter:
    """`SegmentAnythingONNX`, which takes the two ONNX files as they are."""

    def load(self, image_path: str, folder: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Open both networks and decode the image."""
        limit_onnxruntime(threads)
        from samexporter.sam_onnx import SegmentAnythingONNX

        self.image_path, self.folder, self.threads = image_path, Path(folder), threads
        self.files = ["--encoder_model", encoder, "--decoder_model", decoder]
        self.pixels = cv2.imread(image_path)
        self.model = SegmentAnythingONNX(encoder, decoder)

    def encode(self) -> None:
        """Make the embedding."""
        self.embedding = self.model.encode(self.pixels)

    def click(self, point: list[float]) -> StepResult:
        """One mask."""
        return StepResult(self._predict([{"type": "point", "data": point, "label": 1}]))

    def boxes(self, boxes: list[list[float]]) -> StepResult:
        """One mask per box, one call each."""
        return StepResult(np.concatenate([self._predict([{"type": "rectangle", "data": box}]) for box in boxes]))

    def _predict(self, prompt: list[dict[str, Any]]) -> Any:
        return self.model.predict_masks(self.embedding, prompt)[0] > 0

    def command(self, point: list[float], out: str) -> StepResult:
        """`python -m samexporter.inference`, with its threads limited."""
        prompt = self.folder / "prompt.json"
        prompt.write_text(json.dumps([{"type": "point", "data": point, "label": 1}]), encoding="utf-8")
        overlay_path = str(Path(out) / "overlay.png")
        arguments = [*self.files, "--image", self.image_path, "--prompt", str(prompt), "--output", overlay_path]
        return StepResult(facts={"module": "samexporter", "arguments": [str(self.threads), *arguments]})


def _command(threads: str, *arguments: str) -> int:
    limit_onnxruntime(int(threads))
    from samexporter.inference import main

    code: int = main(list(arguments))
    return code


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(_command(*sys.argv[1:]))
    serve(Samexporter())
