"""What a job does, what is done to each of its images, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from anymask.batch.inputs import Inputs
from anymask.structures.provenance import plain

Kind = Literal["everything", "text", "prompts", "embed"]


@dataclass(frozen=True)
class TaskSettings:
    """What is done to every image of a job, and with what. Plain values, so that they can be sent to any worker.

    Attributes:
        kind: "everything", "text", "prompts" (each image has its own), or "embed": only fill the embedding store.
        options: of `EncodedImage.everything`, or of `EncodedImage.segment`.
        text: phrases, for "text".
        search: fields of `anymask.DetectionOptions`, for "text".
        detector: name or file, for "text".
        classes: names of a YOLO file's classes, a path.
        image: arguments of `anymask.open_image` that are not at their defaults.
        formats: also written, beside each `masks.json`, or once for all images where a format holds many.
        model, engine, precision, device: as resolved by `anymask.load`, so that all workers run the same.
        threads: of one worker; no result depends on it.
        weights: sha256 over those of the model's files, and of the detector's.
    """

    kind: Kind
    options: Mapping[str, Any] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    detector: str = ""
    classes: str | None = None
    image: Mapping[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    model: str = "mobile-sam"
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    weights: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Everything that the masks depend on, as plain JSON values."""
        values: dict[str, Any] = plain(asdict(self))
        del values["threads"], values["formats"]
        return values

    def fingerprint(self, prompts: Any = None) -> str:
        """Short hash of these settings and of the prompts of one image."""
        return fingerprint(self.as_dict(), prompts)


def fingerprint(settings: Mapping[str, Any] | None, prompts: Any) -> str:
    """Short hash of the settings of a job and of the prompts of one image."""
    return hashlib.sha256(json.dumps([settings, prompts], sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class BatchJob:
    """What a batch does, with what, and where the results go.

    Attributes:
        inputs: the images.
        settings: what is done to each image, as `anymask.batch.resolve.resolve_settings` returns them.
        out: folder of results; a path, or an address of fsspec.
        workers: how many models work in parallel; None: the fastest number on this machine, or as many as the cluster
            has cores for.
        runner: "local" or "ray".
        ray_address: of a running Ray cluster; None uses the variable RAY_ADDRESS, and starts Ray on this machine if it
            is not set.
        fail_fast: stop at the first image that fails.
        retry_failed: process images again that failed in an earlier run.
        restart: delete the results of an earlier job in this folder, and begin again.
        report: also write a table of all images to this file, see `write_report`.
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
    restart: bool = False
    report: Path | None = None
    store_bytes: int | None = None


@dataclass(frozen=True)
class Task:
    """One image to process.

    Attributes:
        key: its name within the job.
        source: path or address.
        page: of a file of several; None for the one that the settings say.
        prompts: as `PromptEntry` dictionaries; None where every image has the same ones.
        look_first: whether its result may exist already, published by a run that was killed.
        resumed: whether files that a killed run of this job published, without the result, may exist.
        deaths: how many workers died while they processed it.
    """

    key: str
    source: str
    page: int | None = None
    prompts: list[dict[str, Any]] | None = None
    look_first: bool = False
    resumed: bool = False
    deaths: int = 0


@dataclass(frozen=True)
class Outcome:
    """The outcome of one image.

    Attributes:
        key: its name within the job.
        state: "done"; "failed": something is wrong with the image or its prompts; "stopped": something is wrong with
            the machine, and the image keeps waiting.
        error: why not done, in one line.
        result, result_bytes: the file, below the folder of results.
        sha256: of the image's file.
        masks: their number.
        seconds: spent.
        found_ready: whether an earlier run had published the result.
        notes: what was chosen when the image was opened, such as "first of 12 pages".
        outputs: format → name and stamp of the files written in it.
    """

    key: str
    state: Literal["done", "failed", "stopped"]
    error: str = ""
    result: str = ""
    result_bytes: int | None = None
    sha256: str = ""
    masks: int | None = None
    seconds: float | None = None
    found_ready: bool = False
    notes: tuple[str, ...] = ()
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Interrupted(Exception):  # noqa: N818 - not an error
    """The job was stopped while an image was being processed."""
