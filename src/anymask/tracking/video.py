"""Video files, read and written with PyAV, which the extra `anymask[video]` brings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.io.atomic import protect_input
from anymask.io.image import Image, open_image

_ENDS = 1 << 20
"""Bytes at both ends of a video that identify it together with its size."""
_TICKS = 90_000
"""Of a second, in videos that are written; what MPEG counts in."""
_ENCODERS = ("libx264", "mpeg4")


def has_pyav() -> bool:
    """Whether PyAV is installed."""
    from importlib.util import find_spec

    return find_spec("av") is not None


class VideoFrames:
    """The frames of a video file, upright, with their times.

    Attributes:
        path: of the file.
        count: how many frames the file states; None if it does not.
        identity: its size, and a hash of its ends.

    Raises:
        InputError: PyAV is missing, or the file is no video that it can read.
    """

    def __init__(self, path: Path) -> None:
        if not has_pyav():
            raise InputError(
                f"{path} is read as a video, which needs PyAV: pip install 'anymask[video]', or give a folder of frames"
            )
        self.path = path
        with self._opened() as container:
            self.count: int | None = container.streams.video[0].frames or None
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(_ENDS)
            file.seek(max(0, size - _ENDS))
            digest = hashlib.sha256(first + file.read()).hexdigest()
        self.identity = {"kind": "video", "bytes": size, "sha256": digest}
        protect_input(path)

    def read(self) -> Iterator[tuple[Image | None, str | None, float | None]]:
        """The frames in the order of display: image or None, reason if it is None, and time in seconds."""
        import av

        with self._opened() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    yield None, f"{self.path}: a damaged frame ({error.strerror or error})", None
                    continue
                for frame in frames:
                    yield open_image(_upright(frame)), None, None if frame.time is None else float(frame.time)

    def _opened(self) -> Any:
        """The open file.

        Raises:
            InputError: no video.
        """
        import av

        try:
            container = av.open(str(self.path))
        except (av.error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{self.path} cannot be read as a video ({reason.lower()}); give a folder of frames"
            ) from None
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.path} has no video in it; give a folder of frames or a video file")
        return container


def _upright(frame: Any) -> NDArray[np.uint8]:
    """The pixels of a frame as it is displayed, uint8 [H, W, 3]: phones store how they were held beside the pixels."""
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))


def write_video(path: Path, frames: Iterable[tuple[float, NDArray[np.uint8]]]) -> None:
    """Write an MP4 with H.264, or MPEG-4 where the installed FFmpeg has no encoder for that.

    Args:
        path: of the file.
        frames: time in seconds, ascending, and pixels uint8 [H, W, 3] RGB. The first one gives the size; others are
            fitted into it.
    """
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = None
        last = -1
        for time, pixels in frames:
            if stream is None:
                stream = _new_stream(container, pixels.shape[1], pixels.shape[0])
            fitted = av.VideoFrame.from_ndarray(_fitted(pixels, stream.width, stream.height), format="rgb24")
            last = max(last + 1, round(time * _TICKS))
            fitted.pts, fitted.time_base = last, Fraction(1, _TICKS)
            container.mux(stream.encode(fitted))
        if stream is not None:
            container.mux(stream.encode())


def _new_stream(container: Any, width: int, height: int) -> Any:
    import av

    for name in _ENCODERS:
        if name in av.codecs_available:
            stream = container.add_stream(name, rate=30)
            break
    else:
        raise InputError("the installed PyAV has no encoder for MP4")
    stream.width, stream.height = width + width % 2, height + height % 2  # colour is stored for two pixels together
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, _TICKS)
    stream.time_base = Fraction(1, _TICKS)
    return stream


def _fitted(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image, uint8 [h, w, 3], in the middle of a frame [height, width, 3], smaller if it has to be."""
    import cv2

    own_height, own_width = pixels.shape[:2]
    scale = min(1.0, width / own_width, height / own_height)
    if scale < 1:
        size = max(1, round(own_width * scale)), max(1, round(own_height * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
