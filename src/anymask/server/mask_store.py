"""Answers that later requests may refer to: a second click feeds the first answer's logits back."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import numpy as np

from anymask.server.problems import Problem
from anymask.structures.mask import Mask

_LEAST = 2048
"""Bytes that one reference is reckoned at besides its logits and runs."""


class MaskStore:
    """Masks by image and reference, as run lengths with their logits. Safe to use from several threads at once.

    A reference is a hash of the answer: whoever asks the same gets the same, and it tells nothing about other clients.
    When memory runs out the client with most of it loses its oldest.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._held: dict[str, OrderedDict[tuple[str, str], Mask]] = {}
        self._sizes: dict[str, int] = {}

    def put(self, image: str, client: str, mask: Mask, *, logits: bool = True) -> str:
        """Keep a mask and return its reference.

        Args:
            image: id of the image.
            client: whose share of the memory it takes.
            mask: its pixels are not kept, its runs are.
            logits: keep the logits too; without them a later prompt is fed the mask itself.
        """
        runs = mask.rle
        kept = np.array(mask.logits, np.float32) if logits and mask.logits is not None else None
        digest = hashlib.blake2b(runs["counts"].encode(), digest_size=12, key=bytes.fromhex(image))
        digest.update(b"" if kept is None else kept.data)
        reference = digest.hexdigest()
        light = Mask.from_rle(runs, logits=kept, label=mask.label, score=mask.score, stability=mask.stability)
        with self._lock:
            mine = self._held.setdefault(client, OrderedDict())
            if (image, reference) not in mine:
                mine[image, reference] = light
                self._sizes[client] = self._sizes.get(client, 0) + _size(light)
            mine.move_to_end((image, reference))
            while sum(self._sizes.values()) > self._most:
                self._drop_oldest(max(self._sizes, key=lambda each: self._sizes[each]))
        return reference

    def get(self, image: str, reference: str) -> Mask:
        """The mask behind a reference.

        Raises:
            Problem: 404, unknown or no longer kept.
        """
        with self._lock:
            for held in self._held.values():
                if (mask := held.get((image, reference))) is not None:
                    held.move_to_end((image, reference))
                    return mask
        raise Problem(404, "unknown-mask", f"no mask {reference!r} is kept for this image; send the prompt without it")

    def forget(self, image: str) -> None:
        """Give up all masks of an image."""
        with self._lock:
            for client, held in self._held.items():
                for key in [each for each in held if each[0] == image]:
                    self._sizes[client] -= _size(held.pop(key))

    def _drop_oldest(self, client: str) -> None:
        _, mask = self._held[client].popitem(last=False)
        self._sizes[client] -= _size(mask)
        if not self._held[client]:
            del self._held[client], self._sizes[client]

    @property
    def nbytes(self) -> int:
        """Memory that the masks take."""
        return sum(self._sizes.values())


def _size(mask: Mask) -> int:
    return _LEAST + 2 * len(mask.rle["counts"]) + (0 if mask.logits is None else mask.logits.nbytes)
