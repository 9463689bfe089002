"""All objects of a project, sorted, for a contact sheet on which a wrong one is noticed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from anymask.projects.database import ProjectDatabase

ReviewSort = Literal["score", "size", "disagreement"]
_COLUMNS = {"score": "score", "size": "area", "disagreement": "disagreement"}


@dataclass(frozen=True)
class ReviewFilter:
    """Which objects are listed, and how.

    Attributes:
        class_id: of this class; -1 for those without class, None for all.
        state: of images in this state; None for all but skipped ones.
        sort: by this; objects without a value come last.
        descending: the highest first.
    """

    class_id: int | None = None
    state: str | None = None
    sort: ReviewSort = "score"
    descending: bool = False


def review(database: ProjectDatabase, chosen: ReviewFilter, offset: int, limit: int) -> dict[str, Any]:
    """A page of the objects of a project: `total` and `objects`, as JSON values."""
    parts, values = ["images.state = ?" if chosen.state else "images.state != 'skipped'"], list[Any]()
    values += [chosen.state] if chosen.state else []
    if chosen.class_id is not None:
        parts.append("class IS NULL" if chosen.class_id < 0 else "class = ?")
        values += [chosen.class_id] if chosen.class_id >= 0 else []
    source = f"FROM objects JOIN images ON images.number = objects.image WHERE {' AND '.join(parts)}"
    column, order = _COLUMNS[chosen.sort], "DESC" if chosen.descending else "ASC"
    rows = database.rows(
        "SELECT image, name, id, class, score, area, disagreement, box, objects.width, objects.height "
        f"{source} ORDER BY {column} IS NULL, {column} {order}, place, position LIMIT ? OFFSET ?",
        *values, limit, offset,
    )  # fmt: skip
    objects = [{**dict(row), "box": json.loads(row["box"]), "object": row["id"]} for row in rows]
    for each in objects:
        del each["id"]
    return {"total": database.number(f"SELECT count(*) {source}", *values), "objects": objects}
