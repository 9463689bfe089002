"""A whole job: list the photos, go on where an earlier run stopped, have the rest done, and note what became of them.

```python
work, segmenter = resolved(Work("everything"))
summary = run_batch(Job(Inputs(["photos"]), work, out="masks"), segmenter)
summary.counts, summary.failures
```
"""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymask.batch.cpu_affinity import available_cores, best_workers
from anymask.batch.dataset_export import collect
from anymask.batch.inputs import Inputs
from anymask.batch.manifest import Counts, Manifest
from anymask.batch.processes import ProcessWorkers
from anymask.batch.results_folder import NAME, RESULTS, Results, results_at
from anymask.batch.scheduler import WorkerBackend, dispatch
from anymask.batch.tasks import Outcome, Task, TaskSettings
from anymask.batch.threads import ThreadWorkers
from anymask.batch.worker import Worker, load_segmenter, same_content
from anymask.errors import AnymaskError, InputError

if TYPE_CHECKING:
    from anymask.prediction.embedding_cache import EmbeddingStore
    from anymask.prediction.segmenter import Segmenter
    from anymask.weights import Progress

FAILURES = "failures.csv"
_LOCK = ".lock"
_RATE_OVER = 200
_KEEP_SECONDS = 60.0
_EMBEDDING_BYTES = 4096 * 256 * 4 + 128


@dataclass(frozen=True)
class BatchJob:
    """What a person asks for.

    Attributes:
        inputs: the photos.
        work: what is done to each, see `resolved`.
        out: folder of results; a path, or an address of fsspec.
        workers: how many models work side by side; None: as many as are quickest here, or as the cluster has room for.
        runner: "local" or "ray".
        ray_address: of a Ray cluster that runs already; None asks RAY_ADDRESS, and starts Ray here if that is not set.
        fail_fast: stop at the first photo that fails.
        retry_failed: try photos again that failed in an earlier run.
        store_bytes: for "embed": what the embedding store may hold from now on; None leaves it.
    """

    inputs: Inputs
    work: TaskSettings
    out: str
    workers: int | None = None
    runner: str = "local"
    ray_address: str | None = None
    fail_fast: bool = False
    retry_failed: bool = False
    store_bytes: int | None = None

    def settings(self) -> dict[str, Any]:
        """What must not change between two runs on one folder."""
        inputs = self.inputs
        named = {"inputs": list(inputs.named), "prompts": inputs.prompts, "images": inputs.images}
        return {**named, **self.work.settings()}


@dataclass(frozen=True)
class BatchStatus:
    """How far a run is.

    Attributes:
        counts: of the whole job.
        rate: photos per second lately; 0 before the second one.
    """

    counts: Counts
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None if there is none yet."""
        return self.counts.waiting / self.rate if self.rate else None


@dataclass(frozen=True)
class Summary:
    """What a run did, and how the job stands.

    Attributes:
        counts: of the whole job.
        now: photos that this run did, failures included.
        found_ready: photos that a killed run had done and not recorded.
        seconds: this run took for its photos.
        failures: key and reason, of the whole job, the first hundred.
        notes: remarks for the person.
        collected: files made from all results at the end.
    """

    counts: Counts
    now: int
    found_ready: int
    seconds: float
    failures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    collected: tuple[str, ...] = ()


class Stopped(AnymaskError):  # noqa: N818 - names the state of the job
    """The job stopped before its end, and can go on."""


def resolved(
    work: TaskSettings, progress: Progress | None = None, allow: str | None = None
) -> tuple[TaskSettings, Segmenter]:
    """Load the model once, fetching it if needed, and state what "auto" stands for here.

    Args:
        work: as a person asked for it.
        progress: told about downloads.
        allow: licences of weights that may be used.

    Raises:
        ModelError, WeightsError, EngineError: as `anymask.load`.
        PromptError: words that the detector cannot know.
    """
    from anymask.weights import ensure, find_model

    ensure(find_model(work.model), allow=allow, progress=progress)
    segmenter = load_segmenter(work)
    detector, hashes = work.detector, segmenter.weights
    if work.kind == "text":
        detector, of_detector = _resolved_detector(work, progress, allow)
        hashes = f"{hashes} {of_detector}"
    if work.kind == "everything":
        _check_options(segmenter, work)
    settled = replace(
        work, model=segmenter.model, detector=detector, weights=hashes, engine=segmenter.engine,
        precision=segmenter.precision, device=segmenter.device,
    )  # fmt: skip
    return settled, segmenter


def _check_options(segmenter: Segmenter, work: TaskSettings) -> None:
    """Ask about a blank picture, and stop at once: wrong options are refused once, and not for every photo."""
    import numpy as np

    blank = segmenter.encode(np.zeros((64, 64, 3), np.uint8))
    blank.everything(**{**work.options, "tile": None}, stop=lambda: True)


def _resolved_detector(work: TaskSettings, progress: Progress | None, allow: str | None) -> tuple[str, str]:
    """The detector's own name and the hash of its weights; its vocabulary is asked before any work is done."""
    from pathlib import Path

    from anymask.detection.loading import auto_detector, load_detector
    from anymask.weights import find_model
    from anymask.weights.model_entry import sha256_of

    name = auto_detector(progress).name if work.detector in ("", "auto") else work.detector
    runtime: dict[str, Any] = {"engine": work.engine, "precision": work.precision, "device": work.device}
    runtime |= {"threads": work.threads, "allow": allow, "progress": progress}
    load_detector(name, classes=work.classes, **runtime).check(work.text)
    if name.lower().endswith(".onnx"):
        return name, sha256_of(Path(name).expanduser())
    return name, " ".join(file.sha256 for file in find_model(name).files)


