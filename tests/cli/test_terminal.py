"""What commands show on a terminal: bars, lines of their own, a hint; none of it in a pipe."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

import pytest

from anymask.cli import main

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BAR = re.compile(r"[━╸╺]")


def on_a_terminal(*arguments: str) -> tuple[str, list[str], int]:
    """Run anymask on a pseudo terminal: all that it wrote, the lines that stay when it ends, and its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        os.execv(sys.executable, [sys.executable, "-m", "anymask", *arguments])
    written = b""
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # Linux's end of a pseudo terminal
            break
        if not part:
            break
        written += part
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = written.decode()
    lines = [_CONTROL.sub("", line.rpartition("\x1b[2K")[2]).strip("\r") for line in text.split("\n")]
    return text, lines, code


@pytest.mark.slow
def test_no_line_is_glued_to_a_bar(tmp_path: Path, coffee_path: Path) -> None:
    """`everything` states its estimate, and what -v says, while bars are shown."""
    out = tmp_path / "found"
    text, lines, code = on_a_terminal(
        "everything", str(coffee_path), "--points-per-side", "16", "--precision", "f32", "--out", str(out), "--verbose"
    )
    assert code == 0, text
    assert _BAR.search(text), "a search of more than a second shows a bar"
    assert re.search(r"\d+/\d+ points, \d+ masks?", _CONTROL.sub("", text))
    assert not [line for line in lines if _BAR.search(line) and "anymask" in line]
    for beginning in (
        "weights ", "model mobile-sam: ", "image 600x400: ", "anymask: up to ", "wrote ", "next: anymask convert ",
    ):  # fmt: skip
        assert [line for line in lines if line.startswith(beginning)], f"no line begins with {beginning!r}: {lines}"
    shown = [line for line in lines if line.startswith("wrote ")]
    assert shown == [f"wrote {out / name}" for name in ("overlay.png", "labels.png", "sa1b.json", "masks.json")]


def test_a_pipe_gets_neither_bars_nor_hints(
    tmp_path: Path, coffee_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(coffee_path), "--point", "300,200", "--out", str(tmp_path / "out")]) == 0
    written = capfd.readouterr()
    assert written.err == ""
    assert "next:" not in written.out
    assert not _BAR.search(written.out)
