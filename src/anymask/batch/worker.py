"""What is done to one photo of a job, from its file to its result's file."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.batch.results_folder import RESULTS, Results, WriteError
from anymask.batch.tasks import Interrupted, Outcome, Task, TaskSettings
from anymask.errors import AnymaskError, InputError, one_line
from anymask.structures.provenance import Call, plain

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.prediction.grounded import GroundedSegmenter
    from anymask.prediction.segmenter import Segmenter
    from anymask.structures.mask_set import MaskSet


class Worker:
    """Does photos, one after the other or several at once from several threads, with one model.

    Args:
        work: what is done.
        results: where it is put.
        segmenter: the model; loaded if left out.
    """

    def __init__(self, work: TaskSettings, results: Results, segmenter: Segmenter | None = None) -> None:
        self.work = work
        self.results = results
        self.segmenter = segmenter or load_segmenter(work)
        self.stopping = threading.Event()
        self._pipeline = self._with_detector() if work.kind == "text" else None

    def do(self, task: Task) -> Outcome:
        """Do one photo; never raises."""
        started = time.perf_counter()
        try:
            outcome = (self._ready(task) if task.look_first else None) or self._done(task)
            return replace(outcome, seconds=round(time.perf_counter() - started, 4))
        except Interrupted:
            return Outcome(task.key, "stopped", "interrupted")
        except InputError as error:
            return Outcome(task.key, "failed", one_line(error))
        except AnymaskError as error:
            return Outcome(task.key, "stopped", one_line(error))
        except MemoryError:
            return Outcome(task.key, "failed", f"{task.source}: not enough memory for this photo")
        except Exception as error:  # one photo's trouble is no reason to lose the others
            return Outcome(task.key, "failed", f"{task.source}: {type(error).__name__}: {one_line(error)}")

    def _done(self, task: Task) -> Outcome:
        image = opened(task.source)
        self._check_stop()
        if self.work.kind == "embed":
            return self._embedded(task, image)
        masks = self._masks(task, image)
        self._check_stop()
        return self._written(task, masks)

    def _check_stop(self) -> None:
        if self.stopping.is_set():
            raise Interrupted

    # ------------------------------------------------------------ masks

    def _masks(self, task: Task, image: Image) -> MaskSet:
        if self.work.kind == "text":
            assert self._pipeline is not None
            return self._pipeline(image, self.work.text)
        if self.work.kind == "everything":
            return self.segmenter.encode(image).everything(**self.work.options, stop=self.stopping.is_set)
        return answer_questions(self.segmenter, image, task.questions or [], self.work.options)

    def _with_detector(self) -> GroundedSegmenter:
        from anymask.detection.loading import load_detector
        from anymask.detection.search import DetectionOptions
        from anymask.prediction.grounded import GroundedSegmenter

        work = self.work
        detector = load_detector(
            work.detector, classes=work.classes, engine=work.engine, precision=work.precision, threads=work.threads,
            device=work.device,
        )  # fmt: skip
        return GroundedSegmenter(self.segmenter, detector, search=DetectionOptions(**work.search), **work.options)

    def _embedded(self, task: Task, image: Image) -> Outcome:
        path = self.segmenter.embedding_path(image)
        assert path is not None
        if not path.is_file():
            self.segmenter.encode(image)
        if not path.is_file():
            raise WriteError(f"cannot write {path}: the embedding did not stay; is the disk full?")
        size = path.stat().st_size
        return Outcome(task.key, "done", "", path.name, size, image.file_sha256 or "", 0)

    # ------------------------------------------------------------ files

    def _written(self, task: Task, masks: MaskSet) -> Outcome:
        from anymask.formats import masks_json
        from anymask.formats.registry import find_format

        name = result_name(task.key)
        content = masks_json.to_dict(masks)
        content["batch"] = {"photo": task.key, "job": self.work.fingerprint(task.questions)}
        text = masks_json.dumps(content)
        with self.results.draft() as stage:
            try:
                for each in self.work.formats:
                    if not find_format(each).holds_many:
                        write_format(each, masks, stage, task.key)
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_bytes(text)
            except (OSError, AnymaskError) as error:
                raise _blamed(error, name) from None
            self.results.publish(stage, last=name)
        return Outcome(task.key, "done", "", name, len(text), content["image"]["sha256"] or "", len(masks))

    def _ready(self, task: Task) -> Outcome | None:
        """The result that an earlier run published and did not live to record; None if there is none.

        Raises:
            InputError: a file of that name which this job did not make.
        """
        name = result_name(task.key)
        text = None if self.work.kind == "embed" else self.results.read(name)
        if text is None:
            return None
        try:
            content = json.loads(text)
        except ValueError:
            return None  # cut short by a power failure
        try:
            own = content["batch"] == {"photo": task.key, "job": self.work.fingerprint(task.questions)}
            sha256, masks = content["image"]["sha256"] or "", len(content["masks"])
        except (KeyError, TypeError):
            own = False
        if not own:
            raise InputError(f"{name} is there already, and is no result of this job: use another --out")
        if not same_content(task.source, sha256):
            return None
        return Outcome(task.key, "done", "", name, len(text), sha256, masks, found_ready=True)


def load_segmenter(work: TaskSettings) -> Segmenter:
    """The model of a job; only "embed" fills the store, where four megabytes per photo have to be worth it."""
    from anymask.prediction.segmenter import load

    return load(
        work.model, engine=work.engine, precision=work.precision, threads=work.threads, device=work.device,
        store=work.kind == "embed",
    )  # fmt: skip


def answer_questions(
    segmenter: Segmenter, image: Image, questions: list[dict[str, Any]], options: Mapping[str, Any]
) -> MaskSet:
    """One mask per question of a file of prompts, labelled with its name; a photo without questions is not encoded.

    Raises:
        PromptError: a point or a box outside the photo, or another value that cannot be right.
    """
    from anymask.structures.mask_set import MaskSet

    if not questions:
        run = replace(segmenter.provenance(), call=Call("segment", plain(options)))
        return MaskSet([], image=image, provenance=run)
    asked: dict[str, Any] = {
        "points": [question["points"] for question in questions],
        "labels": [question["labels"] for question in questions],
    }
    if any(question["box"] is not None for question in questions):
        asked["boxes"] = [question["box"] for question in questions]
    result = segmenter.encode(image).segment(**asked, **options)
    masks = [
        mask.replace(label=questions[mask.prompt_index].get("name"))
        if questions[mask.prompt_index].get("name")
        else mask
        for mask in result
    ]
    return MaskSet(masks, image=image, prompts=result.prompts, provenance=result.provenance)


def result_name(key: str) -> str:
    """Where the `masks.json` of a photo lies, below the folder of results."""
    return f"{RESULTS}/{key}.json"


def write_format(name: str, masks: MaskSet, folder: Path, key: str) -> None:
    """Write one photo's masks in one format below a folder, as `FORMAT/photo.jpg.EXTENSION`."""
    from anymask.formats.registry import find_format

    format = find_format(name)
    if format.needs_masks and not masks:
        return
    path = folder / name / f"{key}{format.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not format.suffix:
        path.mkdir()
    format.write(masks, path)


def same_content(source: str, sha256: str) -> bool:
    """Whether the file at a path or an address has this hash."""
    from anymask.batch.sources import read_bytes

    try:
        return hashlib.sha256(read_bytes(source)).hexdigest() == sha256
    except InputError:
        return False


def opened(source: str) -> Image:
    """Open a photo at a path or an address.

    Raises:
        InputError: it cannot be read, or is no photo.
    """
    from anymask.batch.sources import is_address, read_bytes
    from anymask.io.image import open_image

    if not is_address(source):
        return open_image(source)
    try:
        return replace(open_image(read_bytes(source)), path=source)
    except InputError as error:
        raise type(error)(f"{source}: {error}") from None


def _blamed(error: Exception, name: str) -> Exception:
    """The error as it is if the masks are to blame, else as one of writing."""
    cause = error if isinstance(error, OSError) else error.__context__
    if not isinstance(cause, OSError):
        return error
    return WriteError(f"cannot write {name}: {(cause.strerror or str(cause)).lower()}")
