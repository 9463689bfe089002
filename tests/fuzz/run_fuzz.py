"""Look for inputs that break what reads them: python -m tests.fuzz.run_fuzz [--seconds 600] [TARGET …].

    --replay FILE…      give files of corpus/TARGET/ to their target again, one after the other, and say what happens
    --minimise          keep of new inputs those that reach more of the code, as corpus/TARGET/more-*

Inputs are bred by atheris (libFuzzer), which watches what they reach, where it can be installed; else they are changed
blindly. Each target runs in a process of its own, with limits on the time of one input and on memory. What breaks
something is kept in corpus/TARGET/found-*, where `test_corpus.py` finds it. Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.fuzz_targets import TARGETS, run
from tests.fuzz.mutations import mutated

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
SECONDS_PER_INPUT = 10
"""An image of a megapixel takes a tenth of it on a busy machine."""
MEMORY_MB = 2048
LONGEST = 1 << 16
CHILD, SEED = "ANYMASK_FUZZ_CHILD", "ANYMASK_FUZZ_SEED"
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Inputs are written to files thousands of times a second."""
MOST_STORED, LARGEST_STORED = 12, 2048
"""New inputs for each target, and bytes of each, that --minimise keeps at most."""
START_SECONDS = 60
"""To import everything and, for the server, to load a model."""
QUICK = 1.5
"""Time that a target gets at least, in seconds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0, help="begin as an earlier run did; 0 begins anew each time")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--minimise", action="store_true")
    if CHILD in os.environ:  # libFuzzer starts itself again with arguments of its own
        return child(*json.loads(os.environ[CHILD]))
    given = parser.parse_args()
    if given.replay:
        return replay(given.replay)
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    os.environ[SEED] = str(given.seed)
    return campaign(given.targets or list(TARGETS), given.seconds, given.minimise)


# ---------------------------------------------------------------- all targets


def campaign(names: list[str], seconds: float, minimise: bool) -> int:
    """Fuzz targets, as many at once as there are cores, and report."""
    workers = min(len(os.sched_getaffinity(0)), len(names)) if hasattr(os, "sched_getaffinity") else 1
    share = max(QUICK, seconds * workers / len(names))
    way = "with atheris" if _atheris() else "changing seeds blindly: atheris is not installed"
    print(f"{len(names)} targets, {share:.0f} s each, {way}", flush=True)
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(lambda name: _fuzzed(name, share, minimise), names))
    broken = [path for paths in found for path in paths]
    print(f"{len(broken)} inputs broke something" + "".join(f"\n  {path}" for path in broken))
    return int(bool(broken))


def _fuzzed(name: str, seconds: float, minimise: bool) -> list[Path]:
    """Run one target's process, keep what it found, and print a line, or what went wrong."""
    with tempfile.TemporaryDirectory(prefix="anymask-fuzz-", dir=IN_MEMORY) as folder:
        started = time.monotonic()
        done = _started(name, folder, seconds)
        broke = sorted(path for path in Path(folder).iterdir() if path.name.startswith(("crash", "timeout", "oom")))
        stored = [_store(CORPUS / name / f"found-{_short(path)}", path.read_bytes()) for path in broke]
        runs = _count_of(done.stderr)
        print(f"{name:18} {runs:>9,} inputs in {time.monotonic() - started:3.0f} s, exit {done.returncode}", flush=True)
        if done.returncode != 0:
            print(_last_lines(done.stdout + done.stderr), flush=True)
            stored = stored or [CORPUS / name / "(no input was kept)"]
        elif minimise and (Path(folder) / "new").is_dir():
            _merge(name, Path(folder) / "new")
        return stored


def _started(name: str, folder: str, seconds: float, new: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Fuzz one target in a process of its own, or let it choose among new inputs."""
    config = json.dumps([name, folder, seconds, None if new is None else str(new)])
    environment = {**os.environ, CHILD: config, "TMPDIR": folder}  # libFuzzer's end leaves files behind
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run_fuzz"], cwd=ROOT, env=environment, capture_output=True, text=True,
        errors="replace", timeout=seconds + START_SECONDS, check=False,
    )  # fmt: skip


def _merge(name: str, new: Path) -> None:
    """Add to the corpus the few small new inputs that reach what no other input reaches."""
    with tempfile.TemporaryDirectory(prefix="anymask-fuzz-", dir=IN_MEMORY) as folder:
        _started(name, folder, START_SECONDS, new)
        known = {path.name for path in (CORPUS / name).iterdir()}
        chosen = (path for path in (Path(folder) / "chosen").iterdir() if path.name not in known)
        found = sorted((path.read_bytes() for path in chosen), key=len)
    for data in [each for each in found if 0 < len(each) <= LARGEST_STORED][:MOST_STORED]:
        _store(CORPUS / name / f"more-{hashlib.sha256(data).hexdigest()[:10]}", data)


def _store(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _short(path: Path) -> str:
    kind = path.name.split("-")[0]
    return f"{kind}-{hashlib.sha256(path.read_bytes()).hexdigest()[:10]}"


def _count_of(text: str) -> int:
    counts = [line.split()[1] for line in text.splitlines() if line.startswith(("stat::number_of_executed_units:",))]
    return int(counts[-1]) if counts else 0


def _last_lines(text: str) -> str:
    """The exception and its traceback, or the end of what was printed."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if "Uncaught Python exception" in line), max(0, len(lines) - 30))
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].strip() or "INFO" in lines[n]), start + 40)
    return "\n".join(f"    {line}" for line in lines[max(start, end - 16) : end])


