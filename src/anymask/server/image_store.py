"""The images of clients, on disk: a folder each, named by the hash of the pixels, removed when idle.

Their records lie in the database, so that several processes can serve the same images.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, ImageTooLargeError
from anymask.io.atomic import write_file
from anymask.io.decoding import displayed_size
from anymask.io.image import Image
from anymask.projects.images import OpenedFile
from anymask.server.database import SharedDatabase
from anymask.server.edits import open_and_edit
from anymask.server.image_processes import shared_processes
from anymask.server.limits import Limits
from anymask.server.problems import Problem
from anymask.server.stored_image import StoredImage, columns_of, from_record, hash_of
from anymask.structures.image_options import ImageOptions

_ID = re.compile(r"[0-9a-f]{64}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_IMAGE, _RECORD = "image", "record.json"
_RECENT = 900.0
"""Seconds of idleness before which an image is not removed to make room for another."""
_TOUCH = 60.0
"""Seconds after which a further use of an image is written down."""


class ImageStore:
    """Images by id. Safe to use from several threads and processes at once.

    Nothing in a path comes from a client but an id of exactly 64 hexadecimal digits, and a session key of letters and
    digits.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        database: SharedDatabase,
        on_remove: Callable[[str, bool], None] = lambda _, __: None,
    ) -> None:
        """Make the folder; `start` reads the images of an earlier server there.

        Args:
            folder: made if missing, for its owner only.
            limits: how many, how much, how long.
            database: of the records.
            on_remove: called with the id of every image that is removed, and whether it was an image of a project.
        """
        self.folder = folder
        self._limits = limits
        self._database = database
        self._on_remove = on_remove
        self._unwritten: dict[str, StoredImage] = {}  # changed while the disk was full
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self) -> None:
        """Read the records of earlier versions, and remove images that were idle for too long."""
        for path in self.folder.glob(f"*/{_RECORD}"):
            with suppress(OSError, ValueError, KeyError, TypeError, AnymaskError):
                record = json.loads(path.read_bytes())
                if record["id"] == path.parent.name and (path.parent / _IMAGE).is_file():
                    self._insert(from_record(record, float(record["used"])))
                    path.unlink()
        self.sweep()

    def add(self, encoded: bytes, client: str, opening: ImageOptions | None = None) -> StoredImage:
        """Decode an image and store it, to be opened as ``opening`` says.

        Raises:
            ImageError: not an image, or too large.
            Problem: 429, this client or the server has as many as allowed.
        """
        opening = opening or ImageOptions()
        image = self.decode(encoded, opening)
        with self._database.transaction():
            stored_image = self._find(image.pixel_hash)
            if stored_image is None or hash_of(client) not in stored_image.clients:
                self._check_count(client)
            if stored_image is None:
                self._make_room(len(encoded))
                stored_image = StoredImage(
                    image.pixel_hash, image.size, len(encoded), image.notes, opening, time.time()
                )
                self._write_new(stored_image, encoded, client)
                return stored_image
            stored_image.clients.add(hash_of(client))
            stored_image.used = time.time()
            self._insert(stored_image)
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

        def begin(stored_image: StoredImage) -> None:
            if stored_image.source is not None:
                stored_image.source = source
            stored_image.used = time.time()

        new = StoredImage(id, size, 0, notes, ImageOptions(), time.time(), source=source)
        return self._change(id, begin, new)

    def decode(self, encoded: bytes, opening: ImageOptions) -> Image:
        """Decode an image from outside, without storing it.

        Raises:
            ImageError: not an image, or too large.
        """
        self.check_size(encoded, opening)
        return self._open(encoded, opening)

    def _write_new(self, stored_image: StoredImage, encoded: bytes, client: str) -> None:
        """Store an image with its record, or leave nothing."""
        stored_image.clients.add(hash_of(client))
        try:
            write_file(self._folder_of(stored_image.id) / _IMAGE, encoded)
            self._insert(stored_image)
        except BaseException:
            shutil.rmtree(self._folder_of(stored_image.id), ignore_errors=True)
            raise

    def get(self, id: str) -> StoredImage:
        """The record of an image; this counts as using it.

        Raises:
            Problem: 404, unknown or removed.
        """
        stored_image = self._find(id)
        if stored_image is None or self._is_idle(stored_image):
            raise Problem(404, "unknown-image", "no such image: its id is wrong, or it was idle for too long")
        now = time.time()
        if now - stored_image.used > min(_TOUCH, self._limits.idle_seconds / 10):
            stored_image.used = now
            try:
                self._database.run("UPDATE images SET used = ? WHERE id = ?", now, id)
            except AnymaskError:
                self._unwritten[id] = stored_image  # on a full disk the time is known to this process alone
        return stored_image

    def is_seen_by(self, id: str, client: str) -> bool:
        """Whether a client uploaded an image or opened it in a project."""
        stored_image = self._find(id)
        return stored_image is not None and hash_of(client) in stored_image.clients | stored_image.viewers

    def show(self, id: str, client: str) -> None:
        """Let a client that opened an image in a project see it."""
        if not self.is_seen_by(id, client):
            self._change(id, lambda stored_image: stored_image.viewers.add(hash_of(client)))

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids whose images are stored, by this process or another one."""
        return {id for id in ids if self._find(id) is not None}

    def open(self, id: str) -> Image:
        """Decode an image anew.

        Raises:
            Problem: 404, unknown or removed.
        """
        stored_image, encoded = self._read(id)
        image = self._open(encoded, stored_image.opening)
        if stored_image.source is not None and image.pixel_hash != id:
            raise self._changed(id)
        return image

    def edit(self, id: str, function: Callable[..., bytes], *arguments: Any) -> bytes:
        """What a function makes of an image, in a process that is ended when nobody waits for it any more.

        Args:
            id: of the image.
            function: of a module; takes the image, and the arguments, which can be pickled.
            arguments: of the function.

        Raises:
            Problem: 404, unknown or removed.
            StoppedError: nobody waits.
            Exception: what the function raises.
        """
        stored_image, encoded = self._read(id)
        expected = None if stored_image.source is None else id
        opening = self._limited(stored_image.opening)
        edited = shared_processes().run(open_and_edit, opening, encoded, expected, function, arguments)
        if edited is None:
            raise self._changed(id)
        return edited

    def _read(self, id: str) -> tuple[StoredImage, bytes]:
        stored_image = self.get(id)
        try:
            return stored_image, (stored_image.source or self._folder_of(id) / _IMAGE).read_bytes()
        except OSError:
            self._drop(id)
            raise Problem(404, "unknown-image", "no such image: it was removed from the server's disk") from None

    def _changed(self, id: str) -> Problem:
        """Forget an image of a project whose file has other pixels now."""
        self._drop(id)
        return Problem(404, "unknown-image", "no such image: its file has changed; open it in its project again")

    def _open(self, encoded: bytes, opening: ImageOptions) -> Image:
        return shared_processes().open(encoded, self._limited(opening), self._limits.decoding_seconds)

    def _limited(self, opening: ImageOptions) -> ImageOptions:
        return replace(opening, max_pixels=self._limits.pixels)

    def remove(self, id: str, client: str) -> str | None:
        """Remove an image for one client, and from the disk when nobody else has it.

        Returns:
            Why it stays; None if it was removed.

        Raises:
            Problem: 403, this client did not upload it; 404, unknown or removed.
        """
        with self._database.transaction():
            stored_image = self.get(id)
            if hash_of(client) not in stored_image.clients:
                raise Problem(403, "not-yours", "another address uploaded this image, and may delete it")
            stored_image.clients.discard(hash_of(client))
            if not stored_image.clients and stored_image.source is None:
                self._drop(id)
                return None
            self._insert(stored_image)
            return "another client uploaded it" if stored_image.clients else "it is an image of a project"

    def expires(self, stored_image: StoredImage) -> str:
        """When an image is removed without further requests about it, ISO 8601 in UTC."""
        moment = datetime.fromtimestamp(stored_image.used + self._limits.idle_seconds, timezone.utc)
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def sweep(self) -> None:
        """Remove images that were idle for too long, and folders of incomplete ones."""
        for stored_image in list(self._unwritten.values()):
            with suppress(AnymaskError):
                self._insert(stored_image)
        with self._database.transaction():
            idle = "SELECT id FROM images WHERE used < ?"
            for (id,) in self._database.rows(idle, time.time() - self._limits.idle_seconds):
                if id not in self._unwritten:
                    self._drop(id)
            known = {id for (id,) in self._database.rows("SELECT id FROM images")}
            for folder in self.folder.iterdir():
                if _ID.fullmatch(folder.name) and folder.name not in known:
                    shutil.rmtree(folder, ignore_errors=True)

    def save_state(self, id: str, session: str, state: bytes) -> None:
        """Save the state of a browser for as long as the image."""
        with self._database.transaction():
            stored_image, path = self.get(id), self._state_path(id, session)
            self._make_room(len(state), except_for=id)
            write_file(path, state)
            states = sorted(path.parent.glob("state-*.json"), key=lambda each: each.stat().st_mtime)
            for oldest in states[: -self._limits.sessions]:
                oldest.unlink(missing_ok=True)
            stored_image.stored = sum(each.stat().st_size for each in path.parent.iterdir())
            self._insert(stored_image)

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
        return int(self._database.rows("SELECT count(*) FROM images")[0][0])

    @property
    def stored_bytes(self) -> int:
        """Bytes of all images on disk."""
        return int(self._database.rows("SELECT coalesce(sum(stored), 0) FROM images")[0][0])

    def _folder_of(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise Problem(404, "unknown-image", "an image's id has 64 hexadecimal digits")
        return self.folder / id

    def _state_path(self, id: str, session: str) -> Path:
        if not _SESSION.fullmatch(session):
            raise Problem(422, "bad-input", "a session is 8 to 64 letters, digits, - and _")
        return self._folder_of(id) / f"state-{hash_of(session)}.json"

    def _is_idle(self, stored_image: StoredImage) -> bool:
        return time.time() - stored_image.used > self._limits.idle_seconds

    def _check_count(self, client: str) -> None:
        mine = [stored_image for stored_image in self._all() if hash_of(client) in stored_image.clients]
        if len(mine) >= self._limits.images_per_client:
            oldest = min(stored_image.used for stored_image in mine)
            wait = max(1.0, oldest + self._limits.idle_seconds - time.time())
            line = f"{len(mine)} images of yours are stored, which is the limit; DELETE one"
            raise Problem(429, "too-many-images", line, retry_after=min(wait, 3600))

    def _make_room(self, needed: int, except_for: str = "") -> None:
        """Remove the images that were idle for longest, but none in use, until something new fits."""
        excess = self.stored_bytes + needed - self._limits.stored_bytes
        idle = list[str]()
        for stored_image in self._all() if excess > 0 else ():
            if excess <= 0 or time.time() - stored_image.used < _RECENT or stored_image.id == except_for:
                break
            excess -= stored_image.stored
            idle.append(stored_image.id)
        if excess > 0:
            raise Problem(429, "server-full", "the server stores the maximum number of images", retry_after=_RECENT)
        for id in idle:
            self._drop(id)

    def _drop(self, id: str) -> None:
        with self._database.transaction():
            stored_image = self._find(id)
            self._database.run("DELETE FROM images WHERE id = ?", id)
            shutil.rmtree(self._folder_of(id), ignore_errors=True)
        self._unwritten.pop(id, None)
        self._on_remove(id, stored_image is not None and stored_image.source is not None)

    def _find(self, id: str) -> StoredImage | None:
        if id in self._unwritten:
            return self._unwritten[id]
        found = self._database.rows("SELECT record, used FROM images WHERE id = ?", id)
        return from_record(json.loads(found[0][0]), found[0][1]) if found else None

    def _all(self) -> list[StoredImage]:
        """All images, the one that was idle for longest first."""
        found = self._database.rows("SELECT record, used FROM images ORDER BY used")
        return [from_record(json.loads(record), used) for record, used in found]

    def _change(self, id: str, change: Callable[[StoredImage], object], new: StoredImage | None = None) -> StoredImage:
        """Change a record that reading needs, or add one; while the disk is full this process alone knows it.

        Raises:
            Problem: 404, there is no such image, and no new record.
        """
        changed = new
        try:
            with self._database.transaction():
                found = self._find(id)
                changed = new if found is None or (new and self._is_idle(found)) else found
                if changed is None:
                    raise Problem(404, "unknown-image", "no such image: its id is wrong, or it was idle for too long")
                change(changed)
                self._insert(changed)
        except AnymaskError:
            if changed is None:
                raise
            self._unwritten[id] = changed
        return changed

    def _insert(self, stored_image: StoredImage) -> None:
        statement = (
            "INSERT INTO images VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET record = excluded.record, used = excluded.used, stored = excluded.stored"
        )
        self._database.run(statement, stored_image.id, *columns_of(stored_image))
        self._unwritten.pop(stored_image.id, None)
