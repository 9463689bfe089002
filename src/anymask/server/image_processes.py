"""Decodes and edits images in processes of their own: one that takes too long, or breaks, is ended and replaced."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from socket import socketpair
from typing import Any, TypeVar, cast

from anymask.errors import AnymaskError, ImageError
from anymask.io.image import Image
from anymask.io.interruption import check_stopped
from anymask.server.tracing import span
from anymask.structures.image_options import ImageOptions

_T = TypeVar("_T")

DECODERS = 2
"""Images that are decoded at once."""
EDITORS = 2
"""Images that are cut out or inpainted at once, besides."""
_POLL_SECONDS = 0.05


class ImageProcesses:
    """Processes that work on images, started when they are first needed. Safe to use from several threads at once.

    Args:
        count: of the processes, and of images that are worked on at once.
    """

    def __init__(self, count: int) -> None:
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()  # few run if few are needed
        for _ in range(count):
            self._free.put(None)

    def open(self, encoded: bytes, opening: ImageOptions, seconds: float) -> Image:
        """Decode an image as ``opening`` says.

        Args:
            encoded: a file.
            opening: how it is opened, and how many pixels it may have.
            seconds: that it may take.

        Raises:
            ImageError: it cannot be read, breaks a limit, or takes longer.
            StoppedError: the work around has to end.
        """
        with span("decode image"):
            try:
                return self._run_twice(ImageOptions.open, (opening, encoded), seconds)
            except _LateError:
                raise ImageError(f"the image takes longer than {seconds:g} seconds to decode") from None
            except _EndedError:
                raise ImageError("the image cannot be decoded: the decoder crashed on it twice") from None

    def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """The result of a function of a module, called in a process; one that ends may have been killed: another tries.

        Args:
            function: what to call.
            arguments: of the function, which can be pickled, as can its result.

        Raises:
            AnymaskError: both processes ended.
            StoppedError: the work around has to end; the process was ended.
            Exception: what the function raises.
        """
        try:
            return self._run_twice(function, arguments, None)
        except _EndedError:
            raise AnymaskError("the process that worked on the image ended, twice: it may need more memory") from None

    def _run_twice(self, function: Callable[..., _T], arguments: tuple[Any, ...], seconds: float | None) -> _T:
        with contextlib.suppress(_EndedError):
            return self._run(function, arguments, seconds)
        return self._run(function, arguments, seconds)

    def _run(self, function: Callable[..., _T], arguments: tuple[Any, ...], seconds: float | None) -> _T:
        process = self._take()
        try:
            if process is not None and process.has_ended:
                process.kill()
                process = None
            process = process or _Process()
            error, result = process.run(function, arguments, seconds)
        except BaseException:
            if process is not None:
                process.kill()
            process = None
            raise
        finally:
            self._free.put(process)
        if error is not None:
            raise error
        return cast("_T", result)

    def _take(self) -> _Process | None:
        while True:
            check_stopped()
            with contextlib.suppress(queue.Empty):
                return self._free.get(timeout=_POLL_SECONDS)


@cache
def shared_processes() -> ImageProcesses:
    """Those of this process, which all its servers share."""
    return ImageProcesses(DECODERS + EDITORS)


class _EndedError(Exception):
    """A process ended before it had a result."""


class _LateError(Exception):
    """A process took too long."""


class _Process:
    """One process."""

    def __init__(self) -> None:
        ours, theirs = socketpair()
        command = [sys.executable, "-m", "anymask.server.image_process", str(theirs.fileno())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        self._process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, env=environment
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    def run(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float | None
    ) -> tuple[Exception | None, Any]:
        """What the function raised, or its result.

        Raises:
            _LateError: the process took too long.
            _EndedError: it ended.
            StoppedError: the work around has to end.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            self._connection.send((function, arguments))
            while not self._connection.poll(_POLL_SECONDS):
                check_stopped()
                if until is not None and time.monotonic() > until:
                    raise _LateError
            answer: tuple[Exception | None, Any] = self._connection.recv()
        except (EOFError, OSError):
            raise _EndedError from None
        return answer

    @property
    def has_ended(self) -> bool:
        """Whether the process ended by itself, or was ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