def run_batch(
    job: BatchJob, segmenter: Segmenter | None = None, progress: Callable[[BatchStatus], None] = lambda status: None
) -> Summary:
    """Do what of a job is not done yet.

    Args:
        job: what to do.
        segmenter: of `resolved`, so that one worker need not load it again.
        progress: told when photos are done, and at least every half second.

    Raises:
        InputError: inputs that cannot be used, a folder of results that was begun with other settings, or that
            another process is working in.
        Stopped: the disk is full, or workers cannot work; the same job goes on from there.
    """
    results = results_at(job.out)
    with _held(results), contextlib.closing(Manifest(results.home / NAME)) as manifest:
        run = _Run(job, results, manifest, progress)
        return run.done(segmenter)


class _Run:
    """One run of a job, with the manifest open and the lock held."""

    def __init__(
        self, job: BatchJob, results: Results, manifest: Manifest, progress: Callable[[BatchStatus], None]
    ) -> None:
        self._job, self._results, self._manifest, self._progress = job, results, manifest, progress
        self._notes: list[str] = []
        self._now = self._found_ready = 0
        self._stopped = ""
        self._collected: list[str] = []
        self._ends: deque[float] = deque(maxlen=_RATE_OVER)
        self._last_copy = time.monotonic()

    def done(self, segmenter: Segmenter | None) -> Summary:
        resumed = self._begin()
        self._plan()
        self._counts = self._manifest.counts()
        started = time.monotonic()
        self._ends.append(started)
        if self._counts.waiting:
            self._work(segmenter, resumed)
        seconds = time.monotonic() - started
        self._finish()
        if self._stopped:
            done = f"{self._counts.done} of {self._counts.photos} photos are done"
            raise Stopped(f"{self._stopped}; {done}, and the same command goes on from there")
        return self._summary(seconds)

    def _begin(self) -> bool:
        """Compare with what the folder was begun with, or write that down; tells whether there may be results."""
        settings, before = self._job.settings(), self._manifest.settings()
        if before is None:
            self._manifest.begin(settings)
            return self._results.has(RESULTS)
        if changes := differences(before, settings):
            more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
            raise InputError(
                f"{self._job.out} was begun with other settings: {'; '.join(changes[:3])}{more}. "
                "Use the same ones, or another --out"
            )
        return True

    def _plan(self) -> None:
        inputs = self._job.inputs
        repeated = self._manifest.plan(inputs, same_content)
        self._notes += inputs.notes
        if repeated:
            self._notes.append(f"{repeated} photos are named more than once, and are done once")
        if lost := self._manifest.forget_lost(self._size_of):
            self._notes.append(f"the results of {lost} photos were gone or cut short: they are made again")
        if self._job.retry_failed:
            self._manifest.retry_failed()
        if not self._manifest.counts().photos:
            raise InputError(f"there are no photos in {', '.join(inputs.named)}")
        if self._job.work.kind == "embed":
            self._check_room()

    def _size_of(self, name: str) -> int | None:
        if self._job.work.kind != "embed":
            return self._results.size_of(name)
        try:
            return (_store().folder / name).stat().st_size
        except OSError:
            return None

    def _check_room(self) -> None:
        """Refuse to fill a store with more than it keeps: the first embeddings would be gone in the morning."""
        store = _store()
        if self._job.store_bytes is not None:
            store.keep_cap(self._job.store_bytes)
        needed = self._manifest.counts().photos * _EMBEDDING_BYTES
        if needed > store.cap:
            raise InputError(
                f"{needed / 1e9:.1f} GB of embeddings do not fit the store, which keeps {store.cap / 1e9:.1f} GB: "
                f"let it keep more with --store-gb {needed / 1e9 * 1.1 + 0.1:.1f}"
            )

    def _work(self, segmenter: Segmenter | None, resumed: bool) -> None:
        tasks: Iterator[Task] = (replace(task, look_first=resumed) for task in self._manifest.waiting())
        try:
            dispatch(self._crew(segmenter), tasks, self._tell, self._pulse)
            self._manifest.commit()
        except InputError:
            raise
        except AnymaskError as error:
            self._stopped = str(error)

    def _crew(self, segmenter: Segmenter | None) -> WorkerBackend:
        job = self._job
        if job.runner == "ray":
            from anymask.batch.ray import RayWorkers

            return RayWorkers(job.work, job.out, job.workers, job.ray_address)
        workers = job.workers or self._best_workers()
        if workers == 1:
            return ThreadWorkers(Worker(job.work, self._results, segmenter))
        threads = job.work.threads or max(1, available_cores() // workers)
        return ProcessWorkers(replace(job.work, threads=threads), job.out, workers)

    def _best_workers(self) -> int:
        from anymask.weights import find_model

        work = self._job.work
        alone = work.threads is not None or work.device != "cpu" or work.options.get("max_seconds") is not None
        return 1 if alone else best_workers(self._counts.waiting, find_model(work.model).size)

    def _tell(self, outcome: Outcome) -> bool:
        if outcome.state == "stopped":
            self._stopped = outcome.error
            return False
        self._manifest.record(outcome)
        counts, failed = self._counts, outcome.state == "failed"
        self._counts = replace(
            counts, waiting=counts.waiting - 1, failed=counts.failed + failed, done=counts.done + (not failed),
            masks=counts.masks + (outcome.masks or 0),
        )  # fmt: skip
        if outcome.found_ready:
            self._found_ready += 1
        else:
            self._now += 1
            self._ends.append(time.monotonic())
        self._progress(self._status())
        return not (failed and self._job.fail_fast)

    def _pulse(self) -> None:
        self._progress(self._status())
        if time.monotonic() - self._last_copy > _KEEP_SECONDS:
            self._last_copy = time.monotonic()
            self._manifest.commit()
            self._results.keep(self._manifest.path)

    def _status(self) -> BatchStatus:
        spent = self._ends[-1] - self._ends[0]
        return BatchStatus(self._counts, (len(self._ends) - 1) / spent if spent > 0 else 0.0)

    def _finish(self) -> None:
        """Write the list of failures and a copy of the manifest; a disk that is full stays the reason given."""
        try:
            self._manifest.commit()
            self._write_failures()
            if not self._stopped and not self._counts.waiting:
                work = self._now + self._found_ready > 0
                self._collected = collect(self._manifest, self._results, self._job.work.formats, renew=work)
            self._results.keep(self._manifest.path)
        except AnymaskError as error:
            self._stopped = self._stopped or str(error)

    def _write_failures(self) -> None:
        failures = list(self._manifest.failures())
        if not failures and self._results.size_of(FAILURES) is None:
            return
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow(("photo", "reason"))
        writer.writerows(failures)
        with self._results.draft() as stage:
            (stage / FAILURES).write_text(table.getvalue(), encoding="utf-8", newline="")
            self._results.publish(stage, last=FAILURES)

    def _summary(self, seconds: float) -> Summary:
        failures = tuple(pair for pair, _ in zip(self._manifest.failures(), range(100), strict=False))
        return Summary(
            self._counts, self._now, self._found_ready, seconds, failures, tuple(self._notes), tuple(self._collected)
        )


@contextlib.contextmanager
def _held(results: Results) -> Iterator[None]:
    """Hold the job's lock, so that one process at a time works in a folder; the system lets go of it when it dies."""
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


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What changed between two settings, a few words each."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name} was {_short(old)}, now {_short(new)}")
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _store() -> EmbeddingStore:
    from anymask.prediction.embedding_cache import EmbeddingStore
    from anymask.weights import cache_root

    return EmbeddingStore(cache_root() / "embeddings")
