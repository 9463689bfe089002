"""Masks that later requests may refer to: a second click builds on the logits of the first mask."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import numpy as np

from anymask.server.problems import Problem
from anymask.structures.mask import Mask

_BASE_BYTES = 2048
"""Bytes that one reference counts for besides its logits and run lengths."""


class MaskStore:
    """Masks by image and reference, as run lengths with their logits. Safe to use from several threads at once.

    A reference is a hash of the mask: equal masks have equal references, which reveal nothing about other clients.
    When memory runs out, the client that uses most of it loses its oldest mask.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._masks: dict[str, OrderedDict[tuple[str, str], Mask]] = {}
        self._sizes: dict[str, int] = {}

    def put(self, image: str, client: str, mask: Mask, *, logits: bool = True) -> str:
        """Store a mask and return its reference.

        Args:
            image: id of the image.
            client: whose share of the memory it takes.
            mask: stored as run lengths, without its pixels.
            logits: store float32 [256, 256] logits too; without them a later prompt builds on the mask itself.
        """
        rle = mask.rle
        stored_logits = np.array(mask.logits, np.float32) if logits and mask.logits is not None else None
        digest = hashlib.blake2b(rle["counts"].encode(), digest_size=12, key=bytes.fromhex(image))
        digest.update(b"" if stored_logits is None else stored_logits.data)
        reference = digest.hexdigest()
        light = Mask.from_rle(rle, logits=stored_logits, label=mask.label, score=mask.score, stability=mask.stability)
        with self._lock:
            mine = self._masks.setdefault(client, OrderedDict())
            if (image, reference) not in mine:
                mine[image, reference] = light
                self._sizes[client] = self._sizes.get(client, 0) + _size(light)
            mine.move_to_end((image, reference))
            while sum(self._sizes.values()) > self._max_bytes:
                self._drop_oldest(max(self._sizes, key=lambda each: self._sizes[each]))
        return reference

    def get(self, image: str, reference: str) -> Mask:
        """The mask behind a reference.

        Raises:
            Problem: 404, unknown or no longer stored.
        """
        with self._lock:
            for masks in self._masks.values():
                if (mask := masks.get((image, reference))) is not None:
                    masks.move_to_end((image, reference))
                    return mask
        raise Problem(
            404, "unknown-mask", f"no mask {reference!r} is stored for this image; send the prompt without it"
        )

    def forget(self, image: str) -> None:
        """Remove all masks of an image."""
        with self._lock:
            for client, masks in self._masks.items():
                for key in [each for each in masks if each[0] == image]:
                    self._sizes[client] -= _size(masks.pop(key))

    def _drop_oldest(self, client: str) -> None:
        _, mask = self._masks[client].popitem(last=False)
        self._sizes[client] -= _size(mask)
        if not self._masks[client]:
            del self._masks[client], self._sizes[client]

    @property
    def nbytes(self) -> int:
        """Memory that the masks take."""
        return sum(self._sizes.values())


def _size(mask: Mask) -> int:
    return _BASE_BYTES + 2 * len(mask.rle["counts"]) + (0 if mask.logits is None else mask.logits.nbytes)
