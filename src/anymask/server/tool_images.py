"""Images that come with every request of a labelling tool: encoded once, and not stored among the clients' images."""

from __future__ import annotations

import hashlib
from functools import partial

from anymask.prediction.encoded_image import EncodedImage
from anymask.server.service import Service
from anymask.structures.image_options import ImageOptions


async def encode_file(service: Service, content: bytes, client: str, deadline: float) -> EncodedImage:
    """Encode an image file; the same file again is found in memory, or its embedding on disk.

    Raises:
        ImageError: not an image, or too large.
        Problem: 408 the deadline passed, 429 the queue for the encoder is full.
    """
    key = f"file {hashlib.sha256(content).hexdigest()}"
    ready = service.encoded_images.ready(key)
    if ready is not None:
        return ready
    with service.encoding.place(client):
        return await service.encoded_images.get(key, partial(_encode, service, content), deadline)


def _encode(service: Service, content: bytes) -> EncodedImage:
    return service.segmenter.encode(service.images.decode(content, ImageOptions()))
