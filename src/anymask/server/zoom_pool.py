"""Windows of photos that somebody has zoomed in on, encoded by themselves and kept as long as there is room."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict

from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.window import ImageWindow
from anymask.prediction.zoom import ZoomedView
from anymask.server.worker_pool import Workers, too_slow

Key = tuple[str, ImageWindow]


class CloseUps:
    """Close-ups by image id and window; to be asked on the event loop's thread. Each is encoded once.

    Args:
        workers: run the encoder; whoever asks for a new window holds one of their places.
        most_bytes: memory for all; the one that was not asked about for longest makes room.
    """

    def __init__(self, workers: Workers, most_bytes: int) -> None:
        self._workers = workers
        self._most = most_bytes
        self._lock = threading.Lock()
        self._ready: OrderedDict[Key, ZoomedView] = OrderedDict()
        self._coming: dict[Key, asyncio.Future[ZoomedView]] = {}

    def ready(self, id: str, window: ImageWindow) -> ZoomedView | None:
        """The close-up, if it is here."""
        with self._lock:
            found = self._ready.get((id, window))
            if found is not None:
                self._ready.move_to_end((id, window))
            return found

    async def get(
        self, id: str, encoded: EncodedImage, window: ImageWindow, client: str, deadline: float
    ) -> ZoomedView:
        """The close-up, encoded if it is not yet; requests for one that is under way wait for the same encoding.

        Raises:
            Problem: 429 the queue for the encoder is full, 408 the deadline passed.
        """
        found = self.ready(id, window)
        if found is not None:
            return found
        with self._workers.place(client):
            coming = self._coming.get((id, window)) or self._start(id, encoded, window)
            try:
                return await asyncio.wait_for(asyncio.shield(coming), max(deadline - time.perf_counter(), 0))
            except asyncio.TimeoutError:
                raise too_slow() from None

    def _start(self, id: str, encoded: EncodedImage, window: ImageWindow) -> asyncio.Future[ZoomedView]:
        future = asyncio.wrap_future(self._workers.start(lambda: ZoomedView(encoded, window)))
        future.add_done_callback(lambda done: self._arrived((id, window), done))
        self._coming[id, window] = future
        return future

    def _arrived(self, key: Key, done: asyncio.Future[ZoomedView]) -> None:
        self._coming.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        with self._lock:
            self._ready[key] = done.result()
            while self.nbytes > self._most and len(self._ready) > 1:
                self._ready.popitem(last=False)

    def forget(self, id: str) -> None:
        """Give up the windows of an image; may be called from any thread."""
        with self._lock:
            for key in [each for each in self._ready if each[0] == id]:
                del self._ready[key]

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def nbytes(self) -> int:
        """Memory that the close-ups take."""
        return sum(each.nbytes for each in list(self._ready.values()))
