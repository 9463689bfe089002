"""Looking at many full-size masks without holding them all in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.mask import Mask

KEPT_BYTES = 512 * 2**20
"""Full-size masks that may stay in memory after a walk, in bytes: 48 of them at 4078×2724."""


def one_by_one(masks: Iterable[Mask], kept_bytes: int = KEPT_BYTES) -> Iterator[Mask]:
    """Walk over masks; those rendered on the way stay for the next walk only within a budget.

    Args:
        masks: to walk over.
        kept_bytes: for arrays made on this walk; the rest are released as soon as the walk goes on.
    """
    kept = 0
    for mask in masks:
        was_rendered = mask.is_rendered
        yield mask
        if mask.is_rendered and not was_rendered:
            kept += mask.array.nbytes
            if kept > kept_bytes:
                kept -= mask.array.nbytes
                mask.release()
