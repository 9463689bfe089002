"""Searches over the images of a project, and the suggestions that they made; all of it survives a restart."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from anymask.projects.database import ProjectDatabase
from anymask.projects.errors import NotInProjectError
from anymask.structures.mask import Mask

JobKind = Literal["everything", "text", "check"]
_MOST_LISTED = 100


@dataclass(frozen=True)
class ProjectJob:
    """A search over images.

    Attributes:
        id: of it.
        kind: "everything", "text", or "check", which compares objects with the model's own masks.
        words: of text.
        options: of everything.
        state: "waiting", "running", "done", "cancelled" or "failed".
        done, total: images.
        found: suggestions, or objects that were checked.
        failed: number and reason of images that could not be searched.
        problem: why it failed.
    """

    id: str
    kind: JobKind
    words: Sequence[str]
    options: dict[str, Any]
    state: str
    done: int
    total: int
    found: int
    failed: Sequence[tuple[int, str]] = field(default_factory=list)
    problem: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done."""
        return self.state in ("done", "cancelled", "failed")

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        failed = [{"number": number, "reason": reason} for number, reason in self.failed]
        return {**asdict(self), "words": list(self.words), "failed": failed}


class ProjectJobs:
    """The searches of one project."""

    def __init__(self, database: ProjectDatabase) -> None:
        self._database = database

    def add(
        self, kind: JobKind, images: Iterable[int], words: Sequence[str] = (), options: dict[str, Any] | None = None
    ) -> ProjectJob:
        """Add a search, which waits for its turn."""
        id = secrets.token_urlsafe(16)
        with self._database.transaction():
            place = self._database.number("SELECT coalesce(max(position), 0) + 1 FROM jobs")
            values = (id, place, kind, json.dumps(list(words)), json.dumps(options or {}))
            columns = "(id, position, kind, words, options, state)"
            self._database.run(f"INSERT INTO jobs {columns} VALUES (?, ?, ?, ?, ?, 'waiting')", *values)
            self._database.run_many(
                "INSERT INTO job_images (job, image) VALUES (?, ?)", [(id, each) for each in images]
            )
        return self.get(id)

    def get(self, id: str) -> ProjectJob:
        """A search.

        Raises:
            NotInProjectError: there is none of that id.
        """
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", id)
        if row is None:
            raise NotInProjectError("there is no such job in this project")
        counts = self._database.rows(
            "SELECT state, count(*) AS number FROM job_images WHERE job = ? GROUP BY state", id
        )
        by_state = {each["state"]: each["number"] for each in counts}
        query = "SELECT image, problem FROM job_images WHERE job = ? AND state = 'failed' ORDER BY image LIMIT ?"
        failed = [(each["image"], each["problem"]) for each in self._database.rows(query, id, _MOST_LISTED)]
        total = sum(by_state.values())
        return ProjectJob(
            id, row["kind"], json.loads(row["words"]), json.loads(row["options"]), row["state"],
            total - by_state.get("waiting", 0), total, row["found"], failed, row["problem"],
        )  # fmt: skip

    def all(self) -> list[ProjectJob]:
        """All searches, the newest first."""
        return [self.get(row["id"]) for row in self._database.rows("SELECT id FROM jobs ORDER BY position DESC")]

    def next(self) -> ProjectJob | None:
        """The oldest search that is not over."""
        query = "SELECT id FROM jobs WHERE state IN ('waiting', 'running') ORDER BY position LIMIT 1"
        row = self._database.row(query)
        return None if row is None else self.get(row["id"])

    def next_image(self, id: str) -> int | None:
        """The next image of a search, in the order of names; None if all have been searched."""
        row = self._database.row(
            "SELECT image FROM job_images JOIN images ON number = image "
            "WHERE job = ? AND job_images.state = 'waiting' ORDER BY place, number LIMIT 1",
            id,
        )
        return None if row is None else int(row["image"])

    def set_state(self, id: str, state: str, problem: str | None = None) -> None:
        """Set the state of a search that is not over."""
        query = "UPDATE jobs SET state = ?, problem = ? WHERE id = ? AND state IN ('waiting', 'running')"
        self._database.run(query, state, problem, id)

    def finish_image(self, id: str, image: int, found: int = 0, problem: str | None = None) -> None:
        """An image was searched, or could not be."""
        with self._database.transaction():
            state = "done" if problem is None else "failed"
            query = "UPDATE job_images SET state = ?, problem = ? WHERE job = ? AND image = ?"
            self._database.run(query, state, problem, id, image)
            self._database.run("UPDATE jobs SET found = found + ? WHERE id = ?", found, id)

    def suggest(self, job: ProjectJob, image: int, found: Sequence[tuple[Mask, str]]) -> None:
        """Store what a search found on an image, in place of what earlier ones of its kind and words found.

        Args:
            job: the search.
            image: number.
            found: masks and their labels.
        """
        with self._database.transaction():
            self._drop_earlier(job, image)
            rows = []
            for mask, label in found:
                height, width = mask.rle["size"]
                score = mask.confidence
                rows.append(
                    (image, job.id, label, width, height, mask.rle["counts"], mask.area,
                     json.dumps([int(each) for each in mask.box]), None if score is None else float(score))
                )  # fmt: skip
            columns = "(image, job, label, width, height, counts, area, box, score)"
            self._database.run_many(f"INSERT INTO suggestions {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.finish_image(job.id, image, len(rows))

    def decided(self, image: int) -> list[dict[str, Any]]:
        """COCO run lengths of the suggestions on an image that were taken or dropped."""
        query = "SELECT height, width, counts FROM suggestions WHERE image = ? AND state != 'open'"
        rows = self._database.rows(query, image)
        return [{"size": [row["height"], row["width"]], "counts": row["counts"]} for row in rows]

    def drop(self, id: str) -> Sequence[int]:
        """Drop all suggestions of a search that nobody has decided on; returns the numbers of their images."""
        with self._database.transaction():
            query = "SELECT image FROM suggestions WHERE job = ? AND state = 'open' ORDER BY image"
            images = [row["image"] for row in self._database.rows(query, id)]
            self._database.run("UPDATE suggestions SET state = 'dropped' WHERE job = ? AND state = 'open'", id)
        return images

    def _drop_earlier(self, job: ProjectJob, image: int) -> None:
        rows = self._database.rows("SELECT id, words FROM jobs WHERE kind = ? AND id != ?", job.kind, job.id)
        same = [row["id"] for row in rows if set(json.loads(row["words"])) <= set(job.words) or job.kind != "text"]
        query = "DELETE FROM suggestions WHERE image = ? AND state = 'open' AND job = ?"
        self._database.run_many(query, [(image, each) for each in [*same, job.id]])
