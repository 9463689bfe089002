"""What formats write about a mask besides its shape: its label and its scores."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from anymask.structures.annotation import BoxAnnotation
from anymask.structures.mask import Mask

DEFAULT_LABEL = "object"
"""The label of masks without one, where a format demands one."""


def label_or_default(mask: Mask | BoxAnnotation) -> str:
    """A mask's label, or `DEFAULT_LABEL`."""
    return DEFAULT_LABEL if mask.label is None else mask.label


def known_scores(mask: Mask | BoxAnnotation, stability: str = "stability_score") -> dict[str, float]:
    """A mask's confidence as "score", and its stability; those that are missing or not a number are left out.

    Args:
        mask: the mask, or a box, which has no stability.
        stability: name of the stability in the format.
    """
    if isinstance(mask, Mask):
        scores = {"score": mask.confidence, stability: mask.stability}
    else:
        scores = {"score": mask.score}
    return {name: float(value) for name, value in scores.items() if value is not None and not math.isnan(value)}


def filled(about: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """What an entry of a file says beyond the ``known`` keys, without what is empty."""
    return {key: value for key, value in about.items() if key not in known and value not in (None, "", [], {})}


def encode_json(content: Any, indent: int | None = None) -> bytes:
    """JSON as UTF-8; bytes of a file's name that are not text are escaped, and come back as they were."""
    return json.dumps(content, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")
