"""Killed, terminated, interrupted or out of disk at any moment, a command leaves no half-written file.

Each command writes many files, so that signals hit the moments in which they appear.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_processes import CommandProcesses
from tests.support.small_disk import only_free, small_disk
from tests.support.tiny_images import make_images
from tests.support.whole_files import check_whole, is_draft, is_unpublished, snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = int(os.environ.get("SOAK_SEED", "1"))
IMAGES = 12
BOXES = tuple(word for i in range(12) for word in ("--box", f"{i},{i},{i + 30},{i + 30}"))
COMMANDS: dict[str, tuple[str, ...]] = {
    "segment": ("segment", "photos/photo_1.png", *BOXES, "--soft", "--out", "out/new"),
    "everything": ("everything", "photos/photo_1.png", "--points-per-side", "3", "--out", "out/new"),
    "cutout": ("cutout", "photos/photo_1.png", *BOXES, "--separate", "--edges", "smooth", "--out", "out/new/c.png"),
    **{
        format: ("convert", "job", "--to", format, "--out", f"out/new/{name}")
        for format, name in {
            "coco": "c.json", "yolo": "yolo", "voc": "voc", "cvat": "c.xml", "csv": "c.csv", "labelme": "labelme",
            "folder": "folders",
        }.items()
    },
    "batch": ("batch", "few", "--prompts", "few.csv", "--workers", "1", "--out", "out/new", "--format", "folder"),
    "batch --format": (
        "batch", "photos", "--prompts", "prompts.csv", "--workers", "1", "--out", "out/ready", "--format", "yolo",
        "--format", "coco", "--format", "labelme",
    ),
}  # fmt: skip
"""What is tested → the command; `out/ready` is a finished job, to which formats are added."""


@pytest.fixture(scope="module")
def processes() -> Iterator[CommandProcesses]:
    helper = CommandProcesses()
    yield helper
    helper.close()


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory, processes: CommandProcesses) -> Path:
    """Images, and a finished batch of them."""
    folder = tmp_path_factory.mktemp("beginning")
    make_images(folder / "photos", IMAGES)
    job = ("batch", "photos", "--prompts", "prompts.csv", "--workers", "1", "--out", "job")
    assert processes.run(job, folder).code == 0
    (folder / "few").mkdir()
    for name in ("photo_1.png", "photo_2.png"):
        shutil.copy(folder / "photos" / name, folder / "few")
    lines = (folder / "prompts.csv").read_text().splitlines(keepends=True)
    (folder / "few.csv").write_text("".join(lines[:3]))
    return folder


@pytest.fixture
def work(beginning: Path) -> Path:
    """The same folder, since a batch knows where its images are, without what another test left in `out`."""
    if (beginning / "out").is_symlink():
        (beginning / "out").unlink()
    shutil.rmtree(beginning / "out", ignore_errors=True)
    (beginning / "out").mkdir()
    return beginning


def paths_below(folder: Path) -> set[str]:
    """Files and folders, whatever comes and goes meanwhile; without the lock of a batch."""
    levels = os.walk(folder)
    return {f"{root}/{name}" for root, folders, files in levels for name in (*folders, *files) if name != ".lock"}


def moments(out: Path, chance: random.Random) -> Callable[[float], bool]:
    """Soon after the first change in a folder: while drafts are written, or while they get their names."""
    delay = chance.choice((0.0, chance.uniform(0, 0.01), chance.uniform(0, 0.1)))
    before = paths_below(out)
    first: list[float] = []

    def is_time(seconds: float) -> bool:
        if not first and paths_below(out) - before:
            first.append(seconds)
        return bool(first) and seconds >= first[0] + delay

    return is_time


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_leaves_no_half_written_file_and_the_command_runs_again(
    name: str, work: Path, processes: CommandProcesses
) -> None:
    chance, hits = random.Random(f"{SEED} {name}"), 0
    command = COMMANDS[name]
    for attempt in range(6):
        shutil.rmtree(work / "out")
        shutil.copytree(work / "job", work / "out" / "ready")
        before = snapshot(work)
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[attempt % 3]
        ended = processes.run(command, work, (number, moments(work / "out", chance)))
        check(work, before, drafts=number == signal.SIGKILL)
        hits += ended.code != 0
        if ended.code in (0, 130) and name == "everything":
            continue  # the first Ctrl-C ends the search, and the masks so far are written
        if ended.code != 0:
            again = processes.run(command, work)
            assert again.code == 0 or "already exists" in again.errors or "holds a dataset already" in again.errors, (
                again
            )
            check(work, before)
    assert hits >= 3, "the signals came too late to test anything"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line_and_leaves_no_half_written_file(
    name: str, work: Path, tmp_path: Path, processes: CommandProcesses
) -> None:
    chance, command, failures = random.Random(f"{SEED} {name}"), COMMANDS[name], 0
    with small_disk(tmp_path / "disk", 4096) as disk:
        shutil.rmtree(work / "out")
        (work / "out").symlink_to(disk / "out")
        for _ in range(3):
            shutil.rmtree(disk / "out", ignore_errors=True)
            shutil.copytree(work / "job", disk / "out" / "ready")
            before = snapshot(work) | snapshot_of_link(work)
            with only_free(disk, chance.choice((0, 4, chance.randrange(8, 120)))):
                ended = processes.run(command, work)
                failures += ended.code == 1
                assert ended.code in (0, 1), ended
                assert ended.code == 0 or "no space left on device" in ended.errors or "disk is full" in ended.errors
                assert ended.code == 0 or ended.errors.splitlines()[-1].startswith("anymask: "), ended.errors
                check(work, before)
            if ended.code != 0:
                again = processes.run(command, work)
                assert again.code == 0, again
                check(work, before)
    assert failures, "the disk was never full"


def snapshot_of_link(work: Path) -> dict[str, str]:
    return {f"out/{name}": content for name, content in snapshot(work / "out").items()}


def check(work: Path, before: dict[str, str], drafts: bool = False) -> None:
    """Nothing that was there has changed but the job's own records; what is new is complete."""
    after = snapshot(work) | snapshot_of_link(work)
    for name, content in before.items():
        if not name.startswith("out/ready/") or name.startswith("out/ready/results/"):
            assert after.get(name) == content, f"{name} has changed"
    assert drafts or not [name for name in after if is_draft(name)]
    check_whole(work, [name for name in after if not is_unpublished(name) and name not in before])
    for last, entry in (("data.yaml", "labels"), ("labelmap.txt", "SegmentationObject")):
        for folder in (work / "out").rglob(entry):
            if not is_unpublished(folder.as_posix()):
                assert (folder.parent / last).exists(), f"{folder.parent} is a part of a dataset"
