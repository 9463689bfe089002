"""Real processes of the `anymask` command that start in no time: copies of one that has imported everything.

A command takes a second, most of it for imports. The helper process below imports once, runs no engine, and forks for
each command. What is forked runs `anymask.cli.main` as `python -m anymask` does, and dies of real signals.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

IMPORTED = (
    "cv2", "openvino", "pycocotools.mask", "PIL.Image", "anymask.cli.segment", "anymask.cli.everything",
    "anymask.cli.cutout", "anymask.cli.convert", "anymask.cli.batch", "anymask.cli.replay", "anymask.batch.job",
    "anymask.batch.replay", "anymask.prediction.segmenter", "anymask.models.sam.model", "anymask.engines.openvino",
    "anymask.automatic.generator", "anymask.editing.cutout", "anymask.formats.folder", "anymask.formats.registry",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code; negative: the signal that killed it.
        seconds: how long it ran.
    """

    code: int
    output: str
    errors: str
    seconds: float


class CommandProcesses:
    """The helper process; one command at a time."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._pipes = tempfile.TemporaryDirectory()
        assert self._answer() == "ready"

    def run(
        self,
        arguments: Sequence[object],
        folder: Path,
        interrupt: tuple[signal.Signals, Callable[[float], bool]] | None = None,
    ) -> Ended:
        """Run `anymask` with some arguments.

        Args:
            arguments: of the command line.
            folder: the working directory.
            interrupt: a signal, and what says, called over and over with the seconds since the start, when to send it.
        """
        output, errors = Path(self._pipes.name, "output"), Path(self._pipes.name, "errors")
        words = [str(each) for each in arguments]
        request = {"arguments": words, "folder": str(folder), "output": str(output), "errors": str(errors)}
        started = time.monotonic()
        assert self._helper.stdin is not None
        self._helper.stdin.write(json.dumps(request) + "\n")
        self._helper.stdin.flush()
        process = int(self._answer())
        try:
            while interrupt is not None and not self._has_ended(process):
                if interrupt[1](time.monotonic() - started):
                    os.kill(process, interrupt[0])
                    break
                time.sleep(0.0005)
        finally:
            self._helper.stdin.write("\n")
            self._helper.stdin.flush()
            code = int(self._answer())
        seconds = time.monotonic() - started
        return Ended(code, output.read_text(errors="replace"), errors.read_text(errors="replace"), seconds)

    def close(self) -> None:
        """End the helper."""
        self._helper.communicate()
        self._pipes.cleanup()

    def _answer(self) -> str:
        assert self._helper.stdout is not None
        return self._helper.stdout.readline().strip()

    @staticmethod
    def _has_ended(process: int) -> bool:
        """A zombie has ended; the helper reaps it later, so that its number belongs to nobody else until then."""
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def serve() -> None:
    """Fork for each request on standard input."""
    for name in IMPORTED:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if process == 0:
            _be_anymask(request)
        print(process, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _be_anymask(request: dict[str, object]) -> None:
    """What `python -m anymask` does, in the place of this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, name in ((0, os.devnull), (1, request["output"]), (2, request["errors"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(str(name), flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(str(request["folder"]))
    sys.argv = ["anymask", *request["arguments"]]  # type: ignore[misc]
    from anymask.cli import main

    sys.exit(main())


if __name__ == "__main__":
    serve()
