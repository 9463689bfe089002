"""The Python of README and documentation as one program for each page: `python docs/programs.py build/programs`.

Type checkers read them (`make lint`); `tests/documentation/test_pages.py` runs them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SET_UP = """\
from pathlib import Path

import numpy as np

import anymask

segmenter = anymask.load()
image = segmenter.encode("photo.jpg")
result = image.segment(points=[(350, 450)])
mask = result[0]
results, names = [result], ["photo.jpg"]
"""
"""What pages use without making it."""


def write_programs(folder: Path) -> list[Path]:
    """Write a module for each page with Python; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    programs = []
    pages = set(ROOT.glob("docs/**/*.md")) - {ROOT / "docs" / "contributing" / "extending.md"}  # recipes, which tests follow
    for page in (ROOT / "README.md", *sorted(pages)):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
        if blocks:
            name = page.relative_to(ROOT).with_suffix("").as_posix()
            programs.append(folder / f"{re.sub(r'[^a-z]', '_', name.lower())}.py")
            code = "\n".join([SET_UP, *blocks]).replace("[...]", "[[60, 90, 300, 400]]")
            programs[-1].write_text(f'"""{name}.md"""\n\n{code}', "utf-8")
    return programs


if __name__ == "__main__":
    write_programs(Path(sys.argv[1]))
