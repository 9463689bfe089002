"""A setting: the model that is measured, and how it is asked. Written as words: "model=sam-vit-b refine=off"."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anymask.detection.search import DetectionOptions
from anymask.errors import InputError
from anymask.prediction.refinement import check_refine
from anymask.prediction.selection import check_select

OFFICIAL = "official"
"""As `select`: the official predictor's habit, the highest score of three for a first click or a box, then the single
mask with the logits of the answer before fed back."""

THRESHOLD = 0.05
"""Of a detector, where a setting names none: precision is averaged over all recalls, so that weak boxes count, too."""

_ANSWERING: dict[str, type] = {"select": str, "refine": str}
_OPTIONS: dict[str, dict[str, type]] = {
    "clicks": _ANSWERING,
    "boxes": _ANSWERING,
    "everything": {
        "sampling": str, "points_per_side": int, "points_per_batch": int, "pred_iou_thresh": float,
        "stability_score_thresh": float, "stability_score_offset": float, "box_nms_thresh": float,
        "crop_n_layers": int, "crop_nms_thresh": float, "crop_overlap_ratio": float,
        "crop_n_points_downscale_factor": int, "min_mask_region_area": float, "min_area": float, "max_area": float,
        "tile": int, "max_seconds": float, "max_memory": float,
    },
    "text": {
        **_ANSWERING, "detector": str, "threshold": float, "box_nms_thresh": float,
        "label_nms_thresh": float, "max_per_label": int, "min_area": float, "max_area": float, "zoom": int,
    },
}  # fmt: skip
_RUNTIME: dict[str, type] = {"model": str, "engine": str, "precision": str, "threads": int, "device": str}
_KINDS = {str: "a word", int: "a whole number", float: "a number"}

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
        if (select := self.values.get("select")) and not self.official:
            check_select(select)
        if self.official and self.protocol == "text":
            raise InputError("select=official is for clicks and boxes; for text, select=score is nearest to it")
        if refine := self.values.get("refine"):
            check_refine(refine)
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
            kind = known.get(name, str)
            try:
                values[name] = kind(value)
            except ValueError:
                raise InputError(f"{name} is {value!r}: it takes {_KINDS[kind]}") from None
        return Setting(self.protocol, values)

    def differing(self, other: Setting) -> str:
        """What this setting has in words, as far as the other has something else."""
        names = [name for name in self.values if self.values[name] != other.values.get(name)]
        return " ".join(f"{name}={self.values[name]}" for name in names) or "the same"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items() if value not in (None, "auto"))
