"""A small batch job whose images, prompts and formats a test changes between runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from anymask.batch.inputs import Inputs
from anymask.batch.job import Summary, run_batch
from anymask.batch.tasks import BatchJob, TaskSettings


def draw_disc(path: Path, shade: int) -> None:
    """An image of 64×48 with a disc in the middle."""
    rows, columns = np.mgrid[:48, :64]
    disc = (columns - 32) ** 2 + (rows - 24) ** 2 <= (8 + shade % 7) ** 2
    pixels = np.where(disc[..., None], (230, 220, 20 + shade), (40, 60, 110)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


def files_of(out: Path) -> dict[str, bytes]:
    """Name and content of every file of a folder of results, apart from the manifest and its lock."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name in ("manifest.sqlite", ".lock"):
        files.pop(name, None)
    return {name: _without_durations(content) if name.endswith("json") else content for name, content in files.items()}


def _without_durations(content: bytes) -> bytes:
    """JSON without the seconds that a step took, and the hashes of files that state them."""
    values = json.loads(content)
    if isinstance(values, dict):
        values.pop("seconds", None)
        values.pop("folder", None)
    return json.dumps(values).encode()


class SmallJob:
    """A folder of images, a table of prompts, and a folder of results."""

    def __init__(self, folder: Path, segmenter: Any, resolved: TaskSettings) -> None:
        self.folder, self.segmenter, self.resolved = folder, segmenter, resolved
        self.images = folder / "photos"
        self.images.mkdir(parents=True)
        self.prompts: dict[str, list[str]] = {}
        self.formats: tuple[str, ...] = ()

    def write_table(self) -> Path:
        table = self.folder / "prompts.csv"
        rows = [
            f"{name},{32 + i},24,{label}" for name, labels in self.prompts.items() for i, label in enumerate(labels)
        ]
        table.write_text("\n".join(["image,x,y,name", *rows]) + "\n", encoding="utf-8")
        return table

    def run(self, out: str = "out", **more: Any) -> Summary:
        table = self.write_table()
        inputs = Inputs([str(self.images)], str(table))
        settings = replace(self.resolved, formats=self.formats)
        return run_batch(BatchJob(inputs, settings, str(self.folder / out), **more), self.segmenter)
