"""`masks.json`: everything that is known of a result, masks as COCO RLE. Nothing is lost in this format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, Holds, Signature
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    image_size,
    load_json,
    optional_float,
    optional_text,
    reading,
    with_image,
)
from anymask.io.atomic import write_file
from anymask.structures.annotation import Annotation, BoxAnnotation, DatasetRecord, SourceShape
from anymask.structures.image_options import ImageOptions
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import Call, ImageRecord, Provenance, plain

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.prompt import Prompt

_OPTIONAL_KEYS = ("detector", "weights", "engine_version")


def write(masks: MaskSet, path: Path) -> list[Path]:
    """Write `masks.json` in one step.

    Raises:
        InputError: a path that cannot be written.
    """
    write_file(path, dumps(to_dict(masks)))
    return [path]


def to_dict(masks: MaskSet, files: Sequence[str | None] | None = None) -> dict[str, Any]:
    """A result in the layout of `masks.json`.

    Args:
        masks: the result.
        files: the PNG of each mask, relative to `masks.json`, where there is one.
    """
    record, run = masks.record, masks.provenance
    names = files or [None] * len(masks)
    about: dict[str, Any] = {"path": record.path, "width": record.width, "height": record.height}
    about["sha256"] = record.sha256
    if record.notes:
        about["notes"] = list(record.notes)
    about |= {
        name: value
        for name, value in (("id", record.id), ("extra", _finite(dict(record.extra))))
        if value not in (None, {})
    }
    if record.opened_with:
        about["opened_with"] = plain(record.opened_with)
    return {
        "image": about,
        **{name: getattr(run, name) or None for name in ("model", "engine", "precision", "device", "threads")},
        "version": run.version or None,
        **{name: getattr(run, name) for name in _OPTIONAL_KEYS if getattr(run, name)},
        **({"call": run.call.as_dict()} if run.call.name else {}),
        "prompts": [prompt_to_dict(prompt) for prompt in masks.prompts],
        "masks": [mask_to_dict(mask, file) for mask, file in zip(iter_bounded(masks), names, strict=True)],
        **(
            {"box_annotations": boxes} if (boxes := [_finite(each.as_dict()) for each in masks.box_annotations]) else {}
        ),
        **({"dataset": _finite(masks.dataset.as_dict())} if masks.dataset else {}),
        "seconds": {step: round(float(seconds), 4) for step, seconds in run.seconds.items()},
    }


def mask_to_dict(mask: Mask, file: str | None = None) -> dict[str, Any]:
    """One entry of `masks`, as in `masks.json` and in the HTTP interface."""
    entry: dict[str, Any] = {
        "prompt": mask.prompt_index,
        "label": mask.label,
        **({} if mask.detector_score is None else {"detector_score": _round(mask.detector_score)}),
        **({} if mask.object_score is None else {"object_score": _round(mask.object_score)}),
        "score": _round(mask.score),
        "stability": _round(mask.stability),
        "area": mask.area,
        "box": mask.box,
        "follows_prompt": None if mask.follows_prompt is None else bool(mask.follows_prompt),
    }
    if mask.follows_prompt is not None:
        entry["prompt_check"] = {
            "points": list(mask.follows_prompt.points),
            "box_iou": _round(mask.follows_prompt.box),
            "box_share": _round(mask.follows_prompt.box_share),
        }
    if mask.edits:
        entry["edits"] = list(mask.edits)
    if about := mask.annotation.as_dict():
        entry["annotation"] = _finite(about)
    if mask.source_shape is not None:
        entry["source_shape"] = _finite(mask.source_shape.as_dict())
    return {**entry, "rle": mask.rle, "file": file}


def _finite(value: Any) -> Any:
    """The same JSON value with null for numbers that JSON does not have; files of others can hold them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def prompt_to_dict(prompt: Prompt) -> dict[str, Any]:
    """One entry of `prompts`; of low-resolution logits only the fact that there were some."""
    entry = prompt.as_dict()
    if prompt.mask_input is not None:
        entry["mask_input"] = True
    if prompt.notes:
        entry["notes"] = list(prompt.notes)
    return entry


