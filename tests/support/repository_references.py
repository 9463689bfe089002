"""The small file of official masks that lies in the repository for each example image.

Each holds what is needed to check a mask, and little of what follows from the rest:
full-size masks as bits, predicted IoUs, every sixteenth logit, and every eighth channel, row and column of the
embedding. `make_answers.py` writes them with the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.example_images import EXAMPLES

FOLDER = Path(__file__).resolve().parent.parent / "reference" / "answers"
STORED_LOGITS = np.s_[..., ::16, ::16]
STORED_EMBEDDING = np.s_[:, ::8, ::8, ::8]

PROMPT_NAMES = (
    "one point",
    "one point at fractions of a pixel",
    "include and exclude",
    "box",
    "box and exclude",
)
"""The prompts of `relative_prompts.PROMPTS` that are stored."""


@dataclass(frozen=True)
class PromptReference:
    """Five masks for one prompt: three of `multimask_output`, the single one, and the single one with the best of
    the three fed back as mask input.

    Attributes:
        masks: bool [5, H, W].
        scores: float32 [5].
        stabilities: float32 [5], see `agreement.stabilities`.
        logits: float32 [5, 16, 16], those of `LOGITS_KEPT`.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    stabilities: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class ImageReference:
    """Everything stored about one example image.

    Attributes:
        image: the file.
        embedding: float32 [1, 32, 8, 8], those of `EMBEDDING_KEPT`.
        prompts: references by the prompt's name.
    """

    image: Path
    embedding: NDArray[np.float32]
    prompts: dict[str, PromptReference]


def write(reference: ImageReference) -> Path:
    """Store a reference; returns the file."""
    arrays: dict[str, NDArray[np.generic]] = {"embedding": reference.embedding}
    for index, name in enumerate(PROMPT_NAMES):
        reference = reference.prompts[name]
        arrays[f"masks_{index}"] = np.packbits(reference.masks, axis=-1)
        arrays[f"scores_{index}"] = reference.scores
        arrays[f"stabilities_{index}"] = reference.stabilities
        arrays[f"logits_{index}"] = reference.logits
    arrays["width"] = np.array(reference.masks.shape[-1])
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{reference.image.name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def read(image: Path) -> ImageReference:
    """Read back what `write` stored for this image."""
    with np.load(FOLDER / f"{image.name}.npz") as arrays:
        width = int(arrays["width"])
        prompts = {
            name: PromptReference(
                np.unpackbits(arrays[f"masks_{index}"], axis=-1, count=width).astype(bool),
                arrays[f"scores_{index}"],
                arrays[f"stabilities_{index}"],
                arrays[f"logits_{index}"],
            )
            for index, name in enumerate(PROMPT_NAMES)
        }
        return ImageReference(image, arrays["embedding"], prompts)


def image_paths() -> list[Path]:
    """The example images that have references."""
    return sorted(EXAMPLES / path.stem for path in FOLDER.glob("*.npz"))
