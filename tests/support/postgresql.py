"""A PostgreSQL of its own for a test: Debian's, in a folder of the test."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Start a server that listens at a socket of its folder; yields its address."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    binaries = found[-1].parent if found else Path(shutil.which("initdb") or "/").parent
    assert (binaries / "initdb").is_file(), "PostgreSQL is missing (Debian: apt-get install postgresql)"
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    name = user or pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        start = [binaries / "initdb", "--auth", "trust", "--username", name, "--no-sync", "-D", data]
        subprocess.run(start, check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        control = [binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "-t", "60"]
        subprocess.run([*control, "start"], check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            yield f"postgresql://{name}@/postgres?host={folder}"
        finally:
            stop = [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
