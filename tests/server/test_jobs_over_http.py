"""Everything mode as a job: progress, masks as they are found, cancelling, and the library's own result."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from anymask import EncodedImage, PromptError
from anymask.server.database import open_database
from anymask.server.job import Job
from anymask.server.jobs import Jobs
from anymask.server.limits import Limits
from anymask.server.problems import Problem
from tests.support.running_servers import Application, bring, wait_for

FEW = {"points_per_side": 8, "points_per_batch": 4}


def start(api: TestClient, id: str, **parameters: Any) -> dict:
    response = api.post(f"/v1/images/{id}/everything", json=parameters)
    assert response.status_code == 202, response.text
    return response.json()


def events(api: TestClient, path: str, headers: dict[str, str] | None = None) -> list[tuple[str, int, dict]]:
    events_of_job: list[tuple[str, int, dict]] = []
    for block in api.get(path, headers=headers).text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events_of_job.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
    return events_of_job


def test_result_is_the_librarys_with_parts_and_wholes(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    job = start(api, coffee_id, **FEW)
    name, _, ended = events(api, job["events"])[-1]
    assert (name, ended["state"]) == ("done", "done")
    expected = coffee.everything(**FEW)
    masks = ended["result"]["masks"]
    assert [entry["rle"] for entry in masks] == [mask.rle for mask in expected]
    assert [-1 if entry["parent"] is None else entry["parent"] for entry in masks] == expected.tree.parents.tolist()
    assert api.get(job["state"]).json() == ended
    assert api.get(masks[0]["file"]).headers["content-type"] == "image/png"


def test_events_report_progress_and_masks_before_the_end(api: TestClient, coffee_id: str) -> None:
    events_of_job = events(api, start(api, coffee_id, **FEW)["events"])
    names = [name for name, _, _ in events_of_job]
    assert names[-1] == "done"
    assert {"progress", "masks"} <= set(names[:-1])
    assert events_of_job[0][0] == "progress"
    counts = [data["asked"] for name, _, data in events_of_job if name == "progress" and "asked" in data]
    assert counts == sorted(counts)
    masks = [mask for name, _, data in events_of_job if name == "masks" for mask in data["masks"]]
    assert masks
    assert len({mask["id"] for mask in masks}) == len(masks), "each mask is told once"


def test_lost_connection_takes_up_where_it_was(api: TestClient, coffee_id: str) -> None:
    job = start(api, coffee_id, points_per_side=12, points_per_batch=4)
    path = job["state"].rsplit("/", 1)[1]
    jobs: Jobs = api.app.state.service.jobs  # type: ignore[attr-defined]
    wait_for(lambda: len(jobs.get(path).get("masks", [1, 1])) >= 2)
    events_of_job = events(api, job["events"], {"Last-Event-ID": "1"})
    masks = sum(len(data["masks"]) for name, _, data in events_of_job if name == "masks")
    first = next((number for name, number, _ in events_of_job if name == "masks"), 1)
    assert masks == 0 or first == 1 + len(next(data for name, _, data in events_of_job if name == "masks")["masks"])


def test_masks_of_everything_take_corrective_clicks(api: TestClient, coffee_id: str) -> None:
    ended = events(api, start(api, coffee_id, **FEW)["events"])[-1][2]
    mask = ended["result"]["masks"][0]
    x, y = mask["point"]
    prompt = {"points": [[x, y]], "logits": mask["logits"]}
    assert api.post(f"/v1/images/{coffee_id}/segment", json={"prompts": [prompt]}).status_code == 200


def test_cancelled_job_keeps_its_masks(api: TestClient, coffee_id: str) -> None:
    job = start(api, coffee_id, points_per_side=64, points_per_batch=4, sampling="grid")
    id = job["job"]
    jobs: Jobs = api.app.state.service.jobs  # type: ignore[attr-defined]
    wait_for(lambda: bool(jobs.get(id).get("masks")))
    assert api.delete(job["state"]).status_code == 202
    name, _, ended = events(api, job["events"])[-1]
    assert (name, ended["state"]) == ("cancelled", "cancelled")
    assert ended["result"]["masks"]
    assert ended["result"]["skipped"].startswith("interrupted")
    assert api.delete(job["state"]).json()["state"] == "cancelled"


def test_failed_job_says_why(api: TestClient, coffee_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise PromptError("this cannot be found")

    monkeypatch.setattr("anymask.server.service.find_everything", fail)
    ended = events(api, start(api, coffee_id)["events"])[-1][2]
    assert ended["state"] == "failed"
    assert (ended["problem"]["status"], ended["problem"]["detail"]) == (422, "this cannot be found")


@pytest.mark.parametrize(
    "parameters",
    [{"points_per_side": 0}, {"sampling": "wild"}, {"box_nms_thresh": 7}, {"unknown": 1}, {"max_seconds": 0}],
)
def test_bad_parameters_are_rejected_at_once(api: TestClient, coffee_id: str, parameters: dict) -> None:
    assert api.post(f"/v1/images/{coffee_id}/everything", json=parameters).status_code == 422


def test_unknown_jobs_are_404(api: TestClient) -> None:
    for path in ("", "/events"):
        assert api.get(f"/v1/jobs/{'a' * 22}{path}").status_code == 404
    assert api.delete(f"/v1/jobs/{'a' * 22}").status_code == 404


def test_jobs_per_client_and_of_all_are_limited(tmp_path: Path) -> None:
    async def limited() -> None:
        jobs = Jobs(open_database(None, tmp_path), "this process", Limits(jobs_per_client=1, jobs=2))
        going = threading.Event()

        def work(job: Job, tell: Any) -> dict[str, Any]:
            going.wait(10)
            return {}

        first = await jobs.start("image", "ann", work, seconds=500)
        with pytest.raises(Problem) as mine:
            await jobs.start("image", "ann", work)
        await jobs.start("image", "bob", work)
        with pytest.raises(Problem) as all_of_them:
            await jobs.start("image", "cyd", work)
        while first.state != "running":
            await asyncio.sleep(0.01)
        with pytest.raises(Problem) as while_one_runs:
            await jobs.start("image", "ann", work)
        going.set()
        await jobs.stop()
        assert (mine.value.status_code, mine.value.kind) == (429, "too-many-jobs")
        assert (all_of_them.value.status_code, all_of_them.value.kind) == (429, "queue-full")
        assert [int(each.value.headers["Retry-After"]) for each in (mine, all_of_them)] == [500, 500]
        assert 400 < int(while_one_runs.value.headers["Retry-After"]) <= 500

    asyncio.run(limited())


def test_time_of_a_job_is_limited(application: Application, coffee_path: Path) -> None:
    api = application(job_seconds=0.5)
    job = start(api, bring(api, coffee_path).json()["id"], sampling="grid")
    ended = events(api, job["events"])[-1][2]
    assert ended["state"] == "done"
    assert ended["result"]["skipped"].startswith("out of time")
