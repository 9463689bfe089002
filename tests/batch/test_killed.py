"""Killed at any moment, run again: nothing lost, nothing done twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anymask.batch.results_folder import files_below
from anymask.cli import main
from tests.support.small_disk import small_disk
from tests.support.tiny_images import make_images, results_of

pytestmark = pytest.mark.slow


def start(images: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "anymask", "batch", str(images), "--prompts", str(images.parent / "prompts.csv")]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # shells have jobs in the background ignore Ctrl-C
    return subprocess.Popen(
        [*command, "--out", str(out), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    )


def run(images: Path, out: Path, *more: str) -> int:
    """The same in this process."""
    table = images.parent / "prompts.csv"
    return main(["batch", str(images), "--prompts", str(table), "--out", str(out), *more])


def wait_for(out: Path, results: int) -> None:
    deadline = time.monotonic() + 60
    while len(published(out)) < results:
        assert time.monotonic() < deadline, "no results come"
        time.sleep(0.01)


def published(out: Path) -> dict[str, tuple[int, int]]:
    """Results, each with what changes when it is written again."""
    status = {path: path.stat() for path in (out / "results").rglob("*") if path.is_file()}
    return {path.name: (each.st_ino, each.st_mtime_ns) for path, each in status.items()}


@pytest.fixture(scope="module")
def ten_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for tests that leave it as it is."""
    return make_images(tmp_path_factory.mktemp("ten") / "photos", 10)


@pytest.fixture(scope="module")
def undisturbed(ten_images: Path) -> dict[str, Any]:
    """Results of the ten images by a run that nothing kills."""
    assert run(ten_images, ten_images.parent / "out") == 0
    return results_of(ten_images.parent / "out")


@pytest.mark.parametrize(("workers", "kill_count"), [(1, 3), (2, 2)])
def test_killed_many_times_nothing_is_lost_or_done_twice(
    ten_images: Path, undisturbed: dict[str, Any], tmp_path: Path, workers: int, kill_count: int
) -> None:
    count, folder, out = 10, ten_images, tmp_path / "out"
    chance = random.Random(workers)
    seen: dict[str, tuple[int, int]] = {}
    kills = 0
    while kills < kill_count:
        process = start(folder, out, "--workers", str(workers), "--threads", "1")
        before = len(seen)
        # One dies while it starts, the others some time after they have published something.
        if kills == 1:
            time.sleep(chance.uniform(0.1, 1.0))
        else:
            wait_for(out, before + 1)
            time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.05)  # workers end when they see that nobody is there
        after = published(out)
        assert {name: after.get(name) for name in seen} == seen
        seen = after
        kills += 1
    assert 0 < len(seen) < count, "the kills came too early or too late to test anything"
    output, errors = start(folder, out, "--workers", str(workers)).communicate(timeout=60)
    assert f"{count} images: {count} done, 0 failed; {count} masks" in output, errors
    after = published(out)
    assert len(after) == count
    assert {name: after[name] for name in seen} == seen
    assert not list((out / ".stage").glob("*")), "drafts of killed processes stay around"
    assert results_of(out) == undisturbed


def test_a_killed_worker_process_is_replaced_and_its_images_are_done_once(
    image_folder: Callable[[int], Path], tmp_path: Path
) -> None:
    folder, out = image_folder(8), tmp_path / "out"
    process = start(folder, out, "--workers", "2", "--threads", "1")
    wait_for(out, 2)
    seen = published(out)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert "8 images: 8 done, 0 failed; 8 masks" in output, errors
    assert process.returncode == 0
    after = published(out)
    assert len(after) == 8
    assert {name: after[name] for name in seen} == seen


