"""Ending work that nobody waits for any more: between two runs of a network, which are well below a second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from anymask.errors import AnymaskError

_must_stop: ContextVar[Callable[[], bool] | None] = ContextVar("must_stop", default=None)


class StoppedError(AnymaskError):
    """The work was ended before it was done, because nobody waits for it."""


@contextlib.contextmanager
def interruptible(must_stop: Callable[[], bool]) -> Iterator[None]:
    """Raise `StoppedError` from the next run of a network in this block, on this thread, once ``must_stop`` is true."""
    token = _must_stop.set(must_stop)
    try:
        yield
    finally:
        _must_stop.reset(token)


def check_stopped() -> None:
    """Raise `StoppedError` if the work around has to end."""
    must_stop = _must_stop.get()
    if must_stop is not None and must_stop():
        raise StoppedError("nobody waits for this any more")
