"""The model families: how each of them encodes a picture and answers prompts.

A family is one file here, plus its network in `graphs/` if that is new, plus its lines in the weights catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.engines import Engine
from anymask.errors import ModelError
from anymask.frame import Frame
from anymask.prompt import Prompt


class Family(Protocol):
    """What a Segmenter needs from a family; safe to use from several threads at once."""

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the image encoder on a photo, uint8 [H, W, 3] RGB → what `decode` needs to know of it."""
        ...

    def prepare(self) -> None:
        """Get ready what `decode` needs, so that the first answer is not slower than the next."""
        ...

    def decode(
        self, embedding: NDArray[np.float32], frame: Frame, prompts: Sequence[Prompt]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Answer prompts about one photo: logits [B, 4, 256, 256] and predicted IoU [B, 4].

        Index 0 is the answer of `multimask_output=False`, indices 1 to 3 those of `multimask_output=True`.
        """
        ...


def load_family(family: str, files: Mapping[str, Path], key: str, engine: Engine) -> Family:
    """Set up a family for one set of weights; nothing is compiled yet.

    Args:
        family: the catalogue's name for it.
        files: the model's verified files.
        key: identifies the weights in caches.
        engine: runs the graphs.

    Raises:
        ModelError: a family this version does not know.
    """
    if family == "sam":
        from anymask.families.sam import Sam

        return Sam(list(files.values()), key, engine)
    raise ModelError(f"this version does not know the model family {family!r}: it has 'sam'")
