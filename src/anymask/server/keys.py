"""Keys of a team: a name, a role and what is shared with it; the file holds hashes, from which no key can be found."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from filelock import FileLock

from anymask.errors import InputError
from anymask.io.atomic import write_file

Role = Literal["read", "annotate", "admin"]
KEY_ROLES: tuple[Role, ...] = ("read", "annotate", "admin")
KEYS_FILE = "keys.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DURATION = re.compile(r"(\d{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Key:
    """One key, without its secret.

    Attributes:
        name: of who uses it; unique.
        role: "read" looks at what is there, "annotate" also uploads, prompts and changes projects, "admin" also sees
            what belongs to others.
        digest: hex sha256 of the secret, which has 192 random bits.
        created: seconds since 1970.
        expires: the same; None for never.
        projects: ids of the projects that are shared with it.
    """

    name: str
    role: Role
    digest: str
    created: float
    expires: float | None = None
    projects: tuple[str, ...] = ()

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and time.time() > self.expires


class KeyStore:
    """The keys of one server, in a file of its folder. Safe to use from several threads and processes at once.

    Args:
        folder: of the server.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEYS_FILE
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._stamp: tuple[int, int] | None = None
        self._checked = 0.0
        self._refresh()

    def all(self) -> list[Key]:
        """All keys, those that expired among them, by name."""
        self._refresh()
        return [self._keys[name] for name in sorted(self._keys)]

    def get(self, name: str) -> Key:
        """The key of a name.

        Raises:
            InputError: there is none.
        """
        self._refresh()
        if name not in self._keys:
            raise InputError(f"there is no key {name!r}")
        return self._keys[name]

    def find(self, secret: str) -> Key | None:
        """The key with a secret, if it has not expired. A revoked key is refused within a second."""
        self._refresh()
        digest = _digest(secret)
        for each in list(self._keys.values()):
            if secrets.compare_digest(each.digest, digest):
                return None if each.is_expired else each
        return None

    def add(self, name: str, role: Role, expires: float | None = None) -> str:
        """Make a key and return its secret, which is stored nowhere.

        Raises:
            InputError: a name that is taken or none, or a time that is over.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"the name of a key has up to 64 letters, digits and . _ @ -, not {name!r}")
        if expires is not None and expires <= time.time():
            raise InputError("the time at which the key expires is in the past")
        secret = f"ak-{secrets.token_urlsafe(24)}"

        def change(keys: dict[str, Key]) -> None:
            if name in keys:
                raise InputError(f"a key {name!r} already exists: revoke it first, or use another name")
            keys[name] = Key(name, role, _digest(secret), time.time(), expires)

        self._change(change)
        return secret

    def revoke(self, name: str) -> None:
        """Remove a key.

        Raises:
            InputError: there is none of that name.
        """

        def change(keys: dict[str, Key]) -> None:
            if keys.pop(name, None) is None:
                raise InputError(f"there is no key {name!r}")

        self._change(change)

    def share(self, project: str, name: str, shared: bool = True) -> None:
        """Share a project with a key, or end that.

        Raises:
            InputError: there is no key of that name.
        """

        def change(keys: dict[str, Key]) -> None:
            if name not in keys:
                raise InputError(f"there is no key {name!r}")
            others = tuple(each for each in keys[name].projects if each != project)
            keys[name] = replace(keys[name], projects=(*others, project) if shared else others)

        self._change(change)

    def _change(self, change: Callable[[dict[str, Key]], None]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self._path.with_suffix(".lock")), self._lock:
            keys = self._read()
            change(keys)
            write_file(self._path, json.dumps([asdict(each) for each in keys.values()], indent=1).encode())
            self._path.chmod(0o600)
            self._keys = keys
            self._checked = 0.0

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._checked < _CHECK_SECONDS and self._checked:
                return
            self._checked = time.monotonic()
            stamp = None
            with suppress(FileNotFoundError):
                state = self._path.stat()
                stamp = (state.st_mtime_ns, state.st_size)
            if stamp != self._stamp or stamp is None:
                self._keys, self._stamp = self._read(), stamp

    def _read(self) -> dict[str, Key]:
        """The keys in the file.

        Raises:
            InputError: it is damaged; a server without its keys would let nobody in, or everybody.
        """
        try:
            records = json.loads(self._path.read_bytes())
            return {each["name"]: Key(**{**each, "projects": tuple(each["projects"])}) for each in records}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"the keys in {self._path} cannot be read: {error}; restore the file") from None


def parse_expiry(text: str) -> float:
    """A time in seconds since 1970: `12h`, `30d`, `8w` from now, or a date such as 2027-01-31, at its end in UTC.

    Raises:
        InputError: neither.
    """
    if duration := _DURATION.fullmatch(text):
        return time.time() + int(duration[1]) * _HOURS[duration[2]] * 3600
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        raise InputError(f"a key expires after 12h, 30d or 8w, or on a date such as 2027-01-31, not {text!r}") from None
    return day.timestamp() + 24 * 3600


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
