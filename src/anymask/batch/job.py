"""A whole batch job: list the images, continue where an earlier run stopped, process the rest, and record each outcome.

```python
settings, segmenter = resolve(TaskSettings("everything"))
summary = run_batch(BatchJob(Inputs(["images"]), settings, out="masks"), segmenter)
summary.counts, summary.failures
```
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from anymask.batch.cpu_affinity import available_cores, best_workers
from anymask.batch.dataset_export import export_datasets
from anymask.batch.embeddings import check_capacity, embedding_store, size_in
from anymask.batch.inputs import Inputs
from anymask.batch.manifest import Counts, Manifest, changed_settings
from anymask.batch.processes import ProcessWorkers
from anymask.batch.results_folder import MANIFEST, RESULTS, Results, results_at
from anymask.batch.scheduler import WorkerBackend, dispatch
from anymask.batch.tasks import Outcome, Task, TaskSettings
from anymask.batch.threads import ThreadWorkers
from anymask.batch.worker import Worker, same_content
from anymask.errors import AnymaskError, InputError

if TYPE_CHECKING:
    from anymask.prediction.segmenter import Segmenter

FAILURES = "failures.csv"
_LOCK = ".lock"
_RATE_IMAGES = 200
"""The rate is that of so many images, the last ones."""

_FAILURES_IN_SUMMARY = 100
_COPY_SECONDS = 60.0
"""Between two copies of the manifest beside results at an address."""


@dataclass(frozen=True)
class BatchJob:
    """What a batch does, with what, and where the results go.

    Attributes:
        inputs: the images.
        settings: what is done to each image, as `anymask.batch.resolve.resolve` returns them.
        out: folder of results; a path, or an address of fsspec.
        workers: how many models work in parallel; None: the fastest number on this machine, or as many as the cluster
            has cores for.
        runner: "local" or "ray".
        ray_address: of a running Ray cluster; None uses the variable RAY_ADDRESS, and starts Ray on this machine if it
            is not set.
        fail_fast: stop at the first image that fails.
        retry_failed: process images again that failed in an earlier run.
        store_bytes: for "embed": new capacity of the embedding store; None leaves it.
    """

    inputs: Inputs
    settings: TaskSettings
    out: str
    workers: int | None = None
    runner: str = "local"
    ray_address: str | None = None
    fail_fast: bool = False
    retry_failed: bool = False
    store_bytes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """What must not change between two runs on one folder, as plain JSON values."""
        inputs = self.inputs
        return {
            "inputs": list(inputs.names), "prompts": inputs.prompts, "images": inputs.images, **self.settings.as_dict(),
        }  # fmt: skip


@dataclass(frozen=True)
class BatchStatus:
    """Progress of a run.

    Attributes:
        counts: of the whole job.
        rate: images per second over the last 200 images; 0 before the second one.
    """

    counts: Counts
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None before there is a rate."""
        return self.counts.waiting / self.rate if self.rate else None


@dataclass(frozen=True)
class Summary:
    """What a run did, and the state of the job after it.

    Attributes:
        counts: of the whole job.
        now: images that this run processed, failures included.
        found_ready: images whose results a killed run had published and not recorded.
        seconds: duration of this run's processing.
        failures: key and reason of failed images of the whole job, the first hundred.
        notes: remarks for the user.
        datasets: paths or addresses of files written from all results at the end.
    """

    counts: Counts
    now: int
    found_ready: int
    seconds: float
    failures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()


class JobStopped(AnymaskError):  # noqa: N818 - names the state of the job
    """The job stopped before its end, and can continue."""


