"""The structure of Label Studio's tasks: which annotations count, which entries are one object, and of which image."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from anymask.formats.helpers.validation import as_list, as_object
from anymask.formats.skipped import skip

_PARTS = frozenset(("data", "annotations", "completions", "predictions"))
AREA_TOOLS = ("brush", "bitmask", "polygon", "rectangle", "ellipse")
"""Types of regions that are an area; with labels of their own they end in "labels"."""


def tasks_of(content: Any) -> list[Any]:
    """The tasks of an export: a list, one task, or one annotation with its task, as cloud storages get it.

    In the short list ("JSON-MIN") data and regions are side by side; they are put where the long one has them.
    """
    if isinstance(content, dict):
        task = content.get("task")
        if isinstance(task, dict) and "result" in content:
            return [{**task, "annotations": [content]}]
        return [content]
    return [
        _long(task) if isinstance(task, dict) and not task.keys() & _PARTS else task for task in as_list(content, "it")
    ]


def has_short_tasks(path: Path) -> bool:
    """Whether a file is the short list ("JSON-MIN")."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, list) and any(isinstance(task, dict) and _is_short(task) for task in content)


def _is_short(task: dict[str, Any]) -> bool:
    """Whether a task has who made it when, or regions with the size of their image, beside its data."""
    if task.keys() & _PARTS:
        return False
    regions = [each for value in task.values() if isinstance(value, list) for each in value]
    is_region = [isinstance(each, dict) and "original_width" in each for each in regions]
    return any(is_region) or {"annotation_id", "lead_time"} <= task.keys()


def _long(task: dict[str, Any]) -> dict[str, Any]:
    """A task of the short list as one of the long list."""
    result = []
    for name, regions in task.items():
        for value in regions if isinstance(regions, list) else ():
            if isinstance(value, dict) and "original_width" in value:
                sizes = {side: value.get(side) for side in ("original_width", "original_height")}
                geometry = {key: each for key, each in value.items() if key not in sizes}
                result.append({"type": _type_of(value), "from_name": name, "value": geometry, **sizes})
    data = {name: value for name, value in task.items() if isinstance(value, str | int | float)}
    return {"data": data, "annotations": [{"result": result}]}


def _type_of(value: Mapping[str, Any]) -> str:
    """The type of a region, which its labels have, or its geometry."""
    by_field = {
        "rle": "brush",
        "imageDataURL": "bitmask",
        "points": "polygon",
        "radiusX": "ellipse",
        "height": "rectangle",
    }
    named = next((name for name in value if name.endswith("labels") and name != "labels"), None)
    return named or next((tool for name, tool in by_field.items() if name in value), "region")


@dataclass
class TaskRegion:
    """What the entries of one id say about an object.

    Attributes:
        shape: the entry that has an area; None if none has.
        labels: of all entries.
        attributes: what controls other than labels say, by their names.
        kinds: the types of the entries.
    """

    shape: dict[str, Any] | None = None
    labels: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)


def annotations_of(task: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The annotations of a task that were not cancelled, or else its predictions.

    Before Label Studio 1.0 annotations were called "completions".
    """
    found = [as_object(each, "annotation") for each in task.get("annotations") or task.get("completions") or ()]
    predictions = [as_object(each, "prediction") for each in task.get("predictions") or () if isinstance(each, dict)]
    kept = [each for each in found if not (each.get("was_cancelled") or each.get("skipped"))]
    for _ in range(len(found) - len(kept)):
        skip("cancelled annotation", where, "its author skipped the task")
    if kept:
        for _ in predictions:
            skip("prediction", where, "the task has an annotation")
        return kept
    return predictions


def regions_of(result: list[Any], number: int) -> list[TaskRegion]:
    """The objects of an annotation: with labels in a control of their own, two entries of one id are one object."""
    regions: dict[Any, TaskRegion] = {}
    for place, item in enumerate(result):
        entry = as_object(item, "result")
        kind, id = str(entry.get("type")), entry.get("id")
        key = (number, id) if isinstance(id, str | int) else (number, place, None)
        region = regions.setdefault(key, TaskRegion())
        region.kinds.append(kind)
        value = entry.get("value")
        value = value if isinstance(value, dict) else {}
        if kind.removesuffix("labels") in AREA_TOOLS and region.shape is None:
            region.shape = entry
        given = value.get(kind, value.get("text"))
        if kind.endswith("labels"):
            region.labels += [str(each) for each in given] if isinstance(given, list) else []
        elif kind not in AREA_TOOLS and given is not None:
            region.attributes[str(entry.get("from_name") or kind)] = given
    return list(regions.values())


def image_key_of(shape: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, int]:
    """The key of an image in a task's data, and its place where that is a list of images."""
    index = shape.get("item_index")
    names = (shape.get("to_name"), "image", *data)
    key = next((name for name in names if isinstance(name, str) and isinstance(data.get(name), str | list)), "image")
    return key, index if isinstance(index, int) and not isinstance(index, bool) else 0


def image_name_of(value: Any, index: int) -> str | None:
    """The name of an image that Label Studio loads from an address: its path on the disk, in the bucket or on the site.

    What was uploaded to Label Studio lies in a folder of numbers there, which is no part of the name.
    """
    if isinstance(value, list):
        value = value[index] if -len(value) <= index < len(value) else None
    if not isinstance(value, str) or value.startswith("data:"):
        return None
    address = urlsplit(value) if "://" in value or value.startswith("/data/") else None
    if address is None:
        return value or None
    if address.path.rstrip("/").endswith("/data/local-files"):
        return (parse_qs(address.query).get("d") or [""])[0].lstrip("/") or None
    path = unquote(address.path).lstrip("/")
    return re.sub(r"^data/upload/(\d+/)?", "", path) or None
