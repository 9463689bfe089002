"""Drives samexporter's ONNX inference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .steps import Answer, limit_onnxruntime, serve


class Samexporter:
    """`SegmentAnythingONNX`, which takes the two ONNX files as they are."""

    def load(self, photo: str, folder: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Open both networks and decode the photo."""
        limit_onnxruntime(threads)
        from samexporter.sam_onnx import SegmentAnythingONNX

        self.photo, self.folder, self.threads = photo, Path(folder), threads
        self.files = ["--encoder_model", encoder, "--decoder_model", decoder]
        self.pixels = cv2.imread(photo)
        self.model = SegmentAnythingONNX(encoder, decoder)

    def encode(self) -> None:
        """Make the embedding."""
        self.embedding = self.model.encode(self.pixels)

    def click(self, point: list[float]) -> Answer:
        """One mask."""
        return Answer(self._predict([{"type": "point", "data": point, "label": 1}]))

    def boxes(self, boxes: list[list[float]]) -> Answer:
        """One mask per box, one call each."""
        return Answer(np.concatenate([self._predict([{"type": "rectangle", "data": box}]) for box in boxes]))

    def _predict(self, prompt: list[dict[str, Any]]) -> Any:
        return self.model.predict_masks(self.embedding, prompt)[0] > 0

    def command(self, point: list[float], out: str) -> Answer:
        """`python -m samexporter.inference`, with its threads limited."""
        prompt = self.folder / "prompt.json"
        prompt.write_text(json.dumps([{"type": "point", "data": point, "label": 1}]), encoding="utf-8")
        picture = str(Path(out) / "overlay.png")
        words = [*self.files, "--image", self.photo, "--prompt", str(prompt), "--output", picture]
        return Answer(facts={"module": "samexporter", "arguments": [str(self.threads), *words]})


def _command(threads: str, *words: str) -> int:
    limit_onnxruntime(int(threads))
    from samexporter.inference import main

    code: int = main(list(words))
    return code


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(_command(*sys.argv[1:]))
    serve(Samexporter())
