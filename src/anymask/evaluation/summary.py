"""The figures of an evaluation: numbers for each object, and their means over a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anymask.evaluation.average_precision import average_precision, false_alarms
from anymask.evaluation.matching import AREAS, PROPOSALS
from anymask.evaluation.protocols import ALTERNATIVES, MAX_CLICKS, ProtocolResult, Row

TARGETS = (0.85, 0.90, 0.95)
FEW_CLICKS = (2, 3, 5)
FALSE_ALARMS = "false alarms per image"
COVERS = "covers another object"

Figures = dict[str, float]
"""Name → value. Higher is better, except as `lower_is_better` says."""


def lower_is_better(name: str) -> bool:
    """Whether a lower value of a figure is better."""
    return name.startswith(("clicks to", "never", "covers", "seconds", FALSE_ALARMS))


def of_object(row: Row, protocol: str, max_clicks: int = MAX_CLICKS) -> Figures:
    """The figures of one object whose means over all objects are those of the dataset.

    For clicks: IoU and boundary IoU of the first click, IoU after some more, the number of clicks to an IoU
    (the maximum if it is never reached), and 1 if it is never reached. For boxes: IoU and boundary IoU of the
    tight and of the jittered box. For instances: IoU, and 1 if the mask covers another object. For alternatives: IoU
    of the first, and of the best of the first three and six. For everything: the
    share of COCO's IoU thresholds at which one of the best 100 or 1,000 masks is matched with the object, whose mean is
    COCO's average recall. For text and everything, `covered` is the IoU of the best mask.
    """
    if protocol == "clicks":
        return _of_clicks(row, max_clicks)
    if protocol == "boxes":
        return {
            "box": row["iou"], "box, boundary": row["boundary"],
            "jittered box": row["iou_jittered"], "jittered box, boundary": row["boundary_jittered"],
        }  # fmt: skip
    if protocol == "instances":
        return {"instances": row["iou"], COVERS: float(row["covers"])}
    if protocol == "alternatives":
        best = {f"best of the first {most}": max(row["ious"][:most]) for most in ALTERNATIVES}
        return {"first alternative": row["ious"][0], **best}
    figures = {"covered": row["iou"]}
    if protocol == "everything":
        for area in AREAS:
            if area in row["ranks"]:
                for limit in PROPOSALS:
                    name = f"AR@{limit}" + ("" if area == "all" else f" {area}")
                    figures[name] = float(np.mean([rank is not None and rank < limit for rank in row["ranks"][area]]))
    return figures


def _of_clicks(row: Row, max_clicks: int) -> Figures:
    ious = row["iou"]
    figures = {"first click": ious[0], "first click, boundary": row["boundary"][0]}
    if "best" in row:
        figures["best of three"] = row["best"]
    for clicks in FEW_CLICKS:
        if max_clicks >= clicks:
            figures[f"{clicks} clicks"] = ious[min(clicks, len(ious)) - 1]
    for target in TARGETS:
        figures[f"clicks to {target:.2f}"] = float(clicks_to(ious, target, max_clicks))
        figures[f"never {target:.2f}"] = float(max(ious) < target)
    return figures


def clicks_to(ious: Sequence[float], target: float, max_clicks: int) -> int:
    """Number of clicks until an IoU is reached; `max_clicks` if it never is."""
    reached = np.flatnonzero(np.asarray(ious) >= target)
    return int(reached[0]) + 1 if len(reached) else max_clicks


def summary(results: Mapping[str, ProtocolResult], protocol: str, max_clicks: int = MAX_CLICKS) -> Figures:
    """The figures of a dataset: means over its objects, average precision, and the median time of one prompt.

    Raises:
        ValueError: nothing was measured.
    """
    rows = [row for each in results.values() for row in each.rows]
    if not rows:
        raise ValueError("nothing was measured")
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in of_object(row, protocol, max_clicks).items():
            values.setdefault(name, []).append(value)
    means = {name: float(np.mean(own)) for name, own in _sort_by_size(values).items()}
    figures: Figures = {"images": len(results), "objects": len(rows)}
    if protocol == "text":
        figures |= average_precision([each.entries for each in results.values()])
        figures[FALSE_ALARMS] = float(np.mean([false_alarms(each.entries) for each in results.values()]))
    if protocol == "everything":
        counts = [each.rows[0]["masks"] for each in results.values() if each.rows]
        figures["masks per image"] = float(np.mean(counts))
    return {**figures, **means, **_seconds(results, protocol)}


def _sort_by_size(values: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Recalls of all sizes first, then by size, in an order that does not depend on the objects."""
    sizes = {area: place for place, area in enumerate(AREAS)}
    return dict(sorted(values.items(), key=lambda item: sizes.get(item[0].rpartition(" ")[2], 0)))


def _seconds(results: Mapping[str, ProtocolResult], protocol: str) -> Figures:
    if protocol == "clicks":
        seconds = [second for each in results.values() for row in each.rows for second in row["seconds"]]
        return {"seconds per click": float(np.median(seconds))}
    if protocol == "boxes":
        return {"seconds per box": float(np.median([row["seconds"] for each in results.values() for row in each.rows]))}
    if protocol in ("instances", "alternatives"):
        return {
            "seconds per click": float(np.median([row["seconds"] for each in results.values() for row in each.rows]))
        }
    return {"seconds per image": float(np.median([each.rows[0]["seconds"] for each in results.values() if each.rows]))}
