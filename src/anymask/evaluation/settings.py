"""A setting: the model that is measured, and how it is asked. Written as words: "model=sam-vit-b refine=off"."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anymask.automatic.options import GeneratorOptions
from anymask.detection.options import DetectionOptions
from anymask.errors import InputError
from anymask.prediction.options import SelectionOptions
from anymask.structures.options import Option, option_fields

OFFICIAL = "official"
"""As `select`: the official predictor's habit, the highest score of three for a first click or a box, then the single
mask with the logits of the answer before fed back."""

THRESHOLD = 0.05
"""Of a detector, where a setting names none: precision is averaged over all recalls, so that weak boxes count, too."""

_SELECTION = {each.name: each for each in option_fields(SelectionOptions) if each.name in ("select", "refine")}
_OPTIONS: dict[str, dict[str, Option]] = {
    "clicks": _SELECTION,
    "boxes": _SELECTION,
    "everything": {each.name: each for each in option_fields(GeneratorOptions) if each.kind is not None},
    "text": {
        **_SELECTION,
        "detector": Option("detector", "auto", "What finds the text.", str),
        **{each.name: each for each in option_fields(DetectionOptions)},
    },
}
_RUNTIME = {
    name: Option(name, None, "Of `anymask.load`.", kind, optional=True)
    for name, kind in {"model": str, "engine": str, "precision": str, "threads": int, "device": str}.items()
}
_KINDS: dict[type | None, str] = {str: "a word", int: "a whole number", float: "a number"}

PROTOCOLS = tuple(_OPTIONS)
"""The ways of asking that are measured."""


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        protocol: one of `PROTOCOLS`.
        values: all that was named; what was not is the default of `anymask.load` or of the call that asks.

    Raises:
        InputError: a name that the protocol does not have, or a value that cannot be right.
    """

    protocol: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {self.protocol!r}")
        known = {**_RUNTIME, **_OPTIONS[self.protocol]}
        for name in self.values:
            if name not in known:
                raise InputError(f"the protocol {self.protocol} has no setting {name!r}: it has {', '.join(known)}")
        for name, value in self.values.items():
            if not (name == "select" and self.official):
                known[name].check(value)
        if self.official and self.protocol == "text":
            raise InputError("select=official is for clicks and boxes; for text, select=score is nearest to it")
        if self.protocol == "text":
            self.search()

    @property
    def official(self) -> bool:
        """Whether prompts are answered by the official predictor's habit."""
        return self.values.get("select") == OFFICIAL

    @property
    def runtime(self) -> dict[str, Any]:
        """What `anymask.load` is called with."""
        return {name: value for name, value in self.values.items() if name in _RUNTIME}

    @property
    def options(self) -> dict[str, Any]:
        """What the call that asks is given; an official answer has nothing to refine."""
        asked = {name: value for name, value in self.values.items() if name not in _RUNTIME}
        return {"select": OFFICIAL} if self.official else asked

    def search(self) -> DetectionOptions:
        """How words are looked for; the threshold is low unless one is named.

        Raises:
            PromptError: a value outside its range.
        """
        fields = DetectionOptions.__dataclass_fields__
        named = {name: value for name, value in self.options.items() if name in fields}
        return DetectionOptions(**{"threshold": THRESHOLD, **named})

    def changed(self, text: str) -> Setting:
        """The same setting but for what "NAME=VALUE NAME=VALUE …" names.

        Raises:
            InputError: not such words, or as the class.
        """
        known = {**_RUNTIME, **_OPTIONS[self.protocol]}
        values = dict(self.values)
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise InputError(f"cannot read the setting {text!r}: {error}") from None
        if not words:
            raise InputError("a setting is empty: it takes NAME=VALUE, such as 'refine=off precision=f32'")
        for word in words:
            name, equals, value = word.partition("=")
            name = name.replace("-", "_")
            if not equals:
                raise InputError(f"the setting {word!r} is not NAME=VALUE, such as refine=off")
            kind = known[name].kind if name in known else str
            try:
                values[name] = kind(value) if kind is not None else value
            except ValueError:
                raise InputError(f"{name} is {value!r}: it takes {_KINDS[kind]}") from None
        return Setting(self.protocol, values)

    def differing(self, other: Setting) -> str:
        """What this setting has in words, as far as the other has something else."""
        names = [name for name in self.values if self.values[name] != other.values.get(name)]
        return " ".join(f"{name}={self.values[name]}" for name in names) or "the same"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items() if value not in (None, "auto"))