def run_batch(
    job: BatchJob, segmenter: Segmenter | None = None, progress: Callable[[BatchStatus], None] = lambda status: None
) -> Summary:
    """Process the images of a job that are not done yet.

    Args:
        job: what to do.
        segmenter: as `resolve` returns it, so that a single worker need not load the model again.
        progress: called after each image, and at least every half second.

    Raises:
        InputError: the inputs cannot be used, the folder of results was begun with other settings, or another process
            is working in it.
        JobStopped: the disk is full, or the workers cannot work; the same job continues from there.
    """
    results = results_at(job.out)
    with _lock_folder(results), contextlib.closing(Manifest(results.home / MANIFEST)) as manifest:
        resumed = _check_settings(job, results, manifest)
        notes = _plan(job, results, manifest)
        tally = _Tally(manifest.counts())
        started = time.monotonic()
        try:
            if tally.counts.waiting:
                workers = _start_workers(job, results, segmenter, tally.counts.waiting)
                tasks = (replace(task, look_first=resumed) for task in manifest.waiting())
                _process_images(job, results, manifest, workers, tasks, tally, progress)
        except InputError:
            raise
        except AnymaskError as error:
            with contextlib.suppress(AnymaskError):  # the first error is the reason
                _write_reports(results, manifest, formats=(), renew=False)
            raise _stopped(error, tally.counts) from None
        seconds = time.monotonic() - started
        try:
            formats = () if tally.counts.waiting else job.settings.formats
            datasets = _write_reports(results, manifest, formats, renew=tally.now + tally.found_ready > 0)
        except AnymaskError as error:
            raise _stopped(error, tally.counts) from None
        failures = tuple(itertools.islice(manifest.failures(), _FAILURES_IN_SUMMARY))
    return Summary(tally.counts, tally.now, tally.found_ready, seconds, failures, tuple(notes), tuple(datasets))


def _stopped(error: AnymaskError, counts: Counts) -> JobStopped:
    done = f"{counts.done} of {counts.images} images are done"
    return JobStopped(f"{error}; {done}, and the same command continues from there")


