"""Masks that later requests may refer to: a second click builds on the logits of the first mask."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np

from anymask.io.cache_folder import make_room, read_with_sum, write_with_sum
from anymask.server.problems import Problem
from anymask.structures.mask import Mask

_BASE_BYTES = 2048
"""Bytes that one reference counts for besides its logits and run lengths."""
_PUTS_BETWEEN_LISTINGS = 16
_IMAGE_DIGITS = 40
"""Of the id of an image, in the names of files."""


class MaskStore:
    """Masks by image and reference, as run lengths with their logits. Safe to use from several threads at once.

    A reference is a hash of the mask: equal masks have equal references, which reveal nothing about other clients.
    When memory runs out, the client that uses most of it loses its oldest mask.

    Args:
        max_bytes: of memory, and of the files.
        folder: where the other processes of the server find the masks, too; None where there are none.
    """

    def __init__(self, max_bytes: int, folder: Path | None = None) -> None:
        self._max_bytes = max_bytes
        self._folder = folder
        self._puts = 0
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
            is_new = (image, reference) not in mine
            if is_new:
                mine[image, reference] = light
                self._sizes[client] = self._sizes.get(client, 0) + _size(light)
            mine.move_to_end((image, reference))
            while sum(self._sizes.values()) > self._max_bytes:
                self._drop_oldest(max(self._sizes, key=lambda each: self._sizes[each]))
        if self._folder is not None and is_new:
            self._write(self._path(self._folder, image, reference), light)
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
        if self._folder is not None:
            with suppress(OSError, ValueError, KeyError):
                return _from_bytes(read_with_sum(self._path(self._folder, image, reference)))
        raise Problem(
            404, "unknown-mask", f"no mask {reference!r} is stored for this image; send the prompt without it"
        )

    def forget(self, image: str) -> None:
        """Remove all masks of an image."""
        for path in self._folder.glob(f"{image[:_IMAGE_DIGITS]}*") if self._folder is not None else ():
            path.unlink(missing_ok=True)
        self.forget_in_memory(image)

    def forget_in_memory(self, image: str) -> None:
        """Remove the masks of an image that another process removed."""
        with self._lock:
            for client, masks in self._masks.items():
                for key in [each for each in masks if each[0] == image]:
                    self._sizes[client] -= _size(masks.pop(key))

    def _path(self, folder: Path, image: str, reference: str) -> Path:
        return folder / f"{image[:_IMAGE_DIGITS]}{reference}.mask"

    def _write(self, path: Path, mask: Mask) -> None:
        write_with_sum(path, _to_bytes(mask))
        self._puts += 1
        if self._puts % _PUTS_BETWEEN_LISTINGS == 0:
            make_room(path.parent, self._max_bytes)

    def images(self) -> set[str]:
        """Ids of the images that have masks in memory."""
        with self._lock:
            return {image for masks in self._masks.values() for image, _ in masks}

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


def _to_bytes(mask: Mask) -> bytes:
    scores = {name: None if value is None else float(value) for name, value in _scores_of(mask).items()}
    about = {"rle": mask.rle, "label": mask.label, **scores}
    content = io.BytesIO()
    np.savez(
        content,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        logits=np.zeros(0, np.float32) if mask.logits is None else mask.logits,
    )
    return content.getvalue()


def _scores_of(mask: Mask) -> dict[str, float | None]:
    return {"score": mask.score, "stability": mask.stability}


def _from_bytes(content: bytes | memoryview) -> Mask:
    """The mask of a file.

    Raises:
        ValueError, KeyError: it holds none.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        logits = arrays["logits"]
    rest = {name: about[name] for name in ("label", "score", "stability")}
    return Mask.from_rle(about["rle"], logits=logits if logits.size else None, **rest)
