"""Work that takes longer than a request: everything mode, with progress, partial results and a way to stop it."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from anymask.errors import AnymaskError
from anymask.io.atomic import write_file
from anymask.io.interruption import StoppedError
from anymask.server.fair_pool import FairPool
from anymask.server.limits import Limits
from anymask.server.problems import Problem, problem_of

State = Literal["queued", "running", "done", "cancelled", "stopped", "interrupted", "failed"]
FINAL_STATES = ("done", "cancelled", "stopped", "interrupted", "failed")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_OUT_OF_TIME = Problem(
    408,
    "out-of-time",
    "what was found could not be filtered within the time of a job; ask for less, or stop it earlier",
)


@dataclass(eq=False)
class Job:
    """One job while it is in memory; its threads write, the event loop reads.

    Attributes:
        id: unguessable.
        image: that it is about.
        client: that started it.
        state: "stopped" means that the server went down, "interrupted" that it died.
        progress: asked, planned, found, seconds.
        partial: masks so far, as they go to the client; the result replaces them.
        reason: the state in which it ends early, "cancelled" or "stopped"; None to go on.
        is_forgotten: whether its image was removed, so that no record of it stays.
        result: of a job that ended with one.
        problem: why it failed, as problem+json.
    """

    id: str
    image: str
    client: str
    state: State = "queued"
    progress: dict[str, Any] = field(default_factory=dict)
    partial: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    reason: State | None = None
    is_forgotten: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _began: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> bool:
        """Begin, unless it was stopped before; returns whether it began."""
        with self._lock:
            self._began = self.reason is None
            return self._began

    def stop(self, reason: State) -> bool:
        """End early; the first reason counts. Returns whether that is before it began."""
        with self._lock:
            self.reason = self.reason or reason
            return not self._began

    @property
    def must_stop(self) -> bool:
        """Whether it has to end early."""
        return self.reason is not None

    def as_dict(self, masks: bool = True) -> dict[str, Any]:
        """The JSON for a client."""
        content: dict[str, Any] = {
            "job": self.id, "image": self.image, "state": self.state, "progress": self.progress,
        }  # fmt: skip
        if self.problem is not None:
            content["problem"] = self.problem
        if masks:
            content |= {"result": self.result} if self.result is not None else {"masks": self.partial}
        return content


JobFunction = Callable[[Job, Callable[..., None]], dict[str, Any]]
"""Runs a job on a thread; takes the job and a function that reports changes of it, and returns the result."""


class Jobs:
    """All jobs of a server. One runs at a time; clients take turns, and of each the shortest is next.

    Jobs that ended lie on disk until they are as old as an idle image may be, so that they survive a restart.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._jobs: dict[str, Job] = {}
        self._unwritten: dict[str, Job] = {}  # ended while the disk was full
        self._pool = FairPool(1, "anymask-job")
        self._stopping = threading.Event()
        self._listeners = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark_interrupted()
        self.sweep()

    def _mark_interrupted(self) -> None:
        """Give an end to the jobs of a server that died."""
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError, AnymaskError):
                record = json.loads(path.read_bytes())
                if record["state"] not in FINAL_STATES:
                    write_file(path, json.dumps({**record, "state": "interrupted"}).encode())

    def start(self, image: str, client: str, work: JobFunction, seconds: float = 0.0) -> Job:
        """Queue a job that takes about so many seconds; to be called on the event loop's thread.

        Raises:
            Problem: 429, this client or the server has as many as allowed, or the server is going down.
        """
        unfinished = [job for job in self._jobs.values() if job.state not in FINAL_STATES]
        if sum(job.client == client for job in unfinished) >= self._limits.jobs_per_client:
            raise Problem(
                429, "too-many-jobs", "you have as many jobs as the server allows; wait or DELETE one", retry_after=10
            )
        if len(unfinished) >= self._limits.jobs or self._stopping.is_set():
            raise Problem(
                429, "queue-full", "the server has as many jobs as it allows; try again later", retry_after=30
            )
        job = Job(secrets.token_urlsafe(16), image, client)
        self._write(job)
        self._jobs[job.id] = job
        loop = self._loop = asyncio.get_running_loop()

        def report(**changes: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed after a second signal to shut down
                loop.call_soon_threadsafe(self._apply, job, changes)

        self._pool.submit(partial(self._run, job, work, report), client, seconds)
        return job

    def _run(self, job: Job, work: JobFunction, report: Callable[..., None]) -> None:
        if not job.begin():
            report(state=job.reason, ended=True)
            return
        report(state="running")
        try:
            result = work(job, report)
            report(state=job.reason or "done", result=result, ended=True)
        except StoppedError:
            if job.reason is not None:
                report(state=job.reason, ended=True)
            else:
                report(state="failed", problem=_OUT_OF_TIME.as_dict(), ended=True)
        except Exception as error:
            report(state="failed", problem=problem_of(error).as_dict(), ended=True)

    def _apply(self, job: Job, changes: Mapping[str, Any]) -> None:
        if job.state in FINAL_STATES:
            return
        for name, value in changes.items():
            if name == "new_masks":
                job.partial += value
            elif name != "ended":
                setattr(job, name, value)
        if "ended" in changes:
            self._jobs.pop(job.id, None)
            if job.is_forgotten:
                self._path(job.id).unlink(missing_ok=True)
            else:
                if not self._write(job):
                    self._unwritten[job.id] = job
                with suppress(OSError):
                    self._drop_oldest()
        job.changed.set()
        job.changed = asyncio.Event()

    def _write(self, job: Job) -> bool:
        """Write the record of a job; returns whether the disk took it."""
        try:
            write_file(self._path(job.id), json.dumps(job.as_dict()).encode())
        except (AnymaskError, OSError):
            return False
        return True

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.json"

    def get(self, id: str) -> dict[str, Any]:
        """The JSON of a job.

        Raises:
            Problem: 404, an unknown job, or one of which the record was removed.
        """
        job = self._jobs.get(id) or self._unwritten.get(id)
        return job.as_dict() if job is not None else self._read(id)

    def cancel(self, id: str, reason: State = "cancelled") -> dict[str, Any]:
        """End a job, with the masks so far. A job that ended stays as it is. To be called on the event loop's thread.

        Raises:
            Problem: 404, an unknown job, or one of which the record was removed.
        """
        job = self._jobs.get(id)
        if job is None:
            return self.get(id)
        if job.stop(reason):
            self._apply(job, {"state": job.reason, "ended": True})
        return job.as_dict(masks=False)

    async def events(self, id: str, skip: int = 0) -> AsyncIterator[tuple[str, int, dict[str, Any]]]:
        """Events of a job from its beginning until its end: (event, number of masks sent, data).

        Args:
            id: of the job.
            skip: number of masks that the client has already, when it comes back after a broken connection.

        Raises:
            Problem: 404, an unknown job, or one of which the record was removed.
        """
        job = self._jobs.get(id)
        if job is not None:
            self._listeners += 1
            try:
                async for name, skip, data in _events_of(job, skip):  # noqa: B020 - it goes on from there
                    yield name, skip, data
            finally:
                self._listeners -= 1
        final = job.as_dict() if job is not None else self.get(id)
        yield final["state"], skip, final

    async def stop(self, reason: State = "stopped") -> None:
        """Start no more jobs, end those that run with the masks so far, and wait until all have ended."""
        self._stopping.set()
        for job in self._jobs.values():
            job.stop(reason)
        until = time.monotonic() + 20
        while self._jobs and time.monotonic() < until:
            await asyncio.sleep(0.02)
        self._pool.close(wait=False)

    def check_streams(self) -> None:
        """Reject a further listener when there are as many as allowed.

        Raises:
            Problem: 429.
        """
        if self._listeners >= self._limits.streams:
            raise Problem(
                429, "too-many-streams", "too many clients listen to events; poll the state instead", retry_after=10
            )

    def _drop_oldest(self) -> None:
        records = sorted(self._folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for oldest in records[: -self._limits.job_records]:
            oldest.unlink(missing_ok=True)

    def forget_image(self, image: str) -> None:
        """End the jobs of an image that was removed, and remove their records; from any thread."""
        for job in [each for each in list(self._jobs.values()) if each.image == image]:
            job.is_forgotten = True
            if job.stop("cancelled") and self._loop is not None:
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._apply, job, {"state": "cancelled", "ended": True})
        for id in [each.id for each in list(self._unwritten.values()) if each.image == image]:
            self._unwritten.pop(id, None)
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):
                if json.loads(path.read_bytes())["image"] == image and path.stem not in self._jobs:
                    path.unlink()

    def sweep(self) -> None:
        """Remove records that are as old as an idle image may be, and write those that the disk did not take before."""
        for job in list(self._unwritten.values()):
            if self._write(job) or len(self._unwritten) > self._limits.job_records:
                self._unwritten.pop(job.id, None)
        oldest = time.time() - self._limits.idle_seconds
        for record in self._folder.glob("*.json"):
            with suppress(OSError):
                if record.stat().st_mtime < oldest:
                    record.unlink()

    def counts(self) -> dict[str, int]:
        """Unfinished jobs by state."""
        states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in ("queued", "running")}

    def _read(self, id: str) -> dict[str, Any]:
        if _ID.fullmatch(id):
            with suppress(OSError, ValueError):
                record: dict[str, Any] = json.loads(self._path(id).read_bytes())
                return record
        raise Problem(404, "unknown-job", "no such job: its id is wrong, or its record was removed")


async def _events_of(job: Job, skip: int) -> AsyncIterator[tuple[str, int, dict[str, Any]]]:
    """Events of a job until it ends; one without a name every 15 seconds keeps the connection open."""
    last: Any = None
    while job.state not in FINAL_STATES:
        changed = job.changed
        if len(job.partial) > skip:
            fresh, skip = job.partial[skip:], len(job.partial)
            yield "masks", skip, {"masks": fresh}
        if (current := (job.state, dict(job.progress))) != last:
            last = current
            yield "progress", skip, {"state": job.state, **job.progress}
        try:
            await asyncio.wait_for(changed.wait(), 15)
        except asyncio.TimeoutError:
            yield "", skip, {}
