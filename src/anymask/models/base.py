"""The model families: how each of them encodes a picture and answers prompts.

A family is one file here, plus its network in `graphs/` if that is new, plus its lines in the weights catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.engines.base import Engine
from anymask.errors import ModelError
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide


class Family(Protocol):
    """What a Segmenter needs from a family; safe to use from several threads at once."""

    @property
    def name(self) -> str:
        """The catalogue's name of the family: "sam" or "fastsam"."""
        ...

    @property
    def precision(self) -> str:
        """What its networks really compute in: "f32", "bf16" or "int8"."""
        ...

    @property
    def variant(self) -> tuple[str, ...]:
        """What besides weights and engine decides about the answer of `encode`, for the keys of stores."""
        ...

    @property
    def parallel_requests(self) -> int:
        """How many calls of `decode` for a search pay off at once."""
        ...

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the image encoder on a photo, uint8 [H, W, 3] RGB → what `decode` needs to know of it."""
        ...

    def prepare(self) -> None:
        """Get ready what `decode` needs, so that the first answer is not slower than the next."""
        ...

    def release(self) -> None:
        """Give back the memory that only a run of a network needs; the next run takes it again, in milliseconds."""
        ...

    def decode(
        self,
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        prompts: Sequence[Prompt],
        *,
        searching: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Answer prompts about one photo: logits [B, 4, 256, 256] and predicted IoU [B, 4].

        Index 0 is the answer of `multimask_output=False`, indices 1 to 3 those of `multimask_output=True`. With
        `searching`, for many points and boxes, an answer may be a little less exact where that is faster, and logits
        beyond the photo are left out at the right and at the bottom.
        """
        ...


def load_family(family: str, files: Mapping[str, Path], key: str, engine: Engine, **options: Any) -> Family:
    """Set up a family for one set of weights; nothing is compiled yet.

    Args:
        family: the catalogue's name for it.
        files: the model's verified files.
        key: identifies the weights in caches.
        engine: runs the graphs.
        options: the family's own, described at its class.

    Raises:
        ModelError: a family this version does not know, files that are none of it, or an option it has not got.
    """
    if family not in _FAMILIES:
        raise ModelError(
            f"this version does not know the model family {family!r}: it has {' and '.join(map(repr, _FAMILIES))}"
        )
    module, name = _FAMILIES[family]
    make = getattr(import_module(f"anymask.models.{module}"), name)
    known = [
        parameter.name for parameter in signature(make).parameters.values() if parameter.kind == Parameter.KEYWORD_ONLY
    ]
    if unknown := [option for option in options if option not in known]:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise ModelError(f"models of family {family!r} have no option {unknown[0]!r}: {takes}")
    made: Family = make(list(files.values()), key, engine, **options)
    return made


_FAMILIES = {"sam": ("sam.model", "Sam"), "fastsam": ("fastsam.model", "FastSam")}
"""Module and class of each family; imported only when a model of it is loaded."""
