"""The record of a result: what ran, and on which image."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import wraps
from os import PathLike, fspath
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

Asked = ParamSpec("Asked")


class HasProvenance(Protocol):
    """A result that says what made it."""

    provenance: Provenance


Result = TypeVar("Result", bound=HasProvenance)


_TOLD_ELSEWHERE = {
    "points", "labels", "box", "boxes", "mask_input", "previous", "objects",  # are in the prompts,
    "coordinates", "box_format",  # and these, in pixels
    "text", "detector", "search",  # are in the call that a pipeline records
    "stop", "progress", "estimate",  # change no mask that is there in the end
}  # fmt: skip


_BEFORE_GROUPING = ("objects", "points", "labels", "box", "boxes", "coordinates", "box_format")
"""Told where points were put into groups: the prompts of such a result are those of the groups."""


@dataclass(frozen=True)
class Call:
    """One call of the library, and what was done to its result before anybody saw it.

    Attributes:
        name: of the method: "segment", "everything", "text", "find_similar"; "" if unknown.
        options: its arguments without prompts, as plain JSON values, defaults included.
        then: further steps, each a name and its options, such as ("partition", {"order": "smaller"}).
    """

    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    then: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        steps = [{"name": name, "options": dict(options)} for name, options in self.then]
        return {"name": self.name, "options": dict(self.options), **({"then": steps} if steps else {})}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Call:
        """Read `as_dict` back."""
        then = tuple((str(step["name"]), dict(step["options"])) for step in content.get("then", ()))
        return cls(str(content["name"]), dict(content["options"]), then)

    def followed_by(self, name: str, **options: Any) -> Call:
        """The same call with one more step."""
        return replace(self, then=(*self.then, (name, {key: plain(value) for key, value in options.items()})))


def recorded(method: Callable[Asked, Result]) -> Callable[Asked, Result]:
    """Let a method that answers with masks state in their `run` how it was called.

    A result that states its call already keeps that: the method handed the question on to another one.
    """
    signature = inspect.signature(method)

    @wraps(method)
    def call(*arguments: Asked.args, **named: Asked.kwargs) -> Result:
        result = method(*arguments, **named)
        if not result.provenance.call.name:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            options = {
                name: plain(value) for name, value in list(bound.arguments.items())[1:] if name not in _TOLD_ELSEWHERE
            }
            if bound.arguments.get("objects") == "auto":
                options |= {name: plain(bound.arguments[name]) for name in _BEFORE_GROUPING}
            if (asked := getattr(result, "stopped_after", None)) is not None:
                options["stopped_after"] = asked
            result.provenance = replace(result.provenance, call=Call(method.__name__, options))
        return result

    return call


def plain(value: Any) -> Any:
    """An option as a JSON value; what has none is told by its type's name, and cannot be repeated."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, PathLike):
        return fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return {"unrepeatable": type(value).__name__}


@dataclass(frozen=True)
class Provenance:
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
    """Which image a result belongs to, when its pixels are not at hand.

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