def dumps(content: Mapping[str, Any]) -> bytes:
    """The text of `masks.json`: a line for each key, each prompt and each mask."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value) + "\n ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append(f" {json.dumps(key)}: {text}")
    # A path may hold bytes that are no text; they come back from JSON as they went in.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


def _round(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read `masks.json`; masks are decoded when their pixels are needed.

    Args:
        path: the file.
        image: the image itself, for drawing; it has to have the size that the file states.

    Raises:
        InputError: not such a file, damaged masks, or an image of another size.
    """
    with reading(path, "masks.json"):
        content = load_json(path)
        about = as_object(content["image"], "image")
        record = ImageRecord(
            *image_size(about["width"], about["height"]),
            optional_text(about.get("path")),
            optional_text(about.get("sha256")),
            tuple(map(str, as_list(about.get("notes", []), "notes"))),
            ImageOptions(**as_object(about.get("opened_with", {}), "opened_with")).changed,
            about.get("id"),
            as_object(about.get("extra", {}), "extra"),
        )
        masks = MaskSet(
            [_read_mask(as_object(entry, "masks")) for entry in as_list(content["masks"], "masks")],
            image=record,
            prompts=[
                _read_prompt(as_object(entry, "prompts")) for entry in as_list(content.get("prompts", []), "prompts")
            ],
            provenance=_read_provenance(content),
            box_annotations=[
                BoxAnnotation.from_dict(as_object(entry, "box_annotations"))
                for entry in as_list(content.get("box_annotations", []), "box_annotations")
            ],
            dataset=DatasetRecord.from_dict(content["dataset"]) if content.get("dataset") else None,
        )
        return with_image(masks, image)


def _read_mask(entry: Mapping[str, Any]) -> Mask:
    return Mask.from_rle(entry["rle"], **about_mask(entry))


def about_mask(entry: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of an entry of `masks` but the pixels, as `Mask` takes them."""
    prompt = entry.get("prompt", 0)
    if not isinstance(prompt, int) or prompt < 0:
        raise InputError(f"'prompt' is {prompt!r:.60}: it takes the index of a prompt, from 0")
    return {
        **{name: optional_float(entry.get(name)) for name in ("score", "stability", "detector_score", "object_score")},
        "label": optional_text(entry.get("label")),
        "follows_prompt": _read_prompt_check(entry),
        "prompt_index": prompt,
        "edits": tuple(map(str, entry.get("edits") or ())),
        "annotation": Annotation.from_dict(as_object(entry.get("annotation", {}), "annotation")),
        "source_shape": SourceShape.from_dict(entry["source_shape"]) if entry.get("source_shape") else None,
    }


def _read_prompt_check(entry: Mapping[str, Any]) -> PromptCheck | None:
    detail = entry.get("prompt_check")
    if detail is not None:
        points = tuple(map(bool, as_list(detail["points"], "points")))
        return PromptCheck(points, optional_float(detail.get("box_iou")), optional_float(detail.get("box_share")))
    known = entry.get("follows_prompt")
    return None if known is None else PromptCheck((bool(known),))


def _read_prompt(entry: Mapping[str, Any]) -> Prompt:
    from anymask.structures.prompt import Prompt

    return Prompt(
        points=_finite_array(entry.get("points") or []),
        labels=np.asarray(entry.get("labels") or [], np.int64),
        box=None if entry.get("box") is None else _finite_array(entry["box"]),
        text=optional_text(entry.get("text")),
        notes=tuple(map(str, as_list(entry.get("notes", []), "notes"))),
    )


def _finite_array(numbers: Any) -> NDArray[np.float64]:
    """Numbers of a file as float64, in the shape in which they are nested."""
    array = np.asarray(numbers, np.float64)
    if not np.isfinite(array).all():
        raise InputError("a prompt has coordinates that are not finite numbers")
    return array


def _read_provenance(content: Mapping[str, Any]) -> Provenance:
    names = ("model", "engine", "precision", "device", "version", *_OPTIONAL_KEYS)
    threads, seconds = content.get("threads"), as_object(content.get("seconds") or {}, "seconds")
    return Provenance(
        **{name: str(content.get(name) or "") for name in names},
        threads=None if threads is None else int(threads),
        seconds={step: float(taken) for step, taken in seconds.items()},
        call=Call.from_dict(content["call"]) if content.get("call") else Call(),
    )


FORMAT = Format(
    name="masks-json",
    title="anymask (masks.json)",
    summary="all masks as COCO RLE with prompts, scores and what ran; written and read without loss",
    holds=Holds(
        empty_masks=True,
        scores=("score", "stability", "detector_score", "object_score"),
        vertices="yes",
        categories=True,
        ids="yes",
        attributes=True,
        details=True,
        crowd=True,
        boxes=True,
        further_fields="all",
    ),
    suffix=".json",
    media_type="application/json",
    extensions=(".json",),
    signature=Signature(extensions=(".json",), json_keys=frozenset({"image", "masks"})),
    menu_position=60,
    write=write,
    read=read,
)
