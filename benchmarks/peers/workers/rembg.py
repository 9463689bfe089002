"""Drives rembg's `sam` model, with MobileSAM's files in the place of ViT-B's."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .steps import StepResult, serve

PART = "sam_vit_b_01ec64"
"""It knows no other model of this size; files of these names in its folder are taken as they are."""


def place_files(folder: Path, encoder: str, decoder: str, threads: int) -> dict[str, str]:
    """Put the files where it looks for them; returns the environment variables that say so."""
    home = folder / "rembg"
    models = home / "models" / "sam"
    models.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(encoder, models / f"{PART}.encoder.onnx")
    shutil.copyfile(decoder, models / f"{PART}.decoder.onnx")
    return {"REMBG_HOME": str(home), "OMP_NUM_THREADS": str(threads)}


class Rembg:
    """`SamSession.predict`, which encodes the image on every call."""

    def load(self, image_path: str, folder: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Put the files where it looks for them, open the networks and decode the image."""
        self.variables = place_files(Path(folder), encoder, decoder, threads)
        os.environ |= self.variables
        from rembg import new_session

        self.image_path = image_path
        self.image = Image.open(image_path).convert("RGB")
        self.session = new_session("sam", sam_model=PART)

    def click(self, point: list[float]) -> StepResult:
        """One mask: all masks of the model, joined."""
        return StepResult(self._predict({"type": "point", "data": point, "label": 1})[None])

    def boxes(self, boxes: list[list[float]]) -> StepResult:
        """The first box, timed, for all of them: each is a call of its own that encodes the image."""
        started = time.perf_counter()
        first = self._predict({"type": "rectangle", "data": boxes[0]})
        seconds = time.perf_counter() - started
        return StepResult(first[None], seconds=seconds * len(boxes))

    def _predict(self, mark: dict[str, Any]) -> NDArray[np.bool_]:
        (mask,) = self.session.predict(self.image, sam_prompt=[mark])
        return np.asarray(mask) > 127

    def command(self, point: list[float], out: str) -> StepResult:
        """`rembg i`, which writes the cut-out."""
        prompt = json.dumps({"sam_model": PART, "sam_prompt": [{"type": "point", "data": point, "label": 1}]})
        arguments = ["i", "--model", "sam", "--extras", prompt, self.image_path, str(Path(out) / "cut.png")]
        return StepResult(facts={"module": "rembg", "arguments": arguments, "variables": self.variables})


def _command(*arguments: str) -> None:
    from rembg.cli import main

    main(list(arguments))


if __name__ == "__main__":
    if sys.argv[1:]:
        _command(*sys.argv[1:])
    else:
        serve(Rembg())
