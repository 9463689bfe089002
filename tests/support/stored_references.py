"""The large official reference masks that some working copies have in a folder beside the repository.

They hold the embedding and all logits in float16, for more prompts than `repository_references` and on larger
images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.example_images import BESIDE


@dataclass(frozen=True)
class StoredCandidates:
    """The official masks of one prompt: `multimask_output` on, off, and off with the best of the first fed back.

    Attributes:
        logits: [3, 256, 256]; scores: [3].
        single_logits: [1, 256, 256]; single_scores: [1].
        refined_logits: [1, 256, 256]; refined_scores: [1].
    """

    logits: NDArray[np.floating]
    scores: NDArray[np.float32]
    single_logits: NDArray[np.floating]
    single_scores: NDArray[np.float32]
    refined_logits: NDArray[np.floating]
    refined_scores: NDArray[np.float32]


@dataclass(frozen=True)
class StoredReference:
    """All stored masks of one image.

    Attributes:
        image: the image.
        embedding: float16 [1, 256, 64, 64].
        prompts: `points`, `labels`, `box` of each prompt, in pixels.
        areas: pixels of each candidate's full-size mask, [3] for each prompt.
        candidates: of each prompt.
    """

    image: Path
    embedding: NDArray[np.float16]
    prompts: list[dict[str, Any]]
    areas: list[list[int]]
    candidates: list[StoredCandidates]


def stored_references() -> list[StoredReference]:
    """All of them; empty where there is no such folder."""
    listing = BESIDE / "reference" / "prompts.json"
    if not listing.is_file():
        return []
    return [_read(name, entry["prompts"]) for name, entry in json.loads(listing.read_text()).items()]


def _read(name: str, entries: list[dict[str, Any]]) -> StoredReference:
    with np.load(BESIDE / "reference" / f"{name}.npz") as arrays:
        candidates = [
            StoredCandidates(
                *(
                    arrays[f"{kind}{what}_{index}"]
                    for kind in ("", "single_", "refined_")
                    for what in ("logits", "scores")
                )
            )
            for index in range(len(entries))
        ]
        embedding = arrays["embedding"]
    prompts = [{key: _array(entry.get(key)) for key in ("points", "labels", "box")} for entry in entries]
    areas = [entry["areas"] for entry in entries]
    return StoredReference(BESIDE / "photos" / f"{name}.jpg", embedding, prompts, areas, candidates)


def _array(numbers: list[Any] | None) -> NDArray[np.number] | None:
    return None if numbers is None else np.array(numbers)
