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

from .steps import Answer, serve

PART = "sam_vit_b_01ec64"
"""It knows no other model of this size; files of these names in its folder are taken without a question."""


class Rembg:
    """`SamSession.predict`, which encodes the photo on every call."""

    def load(self, photo: str, folder: str, threads: int, encoder: str, decoder: str, **_: Any) -> None:
        """Put the files where it looks for them, open the networks and decode the photo."""
        home = Path(folder) / "rembg"
        models = home / "models" / "sam"
        models.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(encoder, models / f"{PART}.encoder.onnx")
        shutil.copyfile(decoder, models / f"{PART}.decoder.onnx")
        self.variables = {"REMBG_HOME": str(home), "OMP_NUM_THREADS": str(threads)}
        os.environ |= self.variables
        from rembg import new_session

        self.photo = photo
        self.picture = Image.open(photo).convert("RGB")
        self.session = new_session("sam", sam_model=PART)

    def click(self, point: list[float]) -> Answer:
        """One mask: all that the model answers, joined."""
        return Answer(self._predict({"type": "point", "data": point, "label": 1})[None])

    def boxes(self, boxes: list[list[float]]) -> Answer:
        """The first box, timed, for all of them: each is a call of its own that encodes the photo."""
        started = time.perf_counter()
        first = self._predict({"type": "rectangle", "data": boxes[0]})
        seconds = time.perf_counter() - started
        return Answer(first[None], seconds=seconds * len(boxes))

    def _predict(self, mark: dict[str, Any]) -> NDArray[np.bool_]:
        (mask,) = self.session.predict(self.picture, sam_prompt=[mark])
        return np.asarray(mask) > 127

    def command(self, point: list[float], out: str) -> Answer:
        """`rembg i`, which writes the cut-out."""
        prompt = json.dumps({"sam_model": PART, "sam_prompt": [{"type": "point", "data": point, "label": 1}]})
        words = ["i", "--model", "sam", "--extras", prompt, self.photo, str(Path(out) / "cut.png")]
        return Answer(facts={"module": "rembg", "arguments": words, "variables": self.variables})


def _command(*words: str) -> None:
    from rembg.cli import main

    main(list(words))


if __name__ == "__main__":
    if sys.argv[1:]:
        _command(*sys.argv[1:])
    else:
        serve(Rembg())
