"""A whole batch job: list the images, continue where an earlier run stopped, process the rest, and record each outcome.

```python
settings, segmenter = resolve(TaskSettings("everything"))
summary = run_batch(BatchJob(Inputs(["images"]), settings, out="masks"), segmenter)
summary.counts, summary.failures
```
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anymask.batch.cpu_affinity import available_cores, best_workers
from anymask.batch.dataset_export import ExportReport, export_failures, export_formats
from anymask.batch.manifest import Counts, Manifest
from anymask.batch.planning import Plan, plan_job
from anymask.batch.processes import ProcessWorkers
from anymask.batch.report import write_report
from anymask.batch.results_folder import LOCK, MANIFEST, Results, results_at
from anymask.batch.scheduler import WorkerBackend, dispatch
from anymask.batch.tasks import BatchJob, Outcome, Task, TaskSettings
from anymask.batch.threads import ThreadWorkers
from anymask.batch.worker import Worker
from anymask.errors import AnymaskError, InputError, quantity
from anymask.io.drafts import lock_results

if TYPE_CHECKING:
    from anymask.prediction.segmenter import Segmenter

_RATE_IMAGES = 200
"""The rate is that of so many images, the last ones."""

_FAILURES_IN_SUMMARY = 100
_COPY_SECONDS = 60.0
"""Between two copies of the manifest beside results at an address."""


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
        problems: what could not be written from the results, a line each.
    """

    counts: Counts
    now: int
    found_ready: int
    seconds: float
    failures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


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
        plan = _plan(job, results, manifest)
        tally = _Tally(manifest.counts())
        started = time.monotonic()
        try:
            if tally.counts.waiting:
                workers = _start_workers(job, plan.settings, results, segmenter, tally.counts.waiting)
                waiting = manifest.waiting()
                tasks = (replace(task, look_first=plan.look_first, resumed=plan.resumed) for task in waiting)
                _process_images(job, results, manifest, workers, tasks, tally, progress)
            seconds = time.monotonic() - started
            report = _write_reports(job, plan, results, manifest, is_complete=not tally.counts.waiting)
        except InputError:
            raise
        except AnymaskError as error:
            with contextlib.suppress(AnymaskError):  # the first error is the reason
                _write_reports(job, plan, results, manifest, is_complete=False)
            done = f"{tally.counts.done} of {quantity(tally.counts.images, 'image')} done"
            raise JobStopped(f"{error}; {done}, and the same command continues from there") from None
        failures = tuple(itertools.islice(manifest.failures(), _FAILURES_IN_SUMMARY))
    notes = (*plan.notes, *report.notes)
    return Summary(
        tally.counts, tally.now, tally.found_ready, seconds, failures, notes, tuple(report.datasets),
        tuple(report.problems),
    )  # fmt: skip


def _plan(job: BatchJob, results: Results, manifest: Manifest) -> Plan:
    try:
        return plan_job(job, results, manifest)
    except InputError:
        raise
    except AnymaskError as error:
        raise JobStopped(f"{error}; no image was processed; the same command continues from there") from None


@contextlib.contextmanager
def _lock_folder(results: Results) -> Iterator[None]:
    """Lock the folder for this process, and open it; errors are those of `lock_results`."""
    results.make_home()
    with lock_results(results.out, results.home / LOCK):
        results.open()
        yield


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


def _start_workers(
    job: BatchJob, settings: TaskSettings, results: Results, segmenter: Segmenter | None, waiting: int
) -> WorkerBackend:
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


def _write_reports(
    job: BatchJob, plan: Plan, results: Results, manifest: Manifest, is_complete: bool
) -> ExportReport:  # fmt: skip
    """Write the list of failures, the results in other formats if all are there, and a copy of the manifest.

    Raises:
        AnymaskError: the disk is full or failed.
    """
    manifest.commit()
    notes = export_failures(manifest, results)
    count, key, note = manifest.with_notes()
    if count:
        notes.append(f"{quantity(count, 'image')} with a remark, see --report; {key}: {note}")
    report = export_formats(manifest, results, plan.settings.formats) if is_complete else ExportReport()
    report.notes[:0] = notes
    manifest.commit()
    if job.report is not None:
        write_report(manifest, job.report)
    results.copy_manifest(manifest.path)
    return report
