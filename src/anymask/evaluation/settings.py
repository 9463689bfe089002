"""A setting: the model that is measured, and its options. As text: "model=sam-vit-b refine=off"."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from anymask.automatic.options import GeneratorOptions
from anymask.detection.options import DetectionOptions
from anymask.errors import InputError
from anymask.prediction.click_grouping import Objects
from anymask.prediction.options import SelectionOptions
from anymask.structures.options import Option, option_fields

OFFICIAL = "official"
"""As `select`: as the official predictor is used, the highest score of three for a first click or a box, then the
single mask with the logits of the mask before fed back."""

THRESHOLD = 0.05
"""Of a detector, where a setting names none: precision is averaged over all recalls, so that weak boxes count, too."""

_SELECTION = {each.name: each for each in option_fields(SelectionOptions) if each.name in ("select", "refine")}
_OPTIONS: dict[str, dict[str, Option]] = {
    "clicks": _SELECTION,
    "boxes": _SELECTION,
    "instances": {
        **_SELECTION,
        "objects": Option(
            "objects", "per_point", "As segment; one: each point in a call of its own.", str, choices=get_args(Objects)
        ),
    },
    "alternatives": {"select": replace(_SELECTION["select"], choices=("object",))},
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
"""How objects are prompted."""

PROMPTED = ("clicks", "boxes", "instances", "alternatives")
"""Those that prompt single objects, at most so many of an image, and that the official predictor can be measured by."""


def option_names(protocol: str) -> tuple[str, ...]:
    """Names of the options of a protocol's call."""
    return tuple(_OPTIONS[protocol])


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        protocol: one of `PROTOCOLS`.
        values: those that are set; others have the default of `anymask.load` or of the call.

    Raises:
        InputError: a name that the protocol does not have, or a value that cannot be right.
    """

    protocol: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {self.protocol!r}")
        options = {**_RUNTIME, **_OPTIONS[self.protocol]}
        for name in self.values:
            if name not in options:
                raise InputError(f"the protocol {self.protocol} has no setting {name!r}: it has {', '.join(options)}")
        for name, value in self.values.items():
            if not (name == "select" and self.official):
                options[name].check(value)
        if self.official and self.protocol == "text":
            raise InputError("select=official is not for text; select=score is nearest to it")
        if self.protocol == "text":
            self.search()

    @property
    def official(self) -> bool:
        """Whether masks are selected as the official predictor is used."""
        return self.values.get("select") == OFFICIAL

    @property
    def runtime(self) -> dict[str, Any]:
        """What `anymask.load` is called with."""
        return {name: value for name, value in self.values.items() if name in _RUNTIME}

    @property
    def options(self) -> dict[str, Any]:
        """The options of the call; the official way has nothing to refine."""
        options = {name: value for name, value in self.values.items() if name not in _RUNTIME}
        return {"select": OFFICIAL} if self.official else options

    def search(self) -> DetectionOptions:
        """How text is detected; the threshold is low unless one is set.

        Raises:
            PromptError: a value outside its range.
        """
        fields = DetectionOptions.__dataclass_fields__
        set_values = {name: value for name, value in self.options.items() if name in fields}
        return DetectionOptions(**{"threshold": THRESHOLD, **set_values})

    def changed(self, text: str) -> Setting:
        """The same setting but for the values of "NAME=VALUE NAME=VALUE …".

        Raises:
            InputError: text of another form, or as the class.
        """
        options = {**_RUNTIME, **_OPTIONS[self.protocol]}
        values = dict(self.values)
        try:
            assignments = shlex.split(text)
        except ValueError as error:
            raise InputError(f"cannot read the setting {text!r}: {error}") from None
        if not assignments:
            raise InputError("a setting is empty: it takes NAME=VALUE, such as 'refine=off precision=f32'")
        for assignment in assignments:
            name, equals, value = assignment.partition("=")
            name = name.replace("-", "_")
            if not equals:
                raise InputError(f"the setting {assignment!r} is not NAME=VALUE, such as refine=off")
            kind = options[name].kind if name in options else str
            try:
                values[name] = kind(value) if kind is not None else value
            except ValueError:
                raise InputError(f"{name} is {value!r}: it takes {_KINDS[kind]}") from None
        return Setting(self.protocol, values)

    def differing(self, other: Setting) -> str:
        """The values of this setting that differ from those of the other, as text."""
        names = [name for name in self.values if self.values[name] != other.values.get(name)]
        return " ".join(f"{name}={self.values[name]}" for name in names) or "the same"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items() if value not in (None, "auto"))
