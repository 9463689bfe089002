"""The images of clients, on disk: a folder each, named by the hash of the pixels, removed when idle."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, ImageTooLargeError
from anymask.io.atomic import write_file
from anymask.io.decoding import displayed_size
from anymask.io.image import Image
from anymask.projects.images import OpenedFile
from anymask.server.decoders import shared_decoders
from anymask.server.limits import Limits
from anymask.server.problems import Problem
from anymask.structures.image_options import ImageOptions

_ID = re.compile(r"[0-9a-f]{64}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_IMAGE, _RECORD = "image", "record.json"
_RECENT = 900.0
"""Seconds of idleness before which an image is not removed to make room for another."""
_TOUCH = 60.0


@dataclass
class StoredImage:
    """The record of one image.

    Attributes:
        id: hash of its pixels.
        size: (width, height) as displayed.
        stored: bytes on disk.
        notes: remarks of the reader.
        opening: how the file is opened.
        used: time of the last request about it, seconds since 1970.
        clients: hashes of the keys or addresses that uploaded it.
        viewers: hashes of those that opened it in a project, since the server started.
        source: the file, of an image of a project: it lies elsewhere, and is neither written nor removed.
    """

    id: str
    size: tuple[int, int]
    stored: int
    notes: tuple[str, ...]
    opening: ImageOptions
    used: float
    clients: set[str] = field(default_factory=set)
    viewers: set[str] = field(default_factory=set)
    written: float = 0.0
    source: Path | None = None


class ImageStore:
    """Images by id. Safe to use from several threads at once.

    Nothing in a path comes from a client but an id of exactly 64 hexadecimal digits, and a session key of letters and
    digits.
    """

    def __init__(
        self, folder: Path, limits: Limits, on_remove: Callable[[str, bool], None] = lambda _, __: None
    ) -> None:
        """Make the folder; `start` reads the images of an earlier server there.

        Args:
            folder: made if missing, for its owner only.
            limits: how many, how much, how long.
            on_remove: called with the id of every image that is removed, and whether it was an image of a project.
        """
        self.folder = folder
        self._limits = limits
        self._on_remove = on_remove
        self._lock = threading.RLock()
        self._images: dict[str, StoredImage] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self) -> None:
        """Read the images of an earlier server, and remove those that were idle for too long."""
        for record in self.folder.glob(f"*/{_RECORD}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                stored_image = _read_record(record)
                self._images[stored_image.id] = stored_image
        self.sweep()

    def add(self, encoded: bytes, client: str, opening: ImageOptions | None = None) -> StoredImage:
        """Decode an image and store it, to be opened as ``opening`` says.

        Raises:
            ImageError: not an image, or too large.
            Problem: 429, this client or the server has as many as allowed.
        """
        opening = opening or ImageOptions()
        image = self.decode(encoded, opening)
        with self._lock:
            stored_image = self._images.get(image.pixel_hash)
            if stored_image is None or _hash(client) not in stored_image.clients:
                self._check_count(client)
            if stored_image is None:
                self._make_room(len(encoded))
                stored_image = StoredImage(
                    image.pixel_hash, image.size, len(encoded), image.notes, opening, time.time()
                )
                self._write_new(stored_image, encoded, client)
                return stored_image
            stored_image.clients.add(_hash(client))
            stored_image.used = time.time()
            if stored_image.source is None:
                self._write_record(stored_image)
            return stored_image

    def check_size(self, encoded: bytes, opening: ImageOptions | None = None) -> tuple[int, int]:
        """(width, height) of an image, read from its head; a row of 100 million pixels would take half a minute.

        Raises:
            ImageError: not an image, or too large.
        """
        page = (opening or ImageOptions()).page or 1
        size = displayed_size(io.BytesIO(encoded), self._limits.pixels, page)
        if max(size) > self._limits.side:
            raise ImageTooLargeError(f"the image is {size[0]}x{size[1]}: a side takes up to {self._limits.side} pixels")
        return size

    def link(self, source: Path, opened: OpenedFile | None) -> StoredImage:
        """Make an image of a project known until it is idle; its file stays where it is.

        Args:
            source: the file.
            opened: hash of the pixels, size and notes, if the file was opened before and has not changed.

        Raises:
            ImageError: not an image, or too large.
            OSError: the file is gone, or may not be read.
        """
        if opened is None:
            encoded = source.read_bytes()
            self.check_size(encoded)
            image = self._open(encoded, ImageOptions())
            opened = image.pixel_hash, image.size, image.notes
        id, size, notes = opened
        with self._lock:
            stored_image = self._images.get(id)
            if stored_image is None or self._is_idle(stored_image):
                stored_image = StoredImage(id, size, 0, notes, ImageOptions(), time.time(), source=source)
                self._images[id] = stored_image
            elif stored_image.source is not None:
                stored_image.source = source
            stored_image.used = time.time()
            return stored_image

    def decode(self, encoded: bytes, opening: ImageOptions) -> Image:
        """Decode an image from outside, without storing it.

        Raises:
            ImageError: not an image, or too large.
        """
        self.check_size(encoded, opening)
        return self._open(encoded, opening)

    def _write_new(self, stored_image: StoredImage, encoded: bytes, client: str) -> None:
        """Store an image with its record, or leave nothing."""
        stored_image.clients.add(_hash(client))
        try:
            write_file(self._folder_of(stored_image.id) / _IMAGE, encoded)
            self._write_record(stored_image)
        except BaseException:
            shutil.rmtree(self._folder_of(stored_image.id), ignore_errors=True)
            raise
        self._images[stored_image.id] = stored_image

    def get(self, id: str) -> StoredImage:
        """The record of an image; this counts as using it.

        Raises:
            Problem: 404, unknown or removed.
        """
        with self._lock:
            stored_image = self._images.get(id)
            if stored_image is None or self._is_idle(stored_image):
                raise Problem(404, "unknown-image", "no such image: its id is wrong, or it was idle for too long")
            stored_image.used = time.time()
            if stored_image.source is None and stored_image.used - stored_image.written > _TOUCH:
                with suppress(AnymaskError):  # on a full disk the time is known to this process alone
                    self._write_record(stored_image)
            return stored_image

    def is_seen_by(self, id: str, client: str) -> bool:
        """Whether a client uploaded an image or opened it in a project."""
        with self._lock:
            stored_image = self._images.get(id)
            return stored_image is not None and _hash(client) in stored_image.clients | stored_image.viewers

    def show(self, id: str, client: str) -> None:
        """Let a client that opened an image in a project see it."""
        with self._lock:
            if (stored_image := self._images.get(id)) is not None:
                stored_image.viewers.add(_hash(client))

    def open(self, id: str) -> Image:
        """Decode an image anew.

        Raises:
            Problem: 404, unknown or removed.
        """
        stored_image = self.get(id)
        opening, file = stored_image.opening, stored_image.source or self._folder_of(id) / _IMAGE
        try:
            encoded = file.read_bytes()
        except OSError:
            self._drop(id)
            raise Problem(404, "unknown-image", "no such image: it was removed from the server's disk") from None
        return self._open(encoded, opening)

    def _open(self, encoded: bytes, opening: ImageOptions) -> Image:
        opening = replace(opening, max_pixels=self._limits.pixels)
        return shared_decoders().open(encoded, opening, self._limits.decoding_seconds)

    def remove(self, id: str, client: str) -> bool:
        """Remove an image for one client, and from the disk when no other client uploaded it.

        Returns:
            Whether it was removed from the disk.

        Raises:
            Problem: 403, this client did not upload it; 404, unknown or removed.
        """
        with self._lock:
            stored_image = self.get(id)
            if _hash(client) not in stored_image.clients:
                raise Problem(403, "not-yours", "another address uploaded this image, and may delete it")
            stored_image.clients.discard(_hash(client))
            if not stored_image.clients and stored_image.source is None:
                self._drop(id)
                return True
            if stored_image.source is None:
                self._write_record(stored_image)
            return False

    def expires(self, stored_image: StoredImage) -> str:
        """When an image is removed without further requests about it, ISO 8601 in UTC."""
        moment = datetime.fromtimestamp(stored_image.used + self._limits.idle_seconds, timezone.utc)
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def sweep(self) -> None:
        """Remove images that were idle for too long, and folders of incomplete ones."""
        with self._lock:
            for stored_image in [each for each in self._images.values() if self._is_idle(each)]:
                self._drop(stored_image.id)
            for folder in self.folder.iterdir():
                if _ID.fullmatch(folder.name) and folder.name not in self._images:
                    shutil.rmtree(folder, ignore_errors=True)

    def save_state(self, id: str, session: str, state: bytes) -> None:
        """Save the state of a browser for as long as the image."""
        with self._lock:
            stored_image, path = self.get(id), self._state_path(id, session)
            self._make_room(len(state), except_for=id)
            write_file(path, state)
            states = sorted(path.parent.glob("state-*.json"), key=lambda each: each.stat().st_mtime)
            for oldest in states[: -self._limits.sessions]:
                oldest.unlink(missing_ok=True)
            stored_image.stored = sum(each.stat().st_size for each in path.parent.iterdir() if each.name != _RECORD)
            self._write_record(stored_image)

    def read_state(self, id: str, session: str) -> bytes:
        """The state that `save_state` saved.

        Raises:
            Problem: 404, there is none.
        """
        self.get(id)
        try:
            return self._state_path(id, session).read_bytes()
        except FileNotFoundError:
            raise Problem(404, "no-state", "nothing was saved for this image under this session") from None

    def __len__(self) -> int:
        return len(self._images)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all images on disk."""
        with self._lock:
            return sum(stored_image.stored for stored_image in self._images.values())

    def _folder_of(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise Problem(404, "unknown-image", "an image's id has 64 hexadecimal digits")
        return self.folder / id

    def _state_path(self, id: str, session: str) -> Path:
        if not _SESSION.fullmatch(session):
            raise Problem(422, "bad-input", "a session is 8 to 64 letters, digits, - and _")
        return self._folder_of(id) / f"state-{_hash(session)}.json"

    def _is_idle(self, stored_image: StoredImage) -> bool:
        return time.time() - stored_image.used > self._limits.idle_seconds

    def _check_count(self, client: str) -> None:
        mine = [stored_image for stored_image in self._images.values() if _hash(client) in stored_image.clients]
        if len(mine) >= self._limits.images_per_client:
            oldest = min(stored_image.used for stored_image in mine)
            wait = max(1.0, oldest + self._limits.idle_seconds - time.time())
            line = f"{len(mine)} images of yours are stored, which is the limit; DELETE one"
            raise Problem(429, "too-many-images", line, retry_after=min(wait, 3600))

    def _make_room(self, needed: int, except_for: str = "") -> None:
        """Remove the images that were idle for longest, but none in use, until something new fits."""
        excess = self.stored_bytes + needed - self._limits.stored_bytes
        for stored_image in sorted(self._images.values(), key=lambda each: each.used):
            if excess <= 0:
                return
            if time.time() - stored_image.used < _RECENT or stored_image.id == except_for:
                break
            excess -= stored_image.stored
            self._drop(stored_image.id)
        if excess > 0:
            raise Problem(429, "server-full", "the server stores as many images as it allows", retry_after=_RECENT)

    def _drop(self, id: str) -> None:
        with self._lock:
            stored_image = self._images.pop(id, None)
            shutil.rmtree(self._folder_of(id), ignore_errors=True)
        self._on_remove(id, stored_image is not None and stored_image.source is not None)

    def _write_record(self, stored_image: StoredImage) -> None:
        stored_image.written = time.time()
        record: dict[str, Any] = {
            "id": stored_image.id,
            "size": list(stored_image.size),
            "stored": stored_image.stored,
            "notes": list(stored_image.notes),
            "opening": stored_image.opening.changed,
            "used": stored_image.used,
            "clients": sorted(stored_image.clients),
        }
        write_file(self._folder_of(stored_image.id) / _RECORD, json.dumps(record).encode())


def _read_record(path: Path) -> StoredImage:
    record = json.loads(path.read_bytes())
    if record["id"] != path.parent.name or not (path.parent / _IMAGE).is_file():
        raise ValueError("the folder was moved or is incomplete")
    width, height = record["size"]
    return StoredImage(
        record["id"],
        (int(width), int(height)),
        int(record["stored"]),
        tuple(record["notes"]),
        ImageOptions(**record.get("opening", {})),
        float(record["used"]),
        set(record["clients"]),
    )


def _hash(name: str) -> str:
    """Hash of an address or a session key, so that the disk holds neither."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
