"""One memory budget for all that runs: work is costed before it starts, and waits until its memory is free."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait

from anymask.automatic.crops import planned_crops
from anymask.automatic.mask_data import MULTIMASK, logit_bytes
from anymask.automatic.options import GeneratorOptions
from anymask.io.interruption import StoppedError
from anymask.server.problems import Problem
from anymask.structures.memory import MAX_RENDERED_BYTES
from anymask.structures.transforms import LOGIT_SIDE, ResizeLongestSide

_POLL_SECONDS = 0.1

DEFAULT_BYTES = 2 << 30
"""Where the system does not say how much memory there is."""

DECODING_BYTES = 12
"""Of decoding an image, for each of its pixels: as RGB, as it was in the file, and a copy that is turned."""
MASK_BYTES = 16
"""Of making and encoding one mask, for each pixel: it is interpolated in float32, compared and encoded."""
CUTOUT_BYTES = 120
"""Of a cut-out, for each pixel: the matting solves a system over all of them."""
INPAINT_BYTES = 64
"""Of inpainting, for each pixel: decoding, and 48 for weights and blended pixels where nearly all is repainted."""
_STORED_LOGITS_BYTES = LOGIT_SIDE * LOGIT_SIDE * 4


def pixel_bytes(size: tuple[int, int], each: int = DECODING_BYTES) -> int:
    """Memory that work about an image takes.

    Args:
        size: (width, height) of the image.
        each: bytes for each of its pixels.
    """
    return each * size[0] * size[1]


class MemoryBudget:
    """Bytes that running work may take together. Safe to use from several threads at once.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, Future[None]]] = []

    @property
    def used(self) -> int:
        """Bytes that running work has reserved."""
        return self.total - self._free

    def reserve(self, nbytes: int) -> Future[None]:
        """Reserve memory: a future that is done when it is free; give it to `release`.

        The first that fits is served first, so that a click does not wait behind what needs much. No work needs more
        than half of the memory for long, see `generation_share`.

        Raises:
            Problem: 413, more than there is in all.
        """
        if nbytes > self.total:
            line = (
                f"this takes up to {nbytes / 1e6:,.0f} MB of memory, and the server allows {self.total / 1e6:,.0f} MB: "
                "send a smaller image, or ask for less at once"
            )
            raise Problem(413, "too-much-memory", line)
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append((nbytes, future))
        self._serve()
        return future

    def release(self, nbytes: int, future: Future[None]) -> None:
        """Give memory back, whether it was free in the meantime or not."""
        if future.cancel():
            with self._lock, contextlib.suppress(ValueError):
                self._waiting.remove((nbytes, future))
        else:
            with self._lock:
                self._free += nbytes
        self._serve()

    def _serve(self) -> None:
        with self._lock:
            for nbytes, future in list(self._waiting):
                if nbytes <= self._free:
                    self._waiting.remove((nbytes, future))
                    if future.set_running_or_notify_cancel():
                        self._free -= nbytes
                        future.set_result(None)

    @contextlib.contextmanager
    def hold(self, nbytes: int, must_stop: Callable[[], bool]) -> Iterator[None]:
        """Hold memory on a thread; waits for it.

        Raises:
            Problem: 413, more than there is in all.
            StoppedError: it must stop before there was enough.
        """
        future = self.reserve(nbytes)
        try:
            while not future.done():
                if must_stop():
                    raise StoppedError("nobody waits for this any more")
                wait([future], _POLL_SECONDS)
            yield
        finally:
            self.release(nbytes, future)


def segmenting_bytes(size: tuple[int, int], prompts: int, candidates: bool, one_each: bool = True) -> int:
    """Memory that a request for masks takes at most.

    Args:
        size: (width, height) of the image.
        prompts: of the request.
        candidates: whether it wants the model's own masks, too.
        one_each: whether each prompt has one mask; a text may have any number.
    """
    masks = prompts * (4 if candidates else 1)
    rendered = _rendered_bytes(size, masks) if one_each else MAX_RENDERED_BYTES
    return MASK_BYTES * size[0] * size[1] + rendered + 4 * masks * _STORED_LOGITS_BYTES


def export_bytes(size: tuple[int, int], masks: int) -> int:
    """Memory that an export of some masks takes at most: one is written after the other."""
    twice = 2 * _rendered_bytes(size, masks)  # formats that go through the masks twice
    return (DECODING_BYTES + MASK_BYTES) * size[0] * size[1] + twice


def _rendered_bytes(size: tuple[int, int], masks: int) -> int:
    """Memory of the arrays that stay in memory while masks are gone through."""
    return min(MAX_RENDERED_BYTES, masks * size[0] * size[1])


def generation_share(size: tuple[int, int], options: GeneratorOptions, total: int) -> tuple[int, int]:
    """Memory to reserve for masks of everything, and how much of it the search may fill with masks, in bytes.

    The rest is for copies of the masks that remain, and for their pixels. A search that needs more than half of all
    memory gets half, and ends early if it fills it.

    Args:
        size: (width, height) of the image.
        options: of the search.
        total: of the budget.
    """
    logits = batch = 0
    for crop in planned_crops(size, options):
        each = len(MULTIMASK) * logit_bytes(ResizeLongestSide(*crop.size))
        logits += options.max_prompts(len(crop.points)) * each
        batch = max(batch, options.points_per_batch * each)
    pixels = MASK_BYTES * size[0] * size[1] + MAX_RENDERED_BYTES
    logits = max(min(logits, (total // 2 - pixels) // 2), batch)
    return 2 * logits + pixels, logits
