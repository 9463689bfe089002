from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from anymask.structures.provenance import plain

if TYPE_CHECKING:
    pass


Kind = Literal["everything", "text", "prompts", "embed"]


@dataclass(frozen=True)
class TaskSettings:
    """What is done to every photo of a job, and with what. Plain values, so that it can travel to any worker.

    Attributes:
        kind: "everything", "text", "prompts" (each photo has its own), or "embed": only fill the embedding store.
        options: of `EncodedImage.everything`, or of `EncodedImage.segment`.
        text: phrases, for "text".
        search: fields of `anymask.DetectionOptions`, for "text".
        detector: name or file, for "text".
        classes: names of a YOLO file's classes, a path.
        formats: written beside each `masks.json`, or once for all photos where a format holds many.
        model, engine, precision, device: as resolved by `anymask.load`, so that all workers run the same.
        threads: of one worker; changes no result.
        weights: sha256 over those of the model's files, and of the detector's.
    """

    kind: Kind
    options: Mapping[str, Any] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    detector: str = ""
    classes: str | None = None
    formats: tuple[str, ...] = ()
    model: str = "mobile-sam"
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    weights: str = ""

    def settings(self) -> dict[str, Any]:
        """Everything that has a say in the results, as plain JSON values."""
        about: dict[str, Any] = plain(asdict(self))
        del about["threads"]
        return about

    def fingerprint(self, questions: Any = None) -> str:
        """Short hash of `settings` and of what is asked about one photo."""
        return hashlib.sha256(json.dumps([self.settings(), questions], sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Task:
    """One photo to be done.

    Attributes:
        key: its name within the job.
        source: path or address.
        questions: what is asked about it, if every photo has its own.
        look_first: whether its result may be there already, of a run that was killed.
        deaths: how many workers have died over it.
    """

    key: str
    source: str
    questions: list[dict[str, Any]] | None = None
    look_first: bool = False
    deaths: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        key: its name within the job.
        state: "done"; "failed": something is wrong with the photo or its prompts; "stopped": something is wrong with
            the machine, and the photo waits on.
        error: why not done, in one line.
        result, result_bytes: the file, below the folder of results.
        sha256: of the photo's file.
        masks: how many.
        seconds: spent.
        found_ready: whether an earlier run had done it.
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


class Interrupted(Exception):  # noqa: N818 - not an error
    """The job was asked to stop while a photo was being worked on."""
