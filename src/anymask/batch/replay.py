"""Make the masks of an earlier result again, from what the result records, and compare them with it.

On the same engine and precision they are the same bit for bit; on another the overlap is measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.batch.report import manifest_copy
from anymask.batch.results_folder import MANIFEST, RESULTS
from anymask.batch.sources import natural_key
from anymask.batch.worker import open_source
from anymask.engines.registry import PRECISIONS
from anymask.errors import InputError
from anymask.formats.folder import MASKS_JSON
from anymask.structures.image_options import ImageOptions

if TYPE_CHECKING:
    from anymask.batch.manifest import Manifest
    from anymask.io.image import Image
    from anymask.prediction.encoded_image import EncodedImage
    from anymask.prediction.segmenter import Segmenter
    from anymask.prediction.subject_model import SubjectModel
    from anymask.structures.mask_set import MaskSet
    from anymask.structures.provenance import Provenance
    from anymask.weights import Progress


@dataclass(frozen=True)
class ReplayResult:
    """An earlier result and the same result made again.

    Attributes:
        file: the earlier result.
        before, now: its masks, and the new ones.
        ious: of each earlier mask: with the new mask of the same index, or with the most similar new mask for masks
            of everything mode and of text; 0 without such a mask.
        same: whether all masks are the same, pixel for pixel, in the same order.
        alike: whether engine, its version, precision and device are those of the earlier run.
    """

    file: Path
    before: MaskSet
    now: MaskSet
    ious: tuple[float, ...]
    same: bool
    alike: bool

    @property
    def least_iou(self) -> float:
        """The smallest of `ious`; 1 without masks on either side."""
        return min(self.ious, default=1.0 if not len(self.now) else 0.0)

    @property
    def extra(self) -> int:
        """How many more masks there are now."""
        return max(0, len(self.now) - len(self.before))


@dataclass
class Replayer:
    """Makes results again; each model is loaded once.

    Attributes:
        engine, precision: instead of the recorded ones.
        threads: CPU threads; None takes the recorded number, at most the number of cores.
        image: the image, or the folder it now lies in; None takes the recorded path.
        detector, classes: instead of the recorded detector, for one that is a file.
        progress: called during downloads.
    """

    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    image: Path | None = None
    detector: str | None = None
    classes: str | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self._loaded: dict[tuple[Any, ...], Segmenter] = {}

    def __call__(self, file: Path) -> ReplayResult:
        """Make one result again.

        Raises:
            InputError: the file records too little, or the image or the weights are missing or others.
        """
        from anymask.formats import masks_json

        before = masks_json.read(file)
        content = json.loads(file.read_bytes())
        _check_repeatable(file, before.provenance, content)
        image = self._open_image(file, content)
        if before.provenance.call.name == "segment_subject":
            return _compare(file, before, self._segment_subject(file, image, before.provenance))
        segmenter = self._segmenter(file, before.provenance)
        now = self._repeat(segmenter, image, before, content)
        for name, changes in before.provenance.call.then:
            if name == "sharpen":
                now = self._subject_model(changes["model"], before.provenance).sharpen(now)
        return _compare(file, before, now)

    # ------------------------------------------------------------ model and image

    def _segmenter(self, file: Path, run: Provenance) -> Segmenter:
        from anymask.batch.cpu_affinity import available_cores
        from anymask.prediction.segmenter import load

        threads = self.threads or min(run.threads or available_cores(), available_cores())
        engine, precision = self.engine or run.engine, self.precision or run.precision
        device = "auto" if self.engine else run.device or "auto"
        key = (run.model, engine, precision, device, threads)
        if key not in self._loaded:
            self._loaded[key] = load(
                run.model, engine=engine, precision=precision, device=device, threads=threads, store=False,
                progress=self.progress,
            )  # fmt: skip
        segmenter = self._loaded[key]
        _check_weights(file, run, segmenter.weights)
        return segmenter

    def _open_image(self, file: Path, content: Mapping[str, Any]) -> Image:
        record = content["image"]
        source = self._source(file, record.get("path"), content.get("batch", {}).get("photo"))
        image = open_source(source, ImageOptions(**record.get("opened_with", {})).changed)
        expected = record.get("sha256")
        if expected not in (image.file_sha256, image.pixel_hash):
            actual = image.file_sha256 or image.pixel_hash
            raise InputError(
                f"{source} is not the image that {file} was made from: "
                f"its sha256 is {actual[:12]}…, not {expected[:12]}…"
                if expected
                else f"{file} does not state which image it was made from"
            )
        return replace(image, path=record.get("path") or image.path)

    def _source(self, file: Path, path: str | None, key: str | None) -> str:
        """Path or address of the image: `image`, the recorded path, or that path from a folder around the result."""
        if self.image is not None and not self.image.is_dir():
            return str(self.image)
        if path is None and key is None:
            raise InputError(f"{file} was made from an image in memory: name its file with --image")
        names = [Path(part) for part in (key, path) if part is not None]
        if self.image is not None:
            paths = [self.image / name for name in (*names, Path(names[-1].name))]
        elif "://" in str(path):
            return str(path)
        else:
            paths = [folder / str(path) for folder in (Path(), *file.resolve().parents)]
        for candidate in paths:
            if candidate.is_file():
                return str(candidate)
        raise InputError(f"the image {path} of {file} is not there: name it, or the folder it is in, with --image")

    # ------------------------------------------------------------ masks

    def _repeat(self, segmenter: Segmenter, image: Image, before: MaskSet, content: Mapping[str, Any]) -> MaskSet:
        call = before.provenance.call
        options = dict(call.options)
        if call.name in ("text", "find_similar"):
            return self._segment_text(segmenter, image, call.name, options, before.provenance.detector)
        if call.name == "segment" and not before.prompts:
            return before[:0]
        encoded = segmenter.encode(image)
        if call.name == "segment":
            return encoded.segment(**({} if "objects" in options else _prompts(before)), **options)
        if call.name == "steps":
            from anymask.prediction.prompt_log import follow_all

            return follow_all(encoded, options["objects"], options["names"])
        result: Any = _everything(encoded, options)
        for name, changes in call.then:
            if name == "refilter":
                result = result.refilter(**changes)
            elif name == "partition":
                from anymask.structures.mask_set import MaskSet

                pieces = result.partition(**changes).masks()
                result = MaskSet(pieces, image=image, prompts=result.prompts, provenance=result.provenance)
        masks: MaskSet = result
        return masks

    def _segment_text(
        self, segmenter: Segmenter, image: Image, name: str, options: dict[str, Any], detector: str
    ) -> MaskSet:
        from anymask.detection.loading import load_detector
        from anymask.detection.options import DetectionOptions
        from anymask.prediction.grounded import GroundedSegmenter

        text, search = options.pop("text"), DetectionOptions(**options.pop("search"))
        similar = {each: options.pop(each) for each in ("box", "label", "threshold") if name == "find_similar"}
        precision = segmenter.precision if segmenter.precision in PRECISIONS else "auto"
        model = load_detector(
            self.detector or detector, classes=self.classes, engine=segmenter.engine, precision=precision,
            threads=segmenter.threads, device=segmenter.device, progress=self.progress,
        )  # fmt: skip
        pipeline = GroundedSegmenter(segmenter, model, search=search, **options)
        return pipeline.find_similar(image, **similar) if similar else pipeline(image, text)

    def _segment_subject(self, file: Path, image: Image, run: Provenance) -> MaskSet:
        model = self._subject_model(run.model, run)
        _check_weights(file, run, model.weights)
        return model.segment(image, **run.call.options)

    def _subject_model(self, name: str, run: Provenance) -> SubjectModel:
        from anymask.prediction.subject_model import shared_subject_model

        precision = self.precision or run.precision
        return shared_subject_model(
            name, engine=self.engine or run.engine, precision=precision if precision in PRECISIONS else "auto",
            device="auto" if self.engine else run.device or "auto", threads=self.threads, progress=self.progress,
        )  # fmt: skip


@dataclass(frozen=True)
class ResultFiles:
    """The results of a path.

    Attributes:
        files: that are there.
        missing: image and reason, for those of a batch that have none.
    """

    files: list[Path]
    missing: list[tuple[str, str]] = field(default_factory=list)


def results_in(path: Path) -> ResultFiles:
    """The results of a path: a masks.json, a folder with one, or the folder of a batch.

    Raises:
        InputError: there is none.
    """
    if path.is_file():
        return ResultFiles([path])
    if (path / MASKS_JSON).is_file():
        return ResultFiles([path / MASKS_JSON])
    if (path / MANIFEST).is_file():
        with manifest_copy(str(path)) as manifest:
            return _results_of_job(path, manifest)
    files = sorted((path / RESULTS).rglob("*.json"), key=lambda each: natural_key(each.as_posix()))
    if not files:
        raise InputError(f"there is no result in {path}: name a masks.json, a folder with one, or a batch's folder")
    return ResultFiles(files)


def _results_of_job(folder: Path, manifest: Manifest) -> ResultFiles:
    if (manifest.settings() or {}).get("kind") == "embed":
        raise InputError(f"the job in {folder} only encoded its images, and has no masks to make again")
    results = ResultFiles([])
    for each in manifest.images():
        if each["state"] == "failed":
            results.missing.append((each["image"], f"failed: {each['reason']}"))
        elif each["state"] == "waiting":
            results.missing.append((each["image"], "not processed yet"))
        elif (folder / each["result"]).is_file():
            results.files.append(folder / each["result"])
        else:
            results.missing.append((each["image"], f"{each['result']} is missing"))
    return results


def _check_repeatable(file: Path, run: Provenance, content: Mapping[str, Any]) -> None:
    """Refuse a result that records too little to be made again."""
    call = run.call
    if not (run.model and run.weights and call.name):
        raise InputError(f"{file} does not state how it was made: which weights, and which call with which options")
    if call.name not in ("segment", "everything", "text", "find_similar", "steps", "segment_subject"):
        raise InputError(f"{file} was made by {call.name!r}, which this version of anymask does not know")
    if any(prompt.get("mask_input") for prompt in content.get("prompts", ())):
        raise InputError(f"{file} was made from an earlier mask, which it does not hold: make it again step by step")
    for name, value in call.options.items():
        if isinstance(value, Mapping) and "unrepeatable" in value:
            raise InputError(f"{file} cannot be made again: its option {name} was a {value['unrepeatable']}")


def _check_weights(file: Path, run: Provenance, weights: str) -> None:
    """Refuse a result of other weights than those that were loaded."""
    if weights != run.weights:
        raise InputError(
            f"{file} was made with other weights of {run.model}: sha256 {run.weights[:12]}…, here it is {weights[:12]}…"
        )


def _prompts(before: MaskSet) -> dict[str, Any]:
    """The recorded prompts as arguments of `EncodedImage.segment`: the same objects in the same order and batches."""
    prompts = before.prompts
    arguments: dict[str, Any] = {
        "points": [prompt.points.tolist() for prompt in prompts],
        "labels": [prompt.labels.tolist() for prompt in prompts],
    }
    if any(prompt.box is not None for prompt in prompts):
        arguments["boxes"] = [None if prompt.box is None else prompt.box.tolist() for prompt in prompts]
    return arguments


def _everything(encoded: EncodedImage, options: dict[str, Any]) -> MaskSet:
    """Everything mode; a run that a budget ended is repeated with as many prompts, however long they take."""
    prompts = options.pop("stopped_after", None)
    if prompts is None:
        return encoded.everything(**options)
    so_far = 0

    def count(status: Any) -> None:
        nonlocal so_far
        so_far = status.prompts

    unlimited = {**options, "max_seconds": None, "max_memory": None}
    return encoded.everything(**unlimited, stop=lambda: so_far >= prompts, progress=count)


def _compare(file: Path, before: MaskSet, now: MaskSet) -> ReplayResult:
    same = [mask.rle for mask in before] == [mask.rle for mask in now]
    names = ("engine", "engine_version", "precision", "device")
    alike = all(getattr(before.provenance, name) == getattr(now.provenance, name) for name in names)
    return ReplayResult(file, before, now, tuple(_ious(before, now, same)), same, alike)


def _ious(before: MaskSet, now: MaskSet, same: bool) -> Iterator[float]:
    """See `ReplayResult.ious`; from run lengths, so that no mask is decoded."""
    from pycocotools import mask as coco

    if same or not len(before):
        yield from (1.0 for _ in before)
        return
    if not len(now):
        yield from (0.0 for _ in before)
        return
    table = np.asarray(coco.iou([each.rle for each in now], [each.rle for each in before], [0] * len(before)))
    in_place = before.provenance.call.name in ("segment", "steps") and len(now) == len(before)
    best = np.diagonal(table) if in_place else table.max(axis=0)
    for index, (old, value) in enumerate(zip(before, best, strict=True)):
        both_empty = not old.area and in_place and not now[index].area
        yield 1.0 if both_empty else float(value)
