"""Records of jobs survive processes that die, and disks that are full."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from anymask.errors import AnymaskError
from anymask.server.database import open_database
from anymask.server.job import Job
from anymask.server.jobs import Jobs
from anymask.server.limits import Limits
from tests.support.running_servers import Application, recorded_jobs, wait_for


def test_a_job_of_a_server_that_died_is_known_as_interrupted(tmp_path: Path, application: Application) -> None:
    folder = tmp_path / "data"
    database = open_database(None, folder)
    jobs = Jobs(database, "a process that died", Limits())
    job = Job("a" * 22, "b" * 64, "ann")
    jobs._admit(job)
    database.close()
    response = application(folder=folder).get(f"/v1/jobs/{job.id}/events")
    assert "event: interrupted" in response.text


def test_a_job_of_a_process_that_died_is_interrupted_before_the_disk_takes_a_note_of_it(tmp_path: Path) -> None:
    database = open_database(None, tmp_path)
    Jobs(database, "a process that died", Limits())._admit(job := Job("a" * 22, "b" * 64, "ann"))
    assert Jobs(database, "another one", Limits()).get(job.id)["state"] == "interrupted"


def test_a_job_that_others_could_not_find_is_refused_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise AnymaskError("cannot write server.sqlite: database or disk is full")

    database = open_database(None, tmp_path)
    monkeypatch.setattr(database, "run", full)
    Jobs(database, "alone", Limits())._admit(Job("a" * 22, "b" * 64, "ann"))
    with pytest.raises(AnymaskError, match="full"):
        Jobs(database, "with others", Limits(), is_shared=True)._admit(Job("a" * 22, "b" * 64, "ann"))


def test_a_job_that_ends_while_the_disk_is_full_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise AnymaskError("cannot write server.sqlite: database or disk is full")

    async def run() -> None:
        database = open_database(None, tmp_path)
        jobs = Jobs(database, "this process", Limits())
        going = threading.Event()

        def work(job: Any, report: Any) -> dict[str, Any]:
            going.wait(10)
            return {"masks": []}

        id = (await jobs.start("b" * 64, "ann", work)).id
        with monkeypatch.context() as disk:
            disk.setattr(database, "run", full)
            going.set()
            async for name, _, final in jobs.events(id):
                last = name, final["state"]
            assert last == ("done", "done")
            await asyncio.to_thread(wait_for, lambda: not jobs._jobs)
            assert jobs.get(id)["state"] == (await jobs.cancel(id))["state"] == "done"
        jobs.sweep()
        assert recorded_jobs(tmp_path) == {id: "done"}
        assert jobs.get(id)["state"] == "done"
        await jobs.stop()

    asyncio.run(run())
