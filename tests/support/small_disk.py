"""Real file systems of a few hundred kB, for tests of a full disk."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A tmpfs of this size.

    Root mounts it in ``folder``. Others get one in a user namespace, which they reach through its process. Where
    neither is allowed the test fails, rather than passes without a disk: an unprivileged container needs
    `--cap-add SYS_ADMIN`.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if shutil.which("mount") and not subprocess.run(mount, capture_output=True, check=False).returncode:
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    holder = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f"{' '.join(mount)} && echo ready && cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "no small disk can be mounted here: run as root, or allow unshare"
        yield Path(f"/proc/{holder.pid}/root", *folder.parts[1:])
    finally:
        holder.communicate()


@contextlib.contextmanager
def only_free(disk: Path, kilobytes: int) -> Iterator[None]:
    """Fill a small disk up to this many kB."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - kilobytes * 1024)))
    try:
        yield
    finally:
        ballast.unlink()
