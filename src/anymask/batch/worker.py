"""Process one image of a job, from its file to the file of its result."""

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
    """Processes images with one model, one after the other or several at once from several threads.

    Args:
        settings: what is done to each image.
        results: where the results are published.
        segmenter: the model; loaded if None.
    """

    def __init__(self, settings: TaskSettings, results: Results, segmenter: Segmenter | None = None) -> None:
        self.settings = settings
        self.results = results
        self.segmenter = segmenter or load_segmenter(settings)
        self.stopping = threading.Event()
        self._pipeline = self._load_pipeline() if settings.kind == "text" else None

    def process(self, task: Task) -> Outcome:
        """Process one image; never raises."""
        started = time.perf_counter()
        try:
            outcome = (self._find_result(task) if task.look_first else None) or self._process(task)
            return replace(outcome, seconds=round(time.perf_counter() - started, 4))
        except Interrupted:
            return Outcome(task.key, "stopped", "interrupted")
        except InputError as error:
            return Outcome(task.key, "failed", one_line(error))
        except AnymaskError as error:
            return Outcome(task.key, "stopped", one_line(error))
        except MemoryError:
            return Outcome(task.key, "failed", f"{task.source}: not enough memory for this image")
        except Exception as error:  # the other images are processed all the same
            return Outcome(task.key, "failed", f"{task.source}: {type(error).__name__}: {one_line(error)}")

    def _process(self, task: Task) -> Outcome:
        image = open_source(task.source)
        self._check_stop()
        if self.settings.kind == "embed":
            return self._write_embedding(task, image)
        masks = self._masks(task, image)
        self._check_stop()
        return self._write_masks(task, masks)

    def _check_stop(self) -> None:
        if self.stopping.is_set():
            raise Interrupted

    # ------------------------------------------------------------ masks

    def _masks(self, task: Task, image: Image) -> MaskSet:
        if self.settings.kind == "text":
            assert self._pipeline is not None
            return self._pipeline(image, self.settings.text)
        if self.settings.kind == "everything":
            return self.segmenter.encode(image).everything(**self.settings.options, stop=self.stopping.is_set)
        return segment_from_file(self.segmenter, image, task.prompts or [], self.settings.options)

    def _load_pipeline(self) -> GroundedSegmenter:
        from anymask.detection.loading import load_detector
        from anymask.detection.options import DetectionOptions
        from anymask.prediction.grounded import GroundedSegmenter

        settings = self.settings
        detector = load_detector(
            settings.detector, classes=settings.classes, engine=settings.engine, precision=settings.precision,
            threads=settings.threads, device=settings.device,
        )  # fmt: skip
        return GroundedSegmenter(
            self.segmenter, detector, search=DetectionOptions(**settings.search), **settings.options
        )

    def _write_embedding(self, task: Task, image: Image) -> Outcome:
        path = self.segmenter.embedding_path(image)
        assert path is not None
        if not path.is_file():
            self.segmenter.encode(image)
        if not path.is_file():
            raise WriteError(f"cannot write {path}: the embedding is not in the store; is the disk full?")
        size = path.stat().st_size
        return Outcome(task.key, "done", "", path.name, size, image.file_sha256 or "", 0)

    # ------------------------------------------------------------ files

    def _write_masks(self, task: Task, masks: MaskSet) -> Outcome:
        from anymask.formats import masks_json
        from anymask.formats.registry import find_format

        name = result_name(task.key)
        content = masks_json.to_dict(masks)
        content["batch"] = {"photo": task.key, "job": self.settings.fingerprint(task.prompts)}
        text = masks_json.dumps(content)
        with self.results.draft() as stage:
            try:
                for format_name in self.settings.formats:
                    if not find_format(format_name).holds_many:
                        write_format(format_name, masks, stage, task.key)
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_bytes(text)
            except (OSError, AnymaskError) as error:
                raise _blame(error, name) from None
            self.results.publish(stage, last=name)
        return Outcome(task.key, "done", "", name, len(text), content["image"]["sha256"] or "", len(masks))

    def _find_result(self, task: Task) -> Outcome | None:
        """The result that an earlier run published before it was killed; None if there is none.

        Raises:
            InputError: there is a file of that name which this job did not make.
        """
        name = result_name(task.key)
        text = None if self.settings.kind == "embed" else self.results.read(name)
        if text is None:
            return None
        try:
            content = json.loads(text)
        except ValueError:
            return None  # cut short by a power failure
        try:
            own = content["batch"] == {"photo": task.key, "job": self.settings.fingerprint(task.prompts)}
            sha256, masks = content["image"]["sha256"] or "", len(content["masks"])
        except (KeyError, TypeError):
            own = False
        if not own:
            raise InputError(f"{name} is there already, and is no result of this job: use another --out")
        if not same_content(task.source, sha256):
            return None
        return Outcome(task.key, "done", "", name, len(text), sha256, masks, found_ready=True)


def load_segmenter(settings: TaskSettings) -> Segmenter:
    """Load the model of a job; only "embed" writes to the embedding store, which takes 4 MB per image."""
    from anymask.prediction.segmenter import load

    return load(
        settings.model, engine=settings.engine, precision=settings.precision, threads=settings.threads,
        device=settings.device, store=settings.kind == "embed",
    )  # fmt: skip


def segment_from_file(
    segmenter: Segmenter, image: Image, prompts: list[dict[str, Any]], options: Mapping[str, Any]
) -> MaskSet:
    """One mask per entry of a file of prompts, labelled with its name; an image without prompts is not encoded.

    Raises:
        PromptError: a point or a box outside the image, or another invalid value.
    """
    from anymask.structures.mask_set import MaskSet

    if not prompts:
        run = replace(segmenter.provenance(), call=Call("segment", plain(options)))
        return MaskSet([], image=image, provenance=run)
    arguments: dict[str, Any] = {
        "points": [prompt["points"] for prompt in prompts],
        "labels": [prompt["labels"] for prompt in prompts],
    }
    if any(prompt["box"] is not None for prompt in prompts):
        arguments["boxes"] = [prompt["box"] for prompt in prompts]
    result = segmenter.encode(image).segment(**arguments, **options)
    masks = [
        mask.replace(label=prompts[mask.prompt_index].get("name")) if prompts[mask.prompt_index].get("name") else mask
        for mask in result
    ]
    return MaskSet(masks, image=image, prompts=result.prompts, provenance=result.provenance)


def result_name(key: str) -> str:
    """Path of the `masks.json` of an image, below the folder of results."""
    return f"{RESULTS}/{key}.json"


def write_format(name: str, masks: MaskSet, folder: Path, key: str) -> None:
    """Write the masks of one image in one format below a folder, as `FORMAT/photo.jpg.EXTENSION`."""
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


def open_source(source: str) -> Image:
    """Open an image at a path or an address.

    Raises:
        InputError: it cannot be read, or is no image.
    """
    from anymask.batch.sources import is_address, read_bytes
    from anymask.io.image import open_image

    if not is_address(source):
        return open_image(source)
    try:
        return replace(open_image(read_bytes(source)), path=source)
    except InputError as error:
        raise type(error)(f"{source}: {error}") from None


def _blame(error: Exception, name: str) -> Exception:
    """The error itself if the masks caused it, or a `WriteError` if writing did."""
    cause = error if isinstance(error, OSError) else error.__context__
    if not isinstance(cause, OSError):
        return error
    return WriteError(f"cannot write {name}: {(cause.strerror or str(cause)).lower()}")
