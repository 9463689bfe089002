"""Images that come with every request of a labelling tool: encoded once, and not stored among the clients' images."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import partial

from anymask.errors import InputError
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


def decode_data_uri(uri: str) -> bytes:
    """The file of a data URI, or of base64 without its head.

    Raises:
        InputError: neither of them.
    """
    head, comma, content = uri.partition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise InputError("image takes a data URI in base64, such as data:image/jpeg;base64,…")
    try:
        return base64.b64decode(content if comma else head, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("image is damaged base64") from None
