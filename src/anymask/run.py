"""The record of a result: what ran, and on which photograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from anymask.calls import Call


@dataclass(frozen=True)
class Run:
    """What really ran to make a result; blank where that is unknown.

    Attributes:
        model: name in the catalogue.
        engine: "openvino" or "onnxruntime".
        precision: "f32", "bf16" or "int8".
        device: what the engine ran on, as the engine names it.
        threads: CPU threads, None if the engine chose and does not say.
        version: of anymask.
        seconds: time spent, by step: "load", "detect", "encode", "decode".
        detector: that turned words into boxes, as in the catalogue; blank if there were no words.
        weights: sha256 over those of the model's files.
        engine_version: of the library behind the engine.
        call: the method that was asked, with all options.
    """

    model: str = ""
    engine: str = ""
    precision: str = ""
    device: str = ""
    threads: int | None = None
    version: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    detector: str = ""
    weights: str = ""
    engine_version: str = ""
    call: Call = field(default_factory=Call)


@dataclass(frozen=True)
class ImageRecord:
    """Which photograph a result belongs to, when its pixels are not at hand.

    Attributes:
        width, height: in pixels, as displayed.
        path: where it was read from, None for an array.
        sha256: of the file, or of shape and pixels if it never was a file; None if unknown.
        notes: remarks of the reader, such as "first of 12 frames".
    """

    width: int
    height: int
    path: str | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = ()
