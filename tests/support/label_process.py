"""`anymask label` in a process of its own, which can be killed and started again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx


@dataclass
class LabelProcess:
    """A server of a folder.

    Attributes:
        folder: of the images.
        arguments: further ones of the command.
        address: that it printed.
        project: id of the project.
        line: that it printed.
    """

    folder: Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    address: str = ""
    project: str = ""
    line: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def start(self) -> LabelProcess:
        """Start, and wait until it serves."""
        command = [sys.executable, "-m", "anymask", "label", str(self.folder), "--port", "0", "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--threads", "2", "--precision", "f32", *self.arguments],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=dict(os.environ),
        )  # fmt: skip
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if found := re.search(r"(http://\S+?)/#project=([\w-]+)", line):
                self.address, self.project, self.line = found.group(1), found.group(2), line.strip()
                return self
        raise AssertionError(f"it did not start: {''.join(lines)}")

    @property
    def base(self) -> str:
        """Address of the project."""
        return f"{self.address}/v1/projects/{self.project}"

    def numbers(self) -> dict[str, int]:
        """Name → number of each image."""
        images = self.http.get(f"{self.base}/images").json()["images"]
        return {each["name"]: each["number"] for each in images}

    def put(self, number: int, body: dict[str, Any]) -> httpx.Response:
        """Save the objects of an image."""
        return self.http.put(f"{self.base}/images/{number}/session", json=body)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            if self.process.stderr is not None:
                self.process.stderr.close()
