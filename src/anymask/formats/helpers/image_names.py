"""Names of images within a dataset: short, unique, and never outside its folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

from anymask.errors import InputError
from anymask.structures.provenance import ImageRecord

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "minival": "val"}
"""What folders and files call the parts of a dataset, and their names here."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_elsewhere(path: str) -> bool:
    """Whether a path is absolute, climbs with "..", is of a Windows drive, or is an address."""
    parts = PurePosixPath(path.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or bool(PureWindowsPath(path).drive) or bool(_ADDRESS.match(path))


class ImageNames:
    """Names for the images of a dataset, one after the other.

    A relative path stays as it is; of an absolute path, an address, or a path that climbs with "..", the file's name
    remains, with as many folders before it as keep two images apart. An image without a path becomes `photo_000001`.
    """

    def __init__(self, suffix: str | None = None, keep_paths: bool = False, split_folders: bool = False) -> None:
        """Start with no names taken.

        Args:
            suffix: of files that are made per image, so that `a.jpg` and `a.png` get different ones; None if the
                names are only written down.
            keep_paths: leave also absolute paths and addresses as they are, if they come from a dataset (its images
                have an id); only for names that are written down.
            split_folders: put the images of each part of a split dataset into a folder of its name.
        """
        self._taken: set[str] = set()
        self._in_folders: set[str] = set()
        self._count = 0
        self._suffix, self._keep_paths, self._split_folders = suffix, keep_paths, split_folders

    def name(self, record: ImageRecord) -> str:
        """A name for the next image, with / between folders.

        Raises:
            InputError: the same image came before.
        """
        name = self._name(record)
        if not (self._split_folders and record.split):
            return name
        folder, _, rest = name.partition("/")
        whole = f"{record.split}/{rest if rest and SPLITS.get(folder.lower()) == record.split else name}"
        if self._key(whole) in self._in_folders:
            whole = f"{record.split}/{name}"
        self._in_folders.add(self._key(whole))
        return whole

    def _name(self, record: ImageRecord) -> str:
        self._count += 1
        if not record.path:
            return self._take(f"photo_{self._count:06d}")
        text = str(record.path)
        if self._keep_paths and record.id is not None and is_elsewhere(text) and self._key(text) not in self._taken:
            return self._take(text)
        is_outside = is_elsewhere(text)
        if address := _ADDRESS.match(text):
            text = re.split("[?#]", text[address.end() :])[0]
        path = PurePosixPath(text.replace("\\", "/"))
        parts = [part for part in path.parts if part not in ("/", "..", ".") and not PureWindowsPath(part).drive]
        parts = parts or [f"photo_{self._count:06d}"]
        fewest = 1 if is_outside else len(parts)
        for count in range(fewest, len(parts) + 1):
            name = "/".join(parts[-count:])
            if self._key(name) not in self._taken:
                return self._take(name)
        raise InputError(f"two images are called {record.path!r}: a dataset needs different names")

    def file(self, record: ImageRecord) -> str:
        """The name of the file for the next image: the image's, with the suffix in place of its own."""
        return self._as_file(self.name(record))

    def _take(self, name: str) -> str:
        self._taken.add(self._key(name))
        return name

    def _key(self, name: str) -> str:
        return (name if self._suffix is None else self._as_file(name)).casefold()

    def _as_file(self, name: str) -> str:
        path = PurePosixPath(name)
        return str(path.with_name(path.stem + (self._suffix or "")))
