"""What a process took of memory and processor, as Linux counts it."""

from __future__ import annotations

import contextlib
import os
import threading
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


class TreeMemory(threading.Thread):
    """Looks all the time how much memory a process and its descendants have taken, without files that they map.

    Of each process that runs the peak counts, so that nothing is missed between two looks but processes that were
    started and ended meanwhile.

    Attributes:
        peak: bytes, the highest sum.
        at_peak: bytes of each process then.
    """

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.at_peak: dict[int, int] = {}
        self._process = process
        self._is_over = threading.Event()
        self.start()

    def run(self) -> None:
        """Look until it is stopped."""
        while not self._is_over.wait(0.5):
            taken = {each: _peak_of(each) for each in (self._process, *descendants_of(self._process))}
            if sum(taken.values()) > self.peak:
                self.peak, self.at_peak = sum(taken.values()), taken

    def stop(self) -> int:
        """Stop, and return the peak."""
        self._is_over.set()
        self.join()
        return self.peak


def _peak_of(process: int) -> int:
    try:
        lines = (Path("/proc") / str(process) / "status").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    kilobytes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }
    return 1024 * max(0, kilobytes.get("VmHWM", 0) - kilobytes.get("RssFile", 0) - kilobytes.get("RssShmem", 0))


def descendants_of(process: int) -> list[int]:
    """Processes that another one, or one of its own, started and that still run."""
    found = []
    with contextlib.suppress(OSError):
        for child in children_of(process):
            found += [child, *descendants_of(child)]
    return found


def cpu_seconds(process: int) -> float:
    """Processor time that another process took so far; it does not depend on what else runs."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_of(process: int) -> list[int]:
    """Processes that another one started and that still run."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
