"""What a model offers a Segmenter, and how it is loaded.

Each model family has a folder here with its networks, and its entries in the catalogue of weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.engines.base import Engine
from anymask.errors import ModelError
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide


class Model(Protocol):
    """A model of one family, as a Segmenter uses it; safe to use from several threads at once."""

    @property
    def name(self) -> str:
        """The catalogue's name of the family."""
        ...

    @property
    def precision(self) -> str:
        """The precision that its networks compute in: "f32", "bf16" or "int8"."""
        ...

    @property
    def variant(self) -> tuple[str, ...]:
        """What the result of `encode` depends on besides weights and engine, for the keys of stored embeddings."""
        ...

    @property
    def geometry(self) -> type[ResizeLongestSide]:
        """How an image of (width, height) lies in the model's square."""
        ...

    @property
    def logit_limit(self) -> float | None:
        """Largest magnitude of logits that the reference returns; None for any."""
        ...

    @property
    def pred_iou_thresh(self) -> float:
        """Minimum predicted IoU of masks in `everything`, where no other is stated."""
        ...

    @property
    def sampling(self) -> Literal["adaptive", "grid"]:
        """How `everything` chooses points, where it is not stated."""
        ...

    @property
    def parallel_requests(self) -> int:
        """How many calls of `decode` to run at once when generating all masks of an image."""
        ...

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the image encoder.

        Args:
            pixels: uint8 [H, W, 3], RGB.

        Returns:
            float32, the embedding that `decode` takes. Its shape depends on the family; where `decode` gives logits it
            is [1, 4096, C], 64×64 image tokens in row-major order, of which sampling in everything mode compares the
            first 256 numbers.
        """
        ...

    def prepare(self) -> None:
        """Compile what `decode` needs, so that its first call is not slower than the next."""
        ...

    def release(self) -> None:
        """Free the memory that is needed only while a network runs; the next run allocates it again in milliseconds."""
        ...

    def decode(
        self,
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        prompts: Sequence[Prompt],
        *,
        searching: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks for prompts on one image.

        Args:
            embedding: of `encode`.
            frame: the geometry of the image in the model.
            prompts: B prompts, in pixels of the image.
            searching: for the many points and boxes of everything mode: masks may be a little less exact where that
                is faster, and logits beyond the image are left out at the right and at the bottom.

        Returns:
            Logits, float32 [B, 4, 256, 256] (with `searching` [B, 4, rows, columns]), and predicted IoU, float32
            [B, 4]. Index 0 is the mask of `multimask_output=False`, indices 1 to 3 are those of
            `multimask_output=True`.
        """
        ...

    def object_scores(
        self, embedding: NDArray[np.float32], frame: ResizeLongestSide, prompts: Sequence[Prompt]
    ) -> NDArray[np.float32] | None:
        """How sure the model is that there is an object, float32 [B], 0 to 1; None if it does not say."""
        ...


def load_model(family: str, files: Mapping[str, Path], key: str, engine: Engine, **options: Any) -> Model:
    """Load the model of one set of weights; nothing is compiled yet.

    Args:
        family: the catalogue's name of the model family.
        files: the model's verified files.
        key: identifies the weights in caches.
        engine: runs the graphs.
        options: the family's own, described at its class.

    Raises:
        ModelError: an unknown family, files that do not belong to it, or an option that it does not have.
    """
    if family not in _MODEL_CLASSES:
        raise ModelError(
            f"this version does not know the model family {family!r}: it has {' and '.join(map(repr, _MODEL_CLASSES))}"
        )
    module, name = _MODEL_CLASSES[family]
    make = getattr(import_module(f"anymask.models.{module}"), name)
    known = [
        parameter.name for parameter in signature(make).parameters.values() if parameter.kind == Parameter.KEYWORD_ONLY
    ]
    if unknown := [option for option in options if option not in known]:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise ModelError(f"models of family {family!r} have no option {unknown[0]!r}: {takes}")
    model: Model = make(list(files.values()), key, engine, **options)
    return model


_MODEL_CLASSES = {
    "sam": ("sam.model", "Sam"),
    "sam2": ("sam2.model", "Sam2"),
    "fastsam": ("fastsam.model", "FastSam"),
}
"""Module and class of each family; imported only when a model of it is loaded."""
