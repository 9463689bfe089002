"""Process one image of a job, from its file to the file of its result."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anymask.batch.outputs import (
    check_free,
    draft_output,
    image_formats,
    is_own,
    output_stamps,
    read_result,
    remove_unrecorded,
    result_name,
)
from anymask.batch.results_folder import Results, WriteError, write_error
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
            outcome = self._find_result(task) or self._process(task)
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
        is_embedding = self.settings.kind == "embed"
        if not is_embedding and not task.deaths:  # what is there after a worker's death is from that worker
            check_free(self.results, task.key, self.settings.formats)
        image = open_source(task.source, self.settings.image, task.page)
        self._check_stop()
        if is_embedding:
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

        name, formats = result_name(task.key), image_formats(self.settings.formats)
        fingerprint = self.settings.fingerprint(task.prompts)
        content = masks_json.to_dict(masks)
        content["batch"] = {"photo": task.key, "job": fingerprint}
        text = masks_json.dumps(content)
        with self.results.draft() as stage:
            try:
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_bytes(text)
            except OSError as error:
                raise write_error(error, name) from None
            if formats:  # from what the result states, so that a format that is added later gives the same files
                masks = masks_json.read(stage / name, masks.image)
                for format_name in formats:
                    draft_output(format_name, masks, stage, task.key)
            try:
                stamps = self.results.publish(stage, last=name)
            except InputError:
                remove_unrecorded(self.results, task.key, fingerprint, formats)
                raise
        outputs = {each: output_stamps(each, task.key, stamps) for each in formats}
        return replace(_outcome_of(content, task.key, len(text)), outputs=outputs)

    def _find_result(self, task: Task) -> Outcome | None:
        """The result that an earlier run published before it was killed; None if there is none.

        What else that run left is removed.

        Raises:
            InputError: there is a file of that name which this job did not make.
        """
        if self.settings.kind == "embed" or not task.look_first:
            return None
        fingerprint = self.settings.fingerprint(task.prompts)
        content, size = read_result(self.results, task.key)
        name = result_name(task.key)
        is_foreign = not task.resumed and size > 0 if content is None else not is_own(content, task.key, fingerprint)
        if is_foreign:
            raise InputError(f"{name} already exists, and is not a result of this job: use another --out")
        if content is not None and same_content(task.source, content["image"]["sha256"] or ""):
            return replace(_outcome_of(content, task.key, size), found_ready=True)
        if task.resumed:
            remove_unrecorded(self.results, task.key, fingerprint, self.settings.formats)
        return None


def _outcome_of(content: Mapping[str, Any], key: str, size: int) -> Outcome:
    """The outcome of an image that has this result, of so many bytes."""
    image = content["image"]
    return Outcome(
        key, "done", "", result_name(key), size, image["sha256"] or "", len(content["masks"]),
        notes=tuple(image.get("notes", ())),
    )  # fmt: skip


def load_segmenter(settings: TaskSettings) -> Segmenter:
    """Load the model of a job; only "embed" writes to the embedding store, which takes 4 or 17 MB per image."""
    from anymask.prediction.segmenter import load

    return load(
        settings.model, engine=settings.engine, precision=settings.precision, threads=settings.threads,
        device=settings.device, store=settings.kind == "embed",
    )  # fmt: skip


def segment_from_file(
    segmenter: Segmenter, image: Image, prompts: list[dict[str, Any]], options: Mapping[str, Any]
) -> MaskSet:
    """One mask per entry of a file of prompts, labelled with its name; an image without prompts is not encoded.

    An entry that does not suit the image, such as a box outside, is left out with a note in the image's record.

    Raises:
        PromptError: no entry suits the image; the message is about the first one.
    """
    from anymask.structures.mask_set import MaskSet

    prompts, image = _suitable(prompts, image)
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


def _suitable(prompts: list[dict[str, Any]], image: Image) -> tuple[list[dict[str, Any]], Image]:
    """The prompts that can be used on an image, and the image with notes on the others."""
    from anymask.errors import PromptError
    from anymask.structures.prompt import make_prompt

    suitable, problems = [], []
    for place, prompt in enumerate(prompts):
        try:
            make_prompt(image.size, points=prompt["points"], labels=prompt["labels"], box=prompt["box"])
            suitable.append(prompt)
        except PromptError as error:
            problems.append(f"object {place} is left out: {error}")
    if problems and not suitable:
        raise PromptError(problems[0].replace(" is left out", ""))
    return suitable, replace(image, notes=(*image.notes, *problems)) if problems else image


def same_content(source: str, sha256: str) -> bool:
    """Whether the file at a path or an address has this hash."""
    from anymask.batch.sources import read_bytes

    try:
        return hashlib.sha256(read_bytes(source)).hexdigest() == sha256
    except InputError:
        return False


def open_source(source: str, options: Mapping[str, Any], page: int | None = None) -> Image:
    """Open an image at a path or an address.

    Args:
        source: path or address.
        options: arguments of `anymask.open_image`.
        page: of a file of several; None for the one that the options say.

    Raises:
        InputError: it cannot be read, or is no image.
    """
    from anymask.batch.sources import is_address, read_bytes
    from anymask.structures.image_options import ImageOptions

    opener = ImageOptions(**({**options, "page": page} if page is not None else options))
    if not is_address(source):
        return opener.open(source, is_one_of_many=True)
    try:
        return replace(opener.open(read_bytes(source), is_one_of_many=True), path=source)
    except InputError as error:
        raise type(error)(f"{source}: {error}") from None
