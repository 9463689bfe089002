"""Drives osam, with MobileSAM's files registered as one more of its models."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .steps import StepResult, limit_onnxruntime, serve

NAME = "sam:mobile"


def register(encoder: str, decoder: str) -> Any:
    """Put the two files where osam keeps downloads, and add a model made of them; its own code checks their hashes."""
    from osam import apis, types
    from osam._models.sam import Sam100m

    blobs = {}
    for part, file in (("encoder", encoder), ("decoder", decoder)):
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        blob = types.Blob(url=f"file:///{Path(file).name}", hash=f"sha256:{digest}")
        if not Path(blob.path).is_file():
            Path(blob.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, blob.path)
        blobs[part] = blob
    model = type("MobileSam", (Sam100m,), {"name": NAME, "_blobs": blobs})
    apis.registered_model_types.append(model)
    return model


class Osam:
    """Its `generate`, with an embedding made by its `encode_image`."""

    def load(self, image_path: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Open both networks and decode the image."""
        limit_onnxruntime(threads)
        self.image_path, self.threads, self.files = image_path, threads, [encoder, decoder]
        self.pixels = np.asarray(Image.open(image_path).convert("RGB"))
        self.model = register(encoder, decoder)()

    def encode(self) -> None:
        """Make the embedding."""
        self.embedding = self.model.encode_image(self.pixels)

    def click(self, point: list[float]) -> StepResult:
        """One mask."""
        annotation = self._generate([point], [1])
        return StepResult(lambda: self._full_size([annotation]))

    def boxes(self, boxes: list[list[float]]) -> StepResult:
        """One mask per box, one call each; a box is its two corners, labelled 2 and 3."""
        annotations = [self._generate([box[:2], box[2:]], [2, 3]) for box in boxes]
        return StepResult(lambda: self._full_size(annotations))

    def _generate(self, points: list[list[float]], labels: list[int]) -> Any:
        from osam import types

        prompt = types.Prompt(points=np.array(points), point_labels=np.array(labels))
        request = types.GenerateRequest(model=NAME, image_embedding=self.embedding, prompt=prompt)
        return self.model.generate(request).annotations[0]

    def _full_size(self, annotations: list[Any]) -> NDArray[np.bool_]:
        """Its masks are cut to their boxes."""
        masks = np.zeros((len(annotations), *self.pixels.shape[:2]), bool)
        for mask, annotation in zip(masks, annotations, strict=True):
            box = annotation.bounding_box
            mask[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1] = annotation.mask
        return masks

    def command(self, point: list[float], out: str) -> StepResult:
        """`osam run`, which writes an image to standard output."""
        prompt = json.dumps({"points": [point], "point_labels": [1]})
        arguments = ["run", NAME, "--image", self.image_path, "--prompt", prompt]
        return StepResult(facts={"module": "osam", "arguments": [str(self.threads), *self.files, *arguments]})


def _command(threads: str, encoder: str, decoder: str, *arguments: str) -> None:
    limit_onnxruntime(int(threads))
    from osam.__main__ import cli

    register(encoder, decoder)
    cli(list(arguments))


if __name__ == "__main__":
    if sys.argv[1:]:
        _command(*sys.argv[1:])
    else:
        serve(Osam())
