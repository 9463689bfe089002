"""A worker process that runs one step after another."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.weights.sources.errors import shorten
from benchmarks.peers.environment import PeerError

STEP_SECONDS = 600
PATIENCE_SECONDS = 2


@dataclass(frozen=True)
class Reply:
    """The time and the results of a step.

    Attributes:
        seconds: of the step alone, by the worker's own clock.
        peak: most bytes the process ever had resident, or None.
        masks: bool [K, H, W], where `keep` was set.
        scores: of each mask, where the tool has them.
        facts: anything else.
    """

    seconds: float
    peak: int | None
    masks: NDArray[np.bool_] | None = None
    scores: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> NDArray[np.bool_] | None:
        """The mask of the highest score, or the only one."""
        if self.masks is None:
            return None
        best: NDArray[np.bool_] = self.masks[int(np.argmax(self.scores)) if self.scores else 0]
        return best


class Worker:
    """The process; use it as a context manager, so that it never outlives the measurement."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], folder: Path) -> None:
        """Start it.

        Args:
            command: the command line.
            variables: its whole environment.
            folder: where it works, and where its masks and error output are stored.

        Raises:
            PeerError: it cannot be started.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._masks_file = folder / "masks.raw"
        self._complaints = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in close()
        try:
            # A session of its own: Ctrl-C is for us, who then end the workers in order.
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError as error:
            self._complaints.close()
            raise PeerError(f"{command[0]} cannot be started ({error.strerror})") from error

    def run(self, step: str, *, keep: bool = False, limit: float = STEP_SECONDS, **arguments: Any) -> Reply:
        """Run one step.

        Args:
            step: a method of the worker.
            keep: bring the masks back as well; that is not timed.
            limit: seconds after which the process is ended.
            arguments: of the step, of types that JSON has.

        Raises:
            PeerError: the step failed, took too long, or the process ended.
        """
        request: dict[str, Any] = {"step": step, "arguments": arguments}
        if keep:
            request["keep"] = str(self._masks_file)
        late = threading.Timer(limit, self._process.kill)
        late.start()
        try:
            line = self._exchange(json.dumps(request))
        finally:
            late.cancel()
        if not line:
            raise PeerError(f"it ended during {step!r}: {self._last_complaint()}")
        reply = json.loads(line)
        if "error" in reply:
            raise PeerError(f"{step!r} failed: {shorten(reply['error'])}")
        return Reply(reply["seconds"], reply["peak"], self._masks(reply), reply["scores"], reply["facts"])

    def _exchange(self, request: str) -> str:
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        try:
            pipe_in.write(request + "\n")
            pipe_in.flush()
        except OSError:
            return ""
        return pipe_out.readline()

    def _masks(self, reply: dict[str, Any]) -> NDArray[np.bool_] | None:
        if "shape" not in reply:
            return None
        masks: NDArray[np.bool_] = np.fromfile(self._masks_file, np.uint8).reshape(reply["shape"]).astype(bool)
        self._masks_file.unlink()
        return masks

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        lines_with_text = [line.strip() for line in lines if line.strip()]
        return shorten(lines_with_text[-1]) if lines_with_text else f"exit code {self._process.wait()}"

    def close(self) -> None:
        """End the process: politely first, and after two seconds for certain."""
        with self._complaints:
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):  # what was left to write may have no reader any more
                    self._process.stdin.close()
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> Worker:
        """Nothing more: the process runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()
