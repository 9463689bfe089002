"""Several processes that serve one address: they share its socket, and one that ends is replaced."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from anymask.errors import InputError

_LONGEST_PAUSE_SECONDS = 30.0
_WAIT_SECONDS = 0.5


def start_workers(count: int, on_ready: Callable[[], None]) -> Callable[[], None]:
    """Fork processes, and return in each of them; the parent stays here until all have ended, and exits.

    The parent must have no threads. It replaces workers that end, and passes SIGTERM on; the workers end when it does,
    in whatever way.

    Args:
        count: of the processes.
        on_ready: called in the parent, once, when all are ready for requests.

    Returns:
        In a worker: what it calls when it is ready for requests.

    Raises:
        InputError: the system cannot fork.
        SystemExit: in the parent, when the workers have ended.
        KeyboardInterrupt: the same after SIGINT.
    """
    if not hasattr(os, "fork"):
        raise InputError("several workers need Linux or macOS: leave --workers out")
    return _Supervisor(count, on_ready).run()


class _IsWorker(Exception):  # noqa: N818 - it is no error, but the way out of the parent's loop
    """Raised in the worker, right after the fork."""


class _Supervisor:
    """The parent of the workers."""

    def __init__(self, count: int, on_ready: Callable[[], None]) -> None:
        self._count, self._on_ready = count, on_ready
        self._workers: dict[int, bool] = {}  # by process id: whether it is ready
        self._was_ready = False
        self._failures = 0
        self._fork_after = 0.0
        self._signal = 0
        self._lifeline = os.pipe()
        self._ready = os.pipe()
        self._wakeup = os.pipe()

    def run(self) -> Callable[[], None]:
        for each in self._wakeup:
            os.set_blocking(each, False)
        os.set_blocking(self._ready[0], False)
        signal.set_wakeup_fd(self._wakeup[1])
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            self._watch()
        except _IsWorker:
            return self._begin_worker()

    def _watch(self) -> NoReturn:
        while True:
            if not self._signal and time.monotonic() >= self._fork_after:
                while len(self._workers) < self._count:
                    self._fork()
            elif not self._workers:
                self._end()
            select.select([self._wakeup[0], self._ready[0]], [], [], _WAIT_SECONDS)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup[0], 4096)
            self._note_ready()
            self._reap()

    def _fork(self) -> None:
        id = os.fork()
        if id == 0:
            raise _IsWorker
        self._workers[id] = False

    def _note_ready(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for each in os.read(self._ready[0], 4096).split():
                if int(each) in self._workers:
                    self._workers[int(each)] = True
        if not self._was_ready and len(self._workers) == self._count and all(self._workers.values()):
            self._was_ready = True
            self._on_ready()

    def _reap(self) -> None:
        for id in list(self._workers):
            ended, status = os.waitpid(id, os.WNOHANG)
            if not ended:
                continue
            was_ready = self._workers.pop(id)
            if self._signal:
                continue
            code = os.waitstatus_to_exitcode(status)
            if not self._was_ready and code > 0:  # it has said why
                self._stop(signal.SIGTERM)
                self._signal = -code
                continue
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            print(f"anymask: a worker {how}; another one starts", file=sys.stderr, flush=True)
            self._failures = 0 if was_ready else self._failures + 1
            self._fork_after = time.monotonic() + min(self._failures, _LONGEST_PAUSE_SECONDS)

    def _stop(self, number: int, *_: object) -> None:
        self._signal = self._signal or number
        for id in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(id, signal.SIGTERM)

    def _end(self) -> NoReturn:
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(max(-self._signal, 0))

    def _begin_worker(self) -> Callable[[], None]:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which passes it on
        for each in (*self._wakeup, self._ready[0], self._lifeline[1]):
            os.close(each)
        threading.Thread(target=self._end_with_parent, name="anymask-lifeline", daemon=True).start()
        return self._say_ready

    def _say_ready(self) -> None:
        os.write(self._ready[1], f"{os.getpid()}\n".encode())

    def _end_with_parent(self) -> None:
        os.read(self._lifeline[0], 1)  # returns when the parent has ended
        os.kill(os.getpid(), signal.SIGTERM)
