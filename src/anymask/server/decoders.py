"""Decodes images in processes of their own: one that takes too long, or breaks, is ended and replaced."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import time
from functools import cache
from multiprocessing.connection import Connection
from socket import socketpair

from anymask.errors import ImageError
from anymask.io.image import Image
from anymask.io.interruption import check_stopped
from anymask.server.tracing import span
from anymask.structures.image_options import ImageOptions

DECODERS = 2
_POLL_SECONDS = 0.05


class Decoders:
    """Processes that decode images, started when they are first needed. Safe to use from several threads at once.

    Args:
        count: of the processes, and of images that are decoded at once.
    """

    def __init__(self, count: int) -> None:
        self._free: queue.SimpleQueue[_Decoder | None] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    def open(self, encoded: bytes, opening: ImageOptions, seconds: float) -> Image:
        """Decode an image as ``opening`` says; a process that ends at it may have been killed: another one tries again.

        Args:
            encoded: a file.
            opening: how it is opened, and how many pixels it may have.
            seconds: that it may take.

        Raises:
            ImageError: it cannot be read, breaks a limit, or takes longer.
            StoppedError: the work around has to end.
        """
        with span("decode image"):
            return self._open_twice(encoded, opening, seconds)

    def _open_twice(self, encoded: bytes, opening: ImageOptions, seconds: float) -> Image:
        with contextlib.suppress(_EndedError):
            return self._open(encoded, opening, seconds)
        try:
            return self._open(encoded, opening, seconds)
        except _EndedError:
            raise ImageError("the image cannot be decoded: the decoder ended at it, twice") from None

    def _open(self, encoded: bytes, opening: ImageOptions, seconds: float) -> Image:
        decoder = self._take()
        try:
            if decoder is not None and decoder.has_ended:
                decoder.kill()
                decoder = None
            decoder = decoder or _Decoder()
            result = decoder.open(encoded, opening, seconds)
        except BaseException:
            if decoder is not None:
                decoder.kill()
            decoder = None
            raise
        finally:
            self._free.put(decoder)
        if isinstance(result, BaseException):
            raise result
        return result

    def _take(self) -> _Decoder | None:
        while True:
            check_stopped()
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=_POLL_SECONDS)


@cache
def shared_decoders() -> Decoders:
    """The decoders of this process, which all its servers share."""
    return Decoders(DECODERS)


class _EndedError(Exception):
    """A process ended before it had decoded an image."""


class _Decoder:
    """One process."""

    def __init__(self) -> None:
        ours, theirs = socketpair()
        command = [sys.executable, "-m", "anymask.server.decoding_process", str(theirs.fileno())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        self._process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, env=environment
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    def open(self, encoded: bytes, opening: ImageOptions, seconds: float) -> Image | BaseException:
        """The image, or why it could not be decoded.

        Raises:
            ImageError: the process took too long.
            _EndedError: it ended.
            StoppedError: the work around has to end.
        """
        until = time.monotonic() + seconds
        try:
            self._connection.send((encoded, opening))
            while not self._connection.poll(_POLL_SECONDS):
                check_stopped()
                if time.monotonic() > until:
                    raise ImageError(f"the image takes longer than {seconds:g} seconds to decode")
            result: Image | BaseException = self._connection.recv()
        except (EOFError, OSError):
            raise _EndedError("the decoder ended") from None
        return result

    @property
    def has_ended(self) -> bool:
        """Whether the process ended by itself, or was ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
