"""Images, prompts and formats change between runs: the results equal those of one run at the end, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from anymask.batch.tasks import TaskSettings
from tests.support.small_job import SmallJob, draw_disc, files_of

NAMES = ("a.png", "b.png", "deep/a.png", "deep/é 1.jpg")
CLASSES = ("disc", "ring", "🐕 dog")
FORMATS = ("coco", "yolo", "labelme", "png", "folder")
"""Of all images in a file, of all images in a folder, a file for each image, and two with a folder for each."""


class Changes(RuleBasedStateMachine):
    """Random changes with runs between them."""

    resolved: tuple[Any, TaskSettings]
    folder: Path
    count = 0

    @initialize()
    def begin(self) -> None:
        type(self).count += 1
        self.job = SmallJob(self.folder / str(self.count), *self.resolved)
        self.put("a.png", 1, ["disc"])
        self.put("stays.png", 2, ["ring"])  # a job without any image is refused

    @rule(name=st.sampled_from(NAMES), shade=st.integers(0, 9), labels=st.lists(st.sampled_from(CLASSES), max_size=2))
    def put(self, name: str, shade: int, labels: list[str]) -> None:
        """Add an image or change it, with its prompts."""
        draw_disc(self.job.images / name, shade)
        self.job.prompts[name] = labels

    @rule(name=st.sampled_from(NAMES))
    def damage(self, name: str) -> None:
        (self.job.images / name).parent.mkdir(exist_ok=True)
        (self.job.images / name).write_bytes(b"no image")

    @rule(name=st.sampled_from(NAMES), labels=st.lists(st.sampled_from(CLASSES), max_size=2))
    def prompt(self, name: str, labels: list[str]) -> None:
        self.job.prompts[name] = labels

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        (self.job.images / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(NAMES))
    def drop_prompts(self, name: str) -> None:
        self.job.prompts.pop(name, None)

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def rename(self, name: str, other: str) -> None:
        source, target = self.job.images / name, self.job.images / other
        if source.exists() and source != target:
            target.parent.mkdir(exist_ok=True)
            source.replace(target)
            self.job.prompts[other] = self.job.prompts.pop(name, [])

    @rule(format_name=st.sampled_from(FORMATS))
    def add_format(self, format_name: str) -> None:
        self.job.formats = tuple(dict.fromkeys((*self.job.formats, format_name)))

    @rule(name=st.sampled_from(NAMES))
    def lose_a_result(self, name: str) -> None:
        (self.job.folder / "out" / "results" / f"{name}.json").unlink(missing_ok=True)

    @rule()
    def run(self) -> None:
        self.job.run()

    @rule()
    def compare(self) -> None:
        self.job.run()
        once = self.job.folder / "once"
        self.job.run("once")
        assert files_of(self.job.folder / "out") == files_of(once)
        assert self.job.run().now == 0
        shutil.rmtree(once)

    def teardown(self) -> None:
        if hasattr(self, "job"):
            self.compare()
            shutil.rmtree(self.job.folder)


def check_changes(resolved: tuple[Any, TaskSettings], folder: Path, examples: int, steps: int) -> None:
    machine = type("Machine", (Changes,), {"resolved": resolved, "folder": folder})
    slow = (HealthCheck.too_slow, HealthCheck.data_too_large)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=slow,
            database=None,
            phases=[Phase.generate],
        ),
    )


@pytest.mark.slow
def test_any_changes_give_what_one_run_gives(resolved_job: tuple[Any, TaskSettings], tmp_path: Path) -> None:
    check_changes(resolved_job, tmp_path, 1, 8)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_changes_give_what_one_run_gives(resolved_job: tuple[Any, TaskSettings], tmp_path: Path) -> None:
    check_changes(resolved_job, tmp_path, 6, 12)
