"""The provenance of a result: the model, the call and the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from os import PathLike, fspath
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Call:
    """One call of the library, with the steps that were applied to its result.

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


def plain(value: Any) -> Any:
    """An option as a JSON value; of a value that has none the name of its type, and the call cannot be repeated."""
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
    """What made a result; blank where unknown.

    Attributes:
        model: name in the catalogue.
        engine: "openvino" or "onnxruntime".
        precision: "f32", "bf16" or "int8".
        device: that the engine ran on, by the name that the engine uses.
        threads: CPU threads; None if the engine chose the number and does not report it.
        version: of anymask.
        seconds: time spent, by step: "load", "detect", "encode", "decode".
        detector: that found boxes for a text, as in the catalogue; blank without text.
        weights: sha256 over those of the model's files.
        engine_version: of the library behind the engine.
        call: the method with all its options.
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
    """Which image a result belongs to, without its pixels.

    Attributes:
        width, height: in pixels, as displayed.
        path: of the file; None for an array.
        sha256: of the file, or of shape and pixels if it did not come from a file; None if unknown.
        notes: of the reader, such as "first of 12 pages".
        opened_with: arguments of `anymask.open_image` that open the same pixels of the file again.
        id: in the dataset that the image was read from; None if it has none.
        extra: further fields of that dataset about the image, such as COCO's `license` and `coco_url`.
        split: the part of a dataset that it belongs to: "train", "val" or "test"; None without parts.
    """

    width: int
    height: int
    path: str | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    opened_with: Mapping[str, Any] = field(default_factory=dict, hash=False)
    id: int | str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    split: str | None = None
