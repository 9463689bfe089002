"""Everything mode as a job: new masks are reported at once, the tree of parts and wholes at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from anymask.automatic.budget import GeneratorProgress
from anymask.automatic.result import GeneratedMasks
from anymask.formats import masks_json
from anymask.io.interruption import interruptible
from anymask.prediction.encoded_image import EncodedImage
from anymask.server.job import Job
from anymask.server.limits import Limits
from anymask.structures.mask import Mask
from anymask.structures.overlap import box_iou, tight_box

MaskToJson = Callable[[Mask], dict[str, Any]]
"""Makes the JSON of a mask for the client, and stores the mask for later requests."""

_SAME = 0.7
_REPORT_SECONDS = 0.1
_FINISHING_SECONDS = 0.7
"""After a search that had to stop, for all that follows; a client sees the end of its job within a second."""
_GRACE_SECONDS = 10.0
"""The same where only the time of a job is over: what was found is worth a wait."""


def find_everything(
    encoded: EncodedImage,
    parameters: dict[str, Any],
    limits: Limits,
    to_json: MaskToJson,
    job: Job,
    report: Callable[..., None],
) -> dict[str, Any]:
    """Generate all masks of an image, on the jobs' thread.

    Args:
        encoded: the image.
        parameters: of `EncodedImage.everything`.
        limits: of the masks in the result, and of the time of the job.
        to_json: makes the JSON of masks.
        job: says when to stop.
        report: called with changes of the job.

    A job that must stop ends its search, and has `_FINISHING_SECONDS` for filtering and the tree.

    Raises:
        PromptError: a parameter out of its range.
        StoppedError: what the search found could not be finished in that time; it was reported as it was found.
    """
    new_masks = _NewMasks(encoded.size, to_json, report)
    with interruptible(_Overdue(job, limits.job_seconds)):
        result = encoded.everything(**parameters, stop=lambda: job.must_stop, progress=new_masks.report)
        return _content(result, limits.masks, to_json)


class _Overdue:
    """Whether a job has gone on for too long after it had to stop."""

    def __init__(self, job: Job, seconds: float) -> None:
        self._job = job
        self._until = time.monotonic() + seconds + _GRACE_SECONDS

    def __call__(self) -> bool:
        if self._job.must_stop:
            self._until = min(self._until, time.monotonic() + _FINISHING_SECONDS)
        return time.monotonic() > self._until


def _content(result: GeneratedMasks, max_masks: int, to_json: MaskToJson) -> dict[str, Any]:
    skipped = [result.skipped] if result.skipped else []
    if len(result) > max_masks:
        skipped.append(f"the best {max_masks} of {len(result)} masks")
        result = result[:max_masks]
    parents, levels = result.tree.parents.tolist(), result.tree.levels.tolist()
    entries = [
        {**to_json(mask), "point": masks_json.prompt_to_dict(result.prompts[mask.prompt_index])["points"][0]}
        for mask in result
    ]
    for entry, parent, level in zip(entries, parents, levels, strict=True):
        entry |= {"parent": parent if parent >= 0 else None, "level": level}
    return {
        "masks": entries,
        "skipped": "; ".join(skipped),
        "asked": result.data.prompts,
        **{name: getattr(result.provenance, name) for name in ("model", "engine", "precision", "device", "version")},
        "seconds": {step: round(seconds, 4) for step, seconds in result.provenance.seconds.items()},
    }


class _NewMasks:
    """Reports each new mask once; which of two similar masks is better is decided at the end of the search."""

    def __init__(self, size: tuple[int, int], to_json: MaskToJson, report: Callable[..., None]) -> None:
        self._size = size
        self._to_json = to_json
        self._report = report
        self._boxes = np.zeros((0, 4))  # float64 [N, 4], x_min, y_min, x_max, y_max in cells of the logits
        self._last = 0.0

    def report(self, status: GeneratorProgress) -> None:
        fresh = [mask for mask in status.latest() if mask.size == self._size and self._is_new(mask)]
        progress = {
            "asked": status.prompts,
            "planned": status.max_prompts,
            "found": status.masks,
            "seconds": round(status.seconds, 2),
        }
        if fresh or time.monotonic() - self._last > _REPORT_SECONDS:
            self._last = time.monotonic()
            self._report(progress=progress, new_masks=[self._to_json(mask) for mask in fresh])

    def _is_new(self, mask: Mask) -> bool:
        assert mask.logits is not None
        box = np.asarray(tight_box(mask.logits > 0), np.float64)
        if box_iou(self._boxes, box).max(initial=0.0) > _SAME:
            return False
        self._boxes = np.vstack([self._boxes, box])
        return True
