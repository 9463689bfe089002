"""Small images in a folder: encoding takes as long as for large ones, everything else next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anymask.batch.resolve import resolve_settings
from anymask.batch.tasks import TaskSettings
from tests.support.small_job import SmallJob, draw_disc
from tests.support.tiny_images import make_images


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder of so many images, with prompts.csv beside it."""
    return lambda count: make_images(tmp_path / "photos", count)


@pytest.fixture(scope="session")
def resolved_job() -> tuple[Any, TaskSettings]:
    """A loaded model, and the settings of a job with it."""
    settings, segmenter = resolve_settings(TaskSettings("prompts", {"refine": "off"}, precision="f32"))
    return segmenter, settings


@pytest.fixture
def job(tmp_path: Path, resolved_job: tuple[Any, TaskSettings]) -> SmallJob:
    """Two images with a prompt each."""
    job = SmallJob(tmp_path, *resolved_job)
    for shade, (name, label) in enumerate({"a.png": "disc", "b.png": "ring"}.items()):
        draw_disc(job.images / name, shade)
        job.prompts[name] = [label]
    return job
