"""Names of images within a dataset: short, unique, and never outside its folder."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from anymask.errors import InputError
from anymask.structures.provenance import ImageRecord


class ImageNames:
    """Names for the images of a dataset, one after the other.

    A relative path stays as it is; of an absolute path, or one that climbs with "..", the file's name remains, with as
    many folders before it as keep two images apart. An image without a path becomes `photo_000001`.
    """

    def __init__(self, suffix: str | None = None) -> None:
        """Start with no names taken.

        Args:
            suffix: of files that are made per image, so that `a.jpg` and `a.png` get different ones; None if the
                names are only written down.
        """
        self._taken: set[str] = set()
        self._count = 0
        self._suffix = suffix

    def name(self, record: ImageRecord) -> str:
        """A name for the next image, with / between folders.

        Raises:
            InputError: the same image came before.
        """
        self._count += 1
        if not record.path:
            return self._take(f"photo_{self._count:06d}")
        path = PurePosixPath(str(record.path).replace("\\", "/"))
        parts = [part for part in path.parts if part not in ("/", "..", ".") and not PureWindowsPath(part).drive]
        parts = parts or [f"photo_{self._count:06d}"]
        climbs = path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(str(record.path)).drive)
        fewest = 1 if climbs else len(parts)
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
