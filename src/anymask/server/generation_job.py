"""Everything mode as a job: masks are told as they are found, the tree of parts and wholes at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from anymask.automatic.budget import GeneratorProgress
from anymask.automatic.result import GeneratedMasks
from anymask.formats import masks_json
from anymask.prediction.encoded_image import EncodedImage
from anymask.server.jobs import Job
from anymask.structures.mask import Mask
from anymask.structures.overlap import box_iou, tight_box

Shown = Callable[[Mask], dict[str, Any]]
"""Words a mask for the client, and keeps it for later requests."""

_SAME = 0.7
_TELL_EVERY = 0.1


def find_everything(
    encoded: EncodedImage, parameters: dict[str, Any], shown: Shown, job: Job, tell: Callable[..., None]
) -> dict[str, Any]:
    """Search a encoded, on the jobs' thread.

    Args:
        encoded: the image.
        parameters: of `EncodedImage.everything`.
        shown: words the masks.
        job: asked whether to stop.
        tell: told about progress.

    Raises:
        PromptError: a parameter out of its range.
    """
    partial = _Partial(encoded.size, shown, tell)
    result = encoded.everything(**parameters, stop=lambda: job.must_stop, progress=partial.tell)
    return _content(result, shown)


def _content(result: GeneratedMasks, shown: Shown) -> dict[str, Any]:
    parents, levels = result.tree.parents.tolist(), result.tree.levels.tolist()
    entries = [
        {**shown(mask), "point": masks_json.prompt_to_dict(result.prompts[mask.prompt_index])["points"][0]}
        for mask in result
    ]
    for entry, parent, level in zip(entries, parents, levels, strict=True):
        entry |= {"parent": parent if parent >= 0 else None, "level": level}
    return {
        "masks": entries,
        "skipped": result.skipped,
        "asked": result.data.prompts,
        **{name: getattr(result.provenance, name) for name in ("model", "engine", "precision", "device", "version")},
        "seconds": {step: round(seconds, 4) for step, seconds in result.provenance.seconds.items()},
    }


class _Partial:
    """Tells new masks once; which of two alike is better is decided only at the end of the search."""

    def __init__(self, size: tuple[int, int], shown: Shown, tell: Callable[..., None]) -> None:
        self._size = size
        self._shown = shown
        self._tell = tell
        self._boxes = np.zeros((0, 4))
        self._last = 0.0

    def tell(self, status: GeneratorProgress) -> None:
        fresh = [mask for mask in status.latest() if mask.size == self._size and self._is_new(mask)]
        progress = {
            "asked": status.prompts,
            "planned": status.max_prompts,
            "found": status.masks,
            "seconds": round(status.seconds, 2),
        }
        if fresh or time.monotonic() - self._last > _TELL_EVERY:
            self._last = time.monotonic()
            self._tell(progress=progress, found=[self._shown(mask) for mask in fresh])

    def _is_new(self, mask: Mask) -> bool:
        assert mask.logits is not None
        box = np.asarray(tight_box(mask.logits > 0), np.float64)
        if box_iou(self._boxes, box).max(initial=0.0) > _SAME:
            return False
        self._boxes = np.vstack([self._boxes, box])
        return True