# ---------------------------------------------------------------- one target


def child(name: str, folder: str, seconds: float, new: str | None) -> int:
    """Fuzz one target in this process; broken inputs are left in the folder as crash-*, timeout-*, oom-*.

    With a folder of new inputs, those that reach what the corpus does not are copied to FOLDER/chosen instead.
    """
    warnings.simplefilter("ignore")
    seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    if _atheris():
        _with_atheris(name, Path(folder), seconds, seeds, new)
    return _blindly(name, Path(folder), seconds, seeds)


def _atheris() -> bool:
    from importlib.util import find_spec

    return find_spec("atheris") is not None


def _with_atheris(name: str, folder: Path, seconds: float, seeds: list[bytes], new: str | None) -> None:
    """Hand over to libFuzzer, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=["anymask", "PIL", "json", "csv", "zipfile", "onnx"]):
        _warm_up(name, seeds)
    _limit_memory()
    bred, chosen = folder / "new", folder / "chosen"
    for place in (bred, chosen):
        place.mkdir(exist_ok=True)
    options = [
        f"-max_total_time={max(1, int(seconds))}", f"-timeout={SECONDS_PER_INPUT}", f"-max_len={LONGEST}",
        f"-seed={os.environ.get(SEED, 0)}",
        f"-artifact_prefix={folder}/", "-rss_limit_mb=0", "-print_final_stats=1", "-verbosity=0", "-close_fd_mask=0",
    ]  # fmt: skip
    if new is None:
        options += [str(bred), str(CORPUS / name)]
    elif len(sys.argv) > 1:  # the process that libFuzzer started to read them one by one
        options = sys.argv[1:]
    else:
        shutil.copytree(CORPUS / name, chosen, dirs_exist_ok=True)
        options += ["-merge=1", str(chosen), new]

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.4:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, seeds, rng, most)

    atheris.Setup(
        [f"{sys.executable} -m tests.fuzz.run_fuzz", *options], lambda data: _one(name, data), custom_mutator=change
    )
    atheris.Fuzz()


def _blindly(name: str, folder: Path, seconds: float, seeds: list[bytes]) -> int:
    """Change seeds at random until the time is up; the same limits apply."""
    _warm_up(name, seeds)
    _limit_memory()
    rng, count, end = random.Random(int(os.environ.get(SEED, 0)) or None), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        count += 1
        data = mutated(rng.choice(seeds), seeds, rng, LONGEST)
        try:
            with _limited_time(folder / "timeout-input", data):
                _one(name, data)
        except Exception:
            (folder / "crash-input").write_bytes(data)
            print("=== Uncaught Python exception: ===", file=sys.stderr)
            traceback.print_exc()
            return 1
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)
    return 0


def _one(name: str, data: bytes) -> None:
    """Give an input to a target, and see that it was not greedy."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(name, data)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEMORY_MB, f"one input took {grown:,.0f} MB"


def _warm_up(name: str, seeds: list[bytes]) -> None:
    """Import what the target needs, and use it once, so that limits count what inputs do."""
    for data in seeds:
        run(name, data)


def _limit_memory() -> None:
    """Let what is mapped from now on fail beyond the limit, which Python reports as MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    most = pages * os.sysconf("SC_PAGE_SIZE") + (MEMORY_MB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


class _limited_time:
    """Write the input down and end the process with all stacks if the block takes too long."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data = path, data

    def __enter__(self) -> None:
        self.path.write_bytes(self.data)
        faulthandler.dump_traceback_later(SECONDS_PER_INPUT, exit=True)

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.path.unlink()


# ---------------------------------------------------------------- what was found before


def replay(paths: list[Path]) -> int:
    """Give files to the targets that their folders name; stops at the first that breaks something."""
    warnings.simplefilter("ignore")
    limited = False
    for path in _sorted_by_target(paths):
        name, data = path.parent.name, path.read_bytes()
        if not limited and name != "server":
            _limit_memory()
            limited = True
        print(f"{name}/{path.name}", end=" ", flush=True)
        faulthandler.dump_traceback_later(SECONDS_PER_INPUT * 3, exit=True)
        taken = run(name, data)
        faulthandler.cancel_dump_traceback_later()
        print("taken" if taken else "refused")
    return 0


def _sorted_by_target(paths: list[Path]) -> Iterator[Path]:
    """The server last: it loads a model, which counts against no input."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return iter(sorted(files, key=lambda path: (path.parent.name == "server", path.parent.name, path.name)))


if __name__ == "__main__":
    sys.exit(main())
