"""A real Ray on this machine: the same results as in one process, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from anymask import AnymaskError, Segmenter
from anymask.batch.inputs import Inputs
from anymask.batch.job import BatchStatus, run_batch
from anymask.batch.resolve import resolve_settings
from anymask.batch.tasks import BatchJob, TaskSettings
from tests.support.tiny_images import results_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def resolved() -> tuple[TaskSettings, Segmenter]:
    return resolve_settings(TaskSettings("prompts", {"select": "object"}, threads=1))


@pytest.fixture(autouse=True)
def _no_ray_stays() -> Iterator[None]:
    yield
    ray.shutdown()


def job(folder: Path, out: str, settings: TaskSettings, **more: object) -> BatchJob:
    return BatchJob(Inputs([str(folder)], str(folder.parent / "prompts.csv")), settings, out, **more)  # type: ignore[arg-type]


def test_a_killed_actor_loses_nothing_and_the_results_are_those_of_one_process(
    image_folder: Callable[[int], Path],
    tmp_path: Path,
    resolved: tuple[TaskSettings, Segmenter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from anymask.batch.ray import RayWorkers

    settings, segmenter = resolved
    folder = image_folder(8)
    backends: list[RayWorkers] = []
    start = RayWorkers.__init__

    def recording_init(self: RayWorkers, *arguments: object, **options: object) -> None:
        start(self, *arguments, **options)  # type: ignore[arg-type]
        backends.append(self)

    monkeypatch.setattr(RayWorkers, "__init__", recording_init)
    killed: list[int] = []
    outcomes: list[int] = []

    def watch(status: BatchStatus) -> None:
        outcomes.append(status.counts.done)
        if status.counts.done == 2 and not killed:
            process: int = ray.get(backends[0]._actors[0].__ray_call__.remote(lambda actor: os.getpid()))
            killed.append(process)
            os.kill(process, signal.SIGKILL)

    summary = run_batch(job(folder, str(tmp_path / "out"), settings, workers=2, runner="ray"), progress=watch)
    assert len(killed) == 1
    assert (summary.counts.done, summary.counts.failed, summary.counts.masks) == (8, 0, 8)
    assert summary.now + summary.found_ready == 8
    assert sorted(outcomes) == outcomes
    assert not ray.is_initialized()
    run_batch(job(folder, str(tmp_path / "alone"), settings), segmenter)
    assert results_of(tmp_path / "out") == results_of(tmp_path / "alone")


def test_images_and_results_may_be_at_addresses(
    image_folder: Callable[[int], Path],
    tmp_path: Path,
    resolved: tuple[TaskSettings, Segmenter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, _ = resolved
    folder = image_folder(4)
    out = f"file://{tmp_path}/out"
    (folder / "photo_2.png").write_bytes(b"not an image")
    inputs = Inputs([f"file://{folder}"], f"file://{tmp_path}/prompts.csv")
    summary = run_batch(BatchJob(inputs, settings, out, workers=1, runner="ray"))
    assert (summary.counts.done, summary.counts.failed) == (3, 1)
    (failure,) = summary.failures
    assert failure[0] == "photo_2.png"
    assert f"file://{folder}/photo_2.png" in failure[1]
    results = results_of(tmp_path / "out")
    assert list(results) == ["deep/photo_3.png", "photo_1.png", "photo_4.png"]
    assert results["photo_1.png"]["image"]["path"] == f"file://{folder}/photo_1.png"
    assert (tmp_path / "out" / "manifest.sqlite").is_file()
    again = run_batch(BatchJob(Inputs(inputs.names, inputs.prompts), settings, out, workers=1, runner="ray"))
    assert again.now == 0


def test_a_cluster_that_is_not_there_is_one_line(
    image_folder: Callable[[int], Path], tmp_path: Path, resolved: tuple[TaskSettings, Segmenter]
) -> None:
    unreachable = job(image_folder(1), str(tmp_path / "out"), resolved[0], runner="ray", ray_address="127.0.0.1:1")
    with pytest.raises(AnymaskError, match=r"Ray.*127\.0\.0\.1:1"):
        run_batch(unreachable)
