"""The small file of official answers that lies in the repository for each example photograph.

Each holds everything needed to tell whether an answer is right, and little of what could be told from the rest:
full-size masks as bits, predicted IoUs, every sixteenth logit, and every eighth channel, row and column of the
embedding. `make_answers.py` writes them with the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.photographs import EXAMPLES

FOLDER = Path(__file__).resolve().parent.parent / "reference" / "answers"
LOGITS_KEPT = np.s_[..., ::16, ::16]
EMBEDDING_KEPT = np.s_[:, ::8, ::8, ::8]

PROMPT_NAMES = (
    "one point",
    "one point at fractions of a pixel",
    "include and exclude",
    "box",
    "box and exclude",
)
"""The prompts of `relative_prompts.PROMPTS` that are stored."""


@dataclass(frozen=True)
class PromptAnswer:
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
class PhotoAnswer:
    """Everything stored about one example photograph.

    Attributes:
        photo: the file.
        embedding: float32 [1, 32, 8, 8], those of `EMBEDDING_KEPT`.
        prompts: answers by the prompt's name.
    """

    photo: Path
    embedding: NDArray[np.float32]
    prompts: dict[str, PromptAnswer]


def write(answer: PhotoAnswer) -> Path:
    """Store an answer; returns the file."""
    arrays: dict[str, NDArray[np.generic]] = {"embedding": answer.embedding}
    for index, name in enumerate(PROMPT_NAMES):
        found = answer.prompts[name]
        arrays[f"masks_{index}"] = np.packbits(found.masks, axis=-1)
        arrays[f"scores_{index}"] = found.scores
        arrays[f"stabilities_{index}"] = found.stabilities
        arrays[f"logits_{index}"] = found.logits
    arrays["width"] = np.array(found.masks.shape[-1])
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{answer.photo.name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def read(photo: Path) -> PhotoAnswer:
    """Read back what `write` stored for this photograph."""
    with np.load(FOLDER / f"{photo.name}.npz") as arrays:
        width = int(arrays["width"])
        prompts = {
            name: PromptAnswer(
                np.unpackbits(arrays[f"masks_{index}"], axis=-1, count=width).astype(bool),
                arrays[f"scores_{index}"],
                arrays[f"stabilities_{index}"],
                arrays[f"logits_{index}"],
            )
            for index, name in enumerate(PROMPT_NAMES)
        }
        return PhotoAnswer(photo, arrays["embedding"], prompts)


def photographs() -> list[Path]:
    """The example photographs that have answers."""
    return sorted(EXAMPLES / path.stem for path in FOLDER.glob("*.npz"))
