"""Work that takes longer than a request: everything mode, with progress, partial results and a way to stop it."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError
from anymask.io.interruption import StoppedError
from anymask.server.database import SharedDatabase
from anymask.server.fair_pool import FairPool
from anymask.server.job import FINAL_STATES, Job, State
from anymask.server.limits import Limits
from anymask.server.problems import Problem, problem_of
from anymask.server.stored_image import hash_of

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_NEWEST = "SELECT id FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY changed DESC LIMIT ?"
_OUT_OF_TIME = Problem(
    408,
    "out-of-time",
    "the objects found could not be filtered within the time of a job; ask for fewer, or stop the job earlier",
)


JobFunction = Callable[[Job, Callable[..., None]], dict[str, Any]]
"""Runs a job on a thread; takes the job and a function that reports changes of it, and returns the result."""


class Jobs:
    """The jobs of one process of a server. One runs at a time; clients take turns, and of each the shortest is next.

    Their records lie in the database until they are as old as an idle image may be, so that they survive a restart.

    Args:
        database: of the records, which all processes of the server share.
        owner: id of this process.
        limits: how many.
        is_shared: whether other processes serve the same jobs: those find only what is recorded, so that no job starts
            on a full disk.
    """

    def __init__(self, database: SharedDatabase, owner: str, limits: Limits, is_shared: bool = False) -> None:
        self._database = database
        self._owner = owner
        self._limits = limits
        self._is_shared = is_shared
        self._jobs: dict[str, Job] = {}
        self._unwritten: dict[str, Job] = {}  # ended while the disk was full
        self._pool = FairPool(1, "anymask-job")
        self._stopping = threading.Event()
        self._listeners = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def read_files(self, folder: Path) -> None:
        """Take the records of earlier versions, which lie in files, into the database."""
        for path in folder.glob("*.json"):
            with suppress(OSError, ValueError, KeyError, TypeError, AnymaskError):
                record = json.loads(path.read_bytes())
                state = record["state"] if record["state"] in FINAL_STATES else "interrupted"
                self._insert(path.stem, record["image"], "", state, record, path.stat().st_mtime)
                path.unlink()

    async def start(self, image: str, client: str, work: JobFunction, seconds: float = 0.0) -> Job:
        """Queue a job that takes about so many seconds; to be called on the event loop's thread.

        Raises:
            Problem: 429, this client or the server has as many as allowed, or the server is going down.
        """
        if self._stopping.is_set():
            raise _queue_full()
        job = Job(secrets.token_urlsafe(16), image, client, seconds)
        self._jobs[job.id] = job
        try:
            await asyncio.to_thread(self._admit, job)
        except BaseException:
            self._jobs.pop(job.id, None)
            raise
        loop = self._loop = asyncio.get_running_loop()

        def report(**changes: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed after a second signal to shut down
                loop.call_soon_threadsafe(self._apply, job, changes)

        self._pool.submit(partial(self._run, job, work, report), client, seconds)
        return job

    def _admit(self, job: Job) -> None:
        """Record a job if there are not too many, in all processes.

        Raises:
            Problem: 429.
            AnymaskError: the disk is full, and other processes could not find the job.
        """
        try:
            with self._database.transaction():
                query = "SELECT client FROM jobs WHERE state IN ('queued', 'running') AND owner != ?"
                clients = [client for (client,) in self._database.rows(query, self._owner)]
                self._check_count(job, clients)
                self._write(job)
        except AnymaskError:  # a full disk
            if self._is_shared:
                raise
            self._check_count(job, [])

    def _check_count(self, job: Job, others: list[str]) -> None:
        mine = [each for each in list(self._jobs.values()) if each is not job and each.state not in FINAL_STATES]
        of_client = [each for each in mine if each.client == job.client]
        if others.count(hash_of(job.client)) + len(of_client) >= self._limits.jobs_per_client:
            line = "you have as many jobs as the server allows; wait or DELETE one"
            raise Problem(429, "too-many-jobs", line, retry_after=_seconds_until_one_ends(of_client, mine))
        if len(others) + len(mine) >= self._limits.jobs:
            raise _queue_full(_seconds_until_one_ends(mine, mine))

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
            asyncio.get_running_loop().run_in_executor(None, self._record_end, job)
        job.changed.set()
        job.changed = asyncio.Event()

    def _record_end(self, job: Job) -> None:
        """Write down how a job ended, and drop it from memory."""
        with suppress(AnymaskError):
            if job.is_forgotten:
                self._database.run("DELETE FROM jobs WHERE id = ?", job.id)
            else:
                try:
                    self._write(job)
                except AnymaskError:
                    self._unwritten[job.id] = job
                    raise
                finally:
                    self._jobs.pop(job.id, None)
                self._drop_oldest()
        self._jobs.pop(job.id, None)

    def _write(self, job: Job) -> None:
        """Write a record; one that has ended, or was removed with its image, stays so."""
        if not job.is_recorded:
            self._insert(job.id, job.image, hash_of(job.client), job.state, job.as_dict(), time.time())
            job.is_recorded = True
            return
        statement = "UPDATE jobs SET state = ?, changed = ?, record = ? WHERE id = ? AND state IN ('queued', 'running')"
        self._database.run(statement, job.state, time.time(), json.dumps(job.as_dict()), job.id)

    def _insert(self, id: str, image: str, client: str, state: str, record: dict[str, Any], changed: float) -> None:
        values = (id, image, client, self._owner, state, changed, json.dumps(record))
        self._database.run("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", *values)

    def owner_of(self, id: str) -> str | None:
        """The other process that has a job which has not ended; None for any other job."""
        if id in self._jobs or id in self._unwritten:
            return None
        query = "SELECT owner FROM jobs WHERE id = ? AND state IN ('queued', 'running') AND owner != ?"
        found = self._database.rows(query, id, self._owner)
        return str(found[0][0]) if found else None

    def get(self, id: str) -> dict[str, Any]:
        """The JSON of a job.

        Raises:
            Problem: 404, an unknown job, or one of which the record was removed.
        """
        job = self._jobs.get(id) or self._unwritten.get(id)
        return job.as_dict() if job is not None else self._read(id)

    async def cancel(self, id: str, reason: State = "cancelled") -> dict[str, Any]:
        """End a job, with the masks so far. A job that ended stays as it is.

        Raises:
            Problem: 404, an unknown job, or one of which the record was removed.
        """
        job = self._jobs.get(id)
        if job is None:
            return await asyncio.to_thread(self.get, id)
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
        final = job.as_dict() if job is not None else await asyncio.to_thread(self.get, id)
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
        self._database.run(
            f"DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND id NOT IN ({_NEWEST})",
            self._limits.job_records,
        )

    def forget_image(self, image: str) -> None:
        """End the jobs of an image that was removed, and remove their records; from any thread."""
        self._forget([each for each in list(self._jobs.values()) if each.image == image])
        for id in [each.id for each in list(self._unwritten.values()) if each.image == image]:
            self._unwritten.pop(id, None)
        self._database.run("DELETE FROM jobs WHERE image = ?", image)

    def follow_others(self) -> None:
        """End the jobs of this process whose image another process removed, or which counts as ended."""
        if mine := [each for each in list(self._jobs.values()) if each.is_recorded and each.state not in FINAL_STATES]:
            states = dict(self._database.rows("SELECT id, state FROM jobs WHERE owner = ?", self._owner))
            self._forget([each for each in mine if each.id not in states])
            for each in mine:
                if states.get(each.id) in FINAL_STATES:
                    each.stop("interrupted")

    def _forget(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            job.is_forgotten = True
            if job.stop("cancelled") and self._loop is not None:
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._apply, job, {"state": "cancelled", "ended": True})

    def sweep(self) -> None:
        """Remove records that are as old as an idle image may be, and write those that the disk did not take before."""
        for job in list(self._unwritten.values()):
            try:
                self._write(job)
            except AnymaskError:
                if len(self._unwritten) <= self._limits.job_records:
                    continue
            self._unwritten.pop(job.id, None)
        oldest = time.time() - self._limits.idle_seconds
        self._database.run("DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND changed < ?", oldest)

    def counts(self) -> dict[str, int]:
        """Unfinished jobs by state."""
        states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in ("queued", "running")}

    def _read(self, id: str) -> dict[str, Any]:
        if _ID.fullmatch(id):
            found = self._database.rows("SELECT record, state FROM jobs WHERE id = ?", id)
            if found:
                record, state = found[0]
                # Without an end its process died, whether the disk takes a note of it or not.
                return {**json.loads(record), "state": state if state in FINAL_STATES else "interrupted"}
        raise Problem(404, "unknown-job", "no such job: its id is wrong, or its record was removed")


def _queue_full(seconds: float = 30) -> Problem:
    line = "the server has as many jobs as it allows; try again later"
    return Problem(429, "queue-full", line, retry_after=seconds)


def _seconds_until_one_ends(jobs: Sequence[Job], unfinished: Sequence[Job]) -> float:
    """About how long until one of some unfinished jobs of this process ends; 10 if they are in other processes."""
    running = [each for each in unfinished if each.state == "running"]
    wait = sum(each.remaining_seconds for each in running)
    if any(each in running for each in jobs):
        return wait
    return wait + min((each.remaining_seconds for each in jobs), default=10.0)


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
