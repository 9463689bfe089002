"""Photos that the model has looked at, kept in memory as long as there is room; each is looked at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict

from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.server.image_store import ImageStore
from anymask.server.worker_pool import Workers, too_slow


class Scenes:
    """Scenes by image id; to be asked on the event loop's thread.

    What falls out of memory is read again from the disk, photo and embedding, without running the encoder.
    """

    def __init__(self, segmenter: Segmenter, images: ImageStore, workers: Workers, most_bytes: int) -> None:
        self._segmenter = segmenter
        self._images = images
        self._workers = workers
        self._most = most_bytes
        self._lock = threading.Lock()
        self._ready: OrderedDict[str, EncodedImage] = OrderedDict()
        self._coming: dict[str, asyncio.Future[EncodedImage]] = {}

    def is_ready(self, id: str) -> bool:
        """Whether prompts about an image are answered at once."""
        return id in self._ready

    async def get(self, id: str, deadline: float) -> EncodedImage:
        """The encoded of an image; requests for one that is being encoded wait for the same encoding.

        Raises:
            Problem: 404 unknown image, 408 the deadline passed.
        """
        self._images.get(id)
        with self._lock:
            encoded = self._ready.get(id)
            if encoded is not None:
                self._ready.move_to_end(id)
                return encoded
        try:
            return await asyncio.wait_for(asyncio.shield(self.start(id)), max(deadline - time.perf_counter(), 0))
        except asyncio.TimeoutError:
            raise too_slow() from None

    def start(self, id: str) -> asyncio.Future[EncodedImage]:
        """Begin to encode an image, if nobody has yet."""
        if id not in self._coming:
            future = asyncio.wrap_future(self._workers.start(lambda: self._encode(id)))
            future.add_done_callback(lambda done: self._arrived(id, done))
            self._coming[id] = future
        return self._coming[id]

    def _encode(self, id: str) -> EncodedImage:
        encoded = self._ready.get(id)
        return encoded or self._segmenter.encode(self._images.open(id))

    def _arrived(self, id: str, done: asyncio.Future[EncodedImage]) -> None:
        self._coming.pop(id, None)
        if done.cancelled() or done.exception() is not None:
            return
        with self._lock:
            self._ready[id] = done.result()
            self._ready.move_to_end(id)
            while self.nbytes > self._most and len(self._ready) > 1:
                self._ready.popitem(last=False)

    def forget(self, id: str) -> None:
        """Give up the memory of an image; may be called from any thread."""
        with self._lock:
            self._ready.pop(id, None)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def nbytes(self) -> int:
        """Memory that the encoded_images take."""
        return sum(encoded.pixels.nbytes + encoded._embedding.nbytes for encoded in list(self._ready.values()))
