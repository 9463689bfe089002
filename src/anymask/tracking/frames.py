"""The frames of a video: a folder of images, a file of several pages, a video file, or a list."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from anymask.batch.sources import is_image, natural_key
from anymask.errors import ImageError, InputError
from anymask.io.image import Image, ImageSource, page_count
from anymask.structures.image_options import ImageOptions
from anymask.tracking.video import VideoFrames

_VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")
)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame.

    Attributes:
        index: from 0 on.
        name: unique among the frames; of the file without extension, or the number.
        image: None if it cannot be read.
        error: why it cannot be read; None if it can.
        time: in seconds, of a video; None of images.
    """

    index: int
    name: str
    image: Image | None
    error: str | None = None
    time: float | None = None


class Frames(Protocol):
    """Frames in their order, which can be read more than once."""

    @property
    def identity(self) -> dict[str, Any]:
        """What tells these frames from others, as plain JSON values."""
        ...

    @property
    def name(self) -> str:
        """What the frames are called together, for a folder of results."""
        ...

    @property
    def count(self) -> int | None:
        """How many there are; None if only reading them tells."""
        ...

    def index_of(self, name: str) -> int | None:
        """The index of a frame by its name, with or without extension; None if there is none."""
        ...

    def read(self, start: int = 0) -> Iterator[VideoFrame]:
        """Read the frames from one of them on."""
        ...


def open_frames(source: Any, options: ImageOptions | None = None) -> Frames:
    """Find the frames of a source.

    Args:
        source: a folder of images, which are taken in natural order (frame_2 before frame_10; folders inside are left
            out); an image file of several pages; a video file, which needs PyAV; or a list of what `open_image` takes.
        options: how image files are opened.

    Raises:
        InputError: there is no such source, or no image in it; a video without PyAV.
    """
    options = options or ImageOptions()
    if not isinstance(source, (str, os.PathLike)):
        return ImageFrames([(f"{index:05d}", each) for index, each in enumerate(_listed(source))], "frames", options)
    path = Path(source)
    if path.is_dir():
        return _folder_frames(path, options)
    if not path.exists():
        raise InputError(f"there is no {path}: give a folder of images or a video file")
    if path.suffix.lower() in _VIDEO_SUFFIXES or not is_image(path.name):
        return _VideoSource(path)
    count = page_count(path, max_pixels=options.max_pixels)
    pages = [(f"{page:05d}", partial(_page, path, page, options)) for page in range(1, count + 1)]
    return ImageFrames(pages if count > 1 else [(path.stem, path)], path.stem, options, path)


def _listed(source: Any) -> list[Any]:
    if isinstance(source, (bytes, bytearray)) or not (isinstance(source, Sequence) or getattr(source, "ndim", 0) == 4):
        raise InputError(f"frames are a {type(source).__name__}: give a folder, a video file or a list of images")
    frames = list(source)
    if not frames:
        raise InputError("there are no frames: the list is empty")
    return frames


def _page(path: Path, page: int, options: ImageOptions) -> Image:
    from dataclasses import replace

    return replace(options, page=page).open(path)


def _folder_frames(folder: Path, options: ImageOptions) -> ImageFrames:
    try:
        names = [each.name for each in os.scandir(folder) if each.is_file() and is_image(each.name)]
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {(error.strerror or str(error)).lower()}") from None
    names = sorted((each for each in names if not each.startswith(".")), key=natural_key)
    if not names:
        raise InputError(f"{folder} has no images: give a folder whose files are the frames")
    stems = [Path(each).stem for each in names]
    unique = len({each.casefold() for each in stems}) == len(stems)
    labels = stems if unique else names
    files = [(label, folder / name) for label, name in zip(labels, names, strict=True)]
    return ImageFrames(files, folder.resolve().name, options, folder)


class ImageFrames:
    """Frames that are images: files, pages of a file, or what `open_image` takes.

    Args:
        frames: name and source of each; a source may be a function that opens it.
        name: of all of them.
        options: how files are opened.
        path: of the folder or file; None for a list.
    """

    def __init__(
        self, frames: Sequence[tuple[str, Any]], name: str, options: ImageOptions, path: Path | None = None
    ) -> None:
        self._frames, self.name, self._options, self._path = frames, name, options, path
        self._by_name = {each: index for index, (each, _) in reversed(list(enumerate(frames)))}

    @property
    def count(self) -> int | None:
        """How many there are."""
        return len(self._frames)

    @property
    def identity(self) -> dict[str, Any]:
        """Names and sizes of the files, as a hash; copies elsewhere are the same frames."""
        hashed = hashlib.sha256()
        for name, source in self._frames:
            path = source if isinstance(source, (str, os.PathLike)) else self._path
            size = os.stat(path).st_size if path is not None and Path(path).is_file() else ""  # noqa: PTH116
            hashed.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
        return {"kind": "images", "count": len(self._frames), "sha256": hashed.hexdigest()}

    def index_of(self, name: str) -> int | None:
        """See `Frames.index_of`."""
        last = name.replace("\\", "/").rsplit("/", 1)[-1]
        found = self._by_name.get(last, self._by_name.get(Path(last).stem))
        return found if found is not None else _number_of(name, len(self._frames))

    def read(self, start: int = 0) -> Iterator[VideoFrame]:
        """See `Frames.read`; a frame that cannot be read has an error in the place of its image."""
        for index in range(start, len(self._frames)):
            name, source = self._frames[index]
            try:
                image = source() if callable(source) else self._open(source)
            except ImageError as error:
                yield VideoFrame(index, name, None, str(error))
                continue
            yield VideoFrame(index, name, image)

    def _open(self, source: ImageSource) -> Image:
        return self._options.open(source, is_one_of_many=True)


class _VideoSource:
    """The frames of a video file."""

    def __init__(self, path: Path) -> None:
        self._video = VideoFrames(path)
        self.name, self.count, self.identity = path.stem, self._video.count, self._video.identity

    def index_of(self, name: str) -> int | None:
        """See `Frames.index_of`; the frames of a video have numbers as names."""
        return _number_of(Path(name).stem, None)

    def read(self, start: int = 0) -> Iterator[VideoFrame]:
        """See `Frames.read`."""
        for index, (image, error, time) in enumerate(self._video.read()):
            if index >= start:
                yield VideoFrame(index, f"{index:05d}", image, error, time)


def _number_of(name: str, count: int | None) -> int | None:
    """A name that is a number as an index."""
    if not name.isdecimal() or (count is not None and int(name) >= count):
        return None
    return int(name)