def test_ctrl_c_is_130_and_the_same_command_continues(image_folder: Callable[[int], Path], tmp_path: Path) -> None:
    folder, out = image_folder(8), tmp_path / "out"
    process = start(folder, out)
    wait_for(out, 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    seen = published(out)
    assert 2 <= len(seen) < 8
    assert run(folder, out) == 0
    after = published(out)
    assert {name: after[name] for name in seen} == seen


def test_two_processes_do_not_work_in_one_folder(
    image_folder: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = image_folder(6), tmp_path / "out"
    first = start(folder, out)
    wait_for(out, 1)
    assert run(folder, out) == 2
    errors = capsys.readouterr().err
    assert "another process is working in" in errors
    assert errors.count("\n") == 1
    assert "6 images: 6 done" in first.communicate(timeout=60)[0]


def test_a_result_that_a_power_cut_emptied_is_made_again(
    image_folder: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = image_folder(3), tmp_path / "out"
    assert run(folder, out) == 0
    capsys.readouterr()
    whole = results_of(out)
    (out / "results" / "photo_1.png.json").write_bytes(b"")
    (out / "results" / "photo_2.png.json").unlink()
    assert run(folder, out) == 0
    output = capsys.readouterr().out
    assert "the results of 2 images, missing or incomplete" in output
    assert "now 2 in" in output
    assert results_of(out) == whole


def test_a_lost_manifest_costs_no_result(
    image_folder: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = image_folder(3), tmp_path / "out"
    assert run(folder, out) == 0
    capsys.readouterr()
    seen = published(out)
    (out / "manifest.sqlite").unlink()
    assert run(folder, out) == 0
    output = capsys.readouterr().out
    assert "3 images: 3 done, 0 failed; 3 masks" in output
    assert published(out) == seen
    with sqlite3.connect(out / "manifest.sqlite") as base:
        assert base.execute("SELECT count(*) FROM photos WHERE state = 'done' AND sha256 != ''").fetchone() == (3,)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 400 kB."""
    with small_disk(tmp_path / "disk", 400) as disk:
        yield disk


def test_a_full_disk_is_a_clear_stop_and_can_be_resumed(
    image_folder: Callable[[int], Path], disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = image_folder(6), disk / "out"
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(332 * 1024))
    assert run(folder, out) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    assert "no space left on device" in errors or "disk is full" in errors
    assert "the same command continues" in errors
    seen = published(out)
    assert len(seen) < 6
    ballast.unlink()
    assert run(folder, out) == 0
    after = published(out)
    assert len(after) == 6
    assert {name: after[name] for name in seen} == seen


def test_a_result_larger_than_files_may_be_is_one_failed_image(
    image_folder: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    folder, out = image_folder(4), tmp_path / "out"
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)  # its overlay has 200 kB
    PIL.Image.fromarray(noise).save(folder / "photo_2.png")
    table = tmp_path / "prompts.csv"
    command = [sys.executable, "-m", "anymask", "batch", str(folder), "--prompts", str(table), "--out", str(out)]
    command += ["--format", "folder"]
    limited = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY)),
    )
    assert limited.returncode == 1, limited.stderr
    assert limited.stderr == "failed: cannot write folder/photo_2.png: file too large\n"
    assert "4 images: 3 done, 1 failed" in limited.stdout
    assert not (out / "results" / "photo_2.png.json").exists()
    assert not (out / "folder" / "photo_2.png").exists()
    assert run(folder, out, "--retry-failed") == 0
    assert "4 images: 4 done, 0 failed; 4 masks" in capsys.readouterr().out


def test_a_disk_too_small_for_the_job_is_refused_at_the_start(
    image_folder: Callable[[int], Path], disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = image_folder(50)
    assert main(["batch", str(folder), "--everything", "--out", str(disk / "out")]) == 2
    assert "the results of 50 images take about 0.0005 GB" in capsys.readouterr().err
    assert not (disk / "out" / "results").exists()


def test_a_killed_job_leaves_no_file_that_a_later_run_does_not_know(
    image_folder: Callable[[int], Path], tmp_path: Path
) -> None:
    folder, out = image_folder(6), tmp_path / "out"
    formats = ["--format", "png", "--format", "yolo"]
    chance = random.Random(0)
    for kill in range(3):
        process = start(folder, out, *formats, "--threads", "1")
        wait_for(out, kill + 1)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
    for number in (1, 2, 4):  # done or in the middle of it when the process died
        (folder / f"photo_{number}.png").unlink()
    table = folder.parent / "prompts.csv"
    lines = [line for line in table.read_text().splitlines() if not line.startswith(("photo_1", "photo_2", "photo_4"))]
    table.write_text("\n".join(lines) + "\n")
    once = tmp_path / "once"
    assert run(folder, out, *formats) == 0
    assert run(folder, once, *formats) == 0
    assert files_below(out) == files_below(once)
    assert results_of(out) == results_of(once)
