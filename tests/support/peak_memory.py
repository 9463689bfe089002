"""What a process took of memory and processor, as Linux counts it."""

from __future__ import annotations

import os
from pathlib import Path


class PeakMemory:
    """Begins to watch a process, this one if none is given."""

    def __init__(self, process: int | None = None) -> None:
        self._folder = Path("/proc") / str(process or os.getpid())
        (self._folder / "clear_refs").write_text("5")  # forget the peak so far
        self._before = self._read("VmRSS")

    def risen_by(self) -> int:
        """Bytes between the memory at the beginning and the peak since."""
        return self._read("VmHWM") - self._before

    @staticmethod
    def of_the_machine() -> int:
        """Bytes of memory of the machine."""
        line = Path("/proc/meminfo").read_text().splitlines()[0]
        return int(line.split()[1]) * 1024

    def _read(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self._folder} says nothing of {name}")


def cpu_seconds(process: int) -> float:
    """Processor time that another process took so far; it does not depend on what else runs."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_of(process: int) -> list[int]:
    """Processes that another one started and that still run."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