@contextlib.contextmanager
def _lock_folder(results: Results) -> Iterator[None]:
    """Lock the folder for this process; the operating system releases the lock when the process dies.

    Raises:
        InputError: another process holds the lock.
        AnymaskError: the lock cannot be written.
    """
    from filelock import FileLock, Timeout

    results.make_home()
    lock = FileLock(results.home / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is working in {results.out}: wait for it, or use another --out") from None
    except OSError as error:
        raise AnymaskError(f"cannot write {results.out}: {(error.strerror or str(error)).lower()}") from None
    try:
        results.open()
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------- before the first image


def _check_settings(job: BatchJob, results: Results, manifest: Manifest) -> bool:
    """Compare the job with the one that the folder was begun with, or record it in a new folder.

    Returns:
        Whether the folder may hold results that the manifest does not know of.

    Raises:
        InputError: the folder was begun with other settings.
    """
    settings, before = job.as_dict(), manifest.settings()
    if before is None:
        manifest.begin(settings)
        return results.has(RESULTS)
    if changes := changed_settings(before, settings):
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise InputError(
            f"{job.out} was begun with other settings: {'; '.join(changes[:3])}{more}. "
            "Use the same ones, or another --out"
        )
    return True


def _plan(job: BatchJob, results: Results, manifest: Manifest) -> list[str]:
    """Put the images into the manifest, with those waiting whose results are lost.

    Returns:
        Remarks for the user.

    Raises:
        InputError: there are no images, or their embeddings do not fit the store.
    """
    repeated = manifest.plan(job.inputs, same_content)
    notes = list(job.inputs.notes)
    if repeated:
        notes.append(f"{repeated} images are named more than once, and are processed once")
    embeddings = embedding_store() if job.settings.kind == "embed" else None
    if lost := manifest.forget_lost(results.size_of if embeddings is None else size_in(embeddings)):
        notes.append(f"the results of {lost} images were missing or incomplete: they are made again")
    if job.retry_failed:
        manifest.retry_failed()
    images = manifest.counts().images
    if not images:
        raise InputError(f"there are no images in {', '.join(job.inputs.names)}")
    if embeddings is not None:
        check_capacity(embeddings, images, job.store_bytes)
    return notes


# ---------------------------------------------------------------- the images


@dataclass
class _Tally:
    """Counts of a run while it goes on.

    Attributes:
        counts: of the whole job.
        now, found_ready: see `Summary`.
        ends: `time.monotonic()` at the start, then at the end of each image of this run; the last 200.
    """

    counts: Counts
    now: int = 0
    found_ready: int = 0
    ends: deque[float] = field(default_factory=lambda: deque([time.monotonic()], maxlen=_RATE_IMAGES))

    def add(self, outcome: Outcome) -> None:
        counts, failed = self.counts, outcome.state == "failed"
        self.counts = replace(
            counts, waiting=counts.waiting - 1, failed=counts.failed + failed, done=counts.done + (not failed),
            masks=counts.masks + (outcome.masks or 0),
        )  # fmt: skip
        if outcome.found_ready:
            self.found_ready += 1
        else:
            self.now += 1
            self.ends.append(time.monotonic())

    def status(self) -> BatchStatus:
        seconds = self.ends[-1] - self.ends[0]
        return BatchStatus(self.counts, (len(self.ends) - 1) / seconds if seconds > 0 else 0.0)


def _start_workers(job: BatchJob, results: Results, segmenter: Segmenter | None, waiting: int) -> WorkerBackend:
    settings = job.settings
    if job.runner == "ray":
        from anymask.batch.ray import RayWorkers

        return RayWorkers(settings, job.out, job.workers, job.ray_address)
    workers = job.workers or _fastest_workers(settings, waiting)
    if workers == 1:
        return ThreadWorkers(Worker(settings, results, segmenter))
    threads = settings.threads or max(1, available_cores() // workers)
    return ProcessWorkers(replace(settings, threads=threads), job.out, workers)


def _fastest_workers(settings: TaskSettings, waiting: int) -> int:
    from anymask.weights import find_model

    single = settings.threads is not None or settings.device != "cpu" or settings.options.get("max_seconds") is not None
    return 1 if single else best_workers(waiting, find_model(settings.model).size)


def _process_images(
    job: BatchJob, results: Results, manifest: Manifest, workers: WorkerBackend, tasks: Iterator[Task], tally: _Tally,
    progress: Callable[[BatchStatus], None],
) -> None:  # fmt: skip
    """Process images until none waits, or one has failed and the job is to stop at that.

    Raises:
        AnymaskError: the disk is full, or the workers cannot work.
    """
    last_copy = time.monotonic()

    def record(outcome: Outcome) -> bool:
        if outcome.state == "stopped":
            raise AnymaskError(outcome.error)
        manifest.record(outcome)
        tally.add(outcome)
        progress(tally.status())
        return not (job.fail_fast and outcome.state == "failed")

    def tick() -> None:
        nonlocal last_copy
        progress(tally.status())
        if time.monotonic() - last_copy > _COPY_SECONDS:
            last_copy = time.monotonic()
            manifest.commit()
            results.copy_manifest(manifest.path)

    dispatch(workers, tasks, record, tick)
    manifest.commit()


# ---------------------------------------------------------------- after the last image


def _write_reports(results: Results, manifest: Manifest, formats: Sequence[str], renew: bool) -> list[str]:
    """Write the list of failures, the datasets of all results in these formats, and a copy of the manifest.

    Args:
        results: folder of the job.
        manifest: of the job.
        formats: see `export_datasets`.
        renew: also write datasets that exist already.

    Returns:
        Paths or addresses of the datasets written.

    Raises:
        AnymaskError: the disk is full or failed, or a format cannot hold the masks.
    """
    manifest.commit()
    _write_failures(results, manifest)
    datasets = export_datasets(manifest, results, formats, renew)
    results.copy_manifest(manifest.path)
    return datasets


def _write_failures(results: Results, manifest: Manifest) -> None:
    failures = list(manifest.failures())
    if not failures and results.size_of(FAILURES) is None:
        return
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("photo", "reason"))
    writer.writerows(failures)
    with results.draft() as stage:
        (stage / FAILURES).write_text(table.getvalue(), encoding="utf-8", newline="")
        results.publish(stage, last=FAILURES)
