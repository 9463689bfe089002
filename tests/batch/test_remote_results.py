"""What a batch with an address as output leaves on this machine."""

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from anymask.batch.results_folder import LOCK, MANIFEST, RemoteResults


def old_job(cache: Path, name: str, days: float) -> Path:
    home = cache / "jobs" / name
    home.mkdir(parents=True)
    (home / MANIFEST).write_bytes(b"manifest")
    (home / LOCK).touch()
    then = time.time() - days * 24 * 3600
    os.utime(home / MANIFEST, (then, then))
    return home


def test_local_manifests_of_months_ago_are_removed_unless_a_process_works_with_them(tmp_path: Path) -> None:
    old, running, recent = (old_job(tmp_path, name, days) for name, days in (("a", 91), ("b", 91), ("c", 89)))
    results = RemoteResults(f"file://{tmp_path}/out", tmp_path)
    with FileLock(running / LOCK):
        results.make_home()
    assert sorted((tmp_path / "jobs").iterdir()) == sorted([running, recent, results.home])
    assert not old.exists()


def test_without_a_cache_to_write_the_manifest_lies_in_a_temporary_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    results = RemoteResults(f"file://{tmp_path}/out", tmp_path / "cache")
    with pytest.warns(UserWarning, match="the job's manifest is copied beside the results every minute"):
        results.make_home()
    assert results.home.is_dir()
    assert not results.home.is_relative_to(tmp_path)
