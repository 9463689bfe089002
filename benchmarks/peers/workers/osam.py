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

from .steps import Answer, limit_onnxruntime, serve

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

    def load(self, photo: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Open both networks and decode the photo."""
        limit_onnxruntime(threads)
        self.photo, self.threads, self.files = photo, threads, [encoder, decoder]
        self.pixels = np.asarray(Image.open(photo).convert("RGB"))
        self.model = register(encoder, decoder)()

    def encode(self) -> None:
        """Make the embedding."""
        self.embedding = self.model.encode_image(self.pixels)

    def click(self, point: list[float]) -> Answer:
        """One mask."""
        found = self._generate([point], [1])
        return Answer(lambda: self._full_size([found]))

    def boxes(self, boxes: list[list[float]]) -> Answer:
        """One mask per box, one call each; a box is its two corners, labelled 2 and 3."""
        found = [self._generate([box[:2], box[2:]], [2, 3]) for box in boxes]
        return Answer(lambda: self._full_size(found))

    def _generate(self, points: list[list[float]], labels: list[int]) -> Any:
        from osam import types

        prompt = types.Prompt(points=np.array(points), point_labels=np.array(labels))
        request = types.GenerateRequest(model=NAME, image_embedding=self.embedding, prompt=prompt)
        return self.model.generate(request).annotations[0]

    def _full_size(self, found: list[Any]) -> NDArray[np.bool_]:
        """Its masks are cut to their boxes."""
        masks = np.zeros((len(found), *self.pixels.shape[:2]), bool)
        for mask, annotation in zip(masks, found, strict=True):
            box = annotation.bounding_box
            mask[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1] = annotation.mask
        return masks

    def command(self, point: list[float], out: str) -> Answer:
        """`osam run`, which writes a picture to standard output."""
        prompt = json.dumps({"points": [point], "point_labels": [1]})
        words = ["run", NAME, "--image", self.photo, "--prompt", prompt]
        return Answer(facts={"module": "osam", "arguments": [str(self.threads), *self.files, *words]})


def _command(threads: str, encoder: str, decoder: str, *words: str) -> None:
    limit_onnxruntime(int(threads))
    from osam.__main__ import cli

    register(encoder, decoder)
    cli(list(words))


if __name__ == "__main__":
    if sys.argv[1:]:
        _command(*sys.argv[1:])
    else:
        serve(Osam())
