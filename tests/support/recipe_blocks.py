"""The code of `docs/contributing/extending.md`, and a copy of the package that it has been added to.

The first line of a block names a file of the repository: `# PATH` for a whole file, or text to append to one that is
there; `# PATH, in NAME` for lines at the end of a dict or after the last field of a class.
"""

from __future__ import annotations

import ast
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "contributing" / "extending.md"
_BLOCK = re.compile(r"^```\w+\n# (?P<path>src/\S+?)(?:, in (?P<place>\w+))?\n(?P<code>.*?)^```$", re.S | re.M)


@dataclass(frozen=True)
class RecipeBlock:
    """One block of the page.

    Attributes:
        path: of the file in the repository.
        place: the dict or class that gets the code; None for a whole file or text to append.
        code: without the line that says where it goes.
    """

    path: str
    place: str | None
    code: str

    def add_to(self, root: Path) -> None:
        """Add the code to a copy of the repository."""
        file = root / self.path
        before = file.read_text("utf-8") if file.exists() else ""
        if self.place is None:
            file.write_text(f"{before}\n{self.code}" if before else self.code, "utf-8")
            return
        lines = before.splitlines(keepends=True)
        lines.insert(_end_of(before, self.place), self.code)
        file.write_text("".join(lines), "utf-8")


def recipe_blocks() -> list[RecipeBlock]:
    """All blocks of the page that name a file, in order."""
    return [RecipeBlock(**each.groupdict()) for each in _BLOCK.finditer(PAGE.read_text("utf-8"))]


def copy_with_recipes(root: Path) -> Path:
    """Copy the package below `root`, add every block to it, and return the folder for PYTHONPATH."""
    shutil.copytree(ROOT / "src", root / "src")
    for block in recipe_blocks():
        block.add_to(root)
    return root / "src"


def _end_of(source: str, name: str) -> int:
    """How many lines come before the place where something is added to a dict or a class."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return max(each.end_lineno or 0 for each in node.body if isinstance(each, ast.AnnAssign))
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return (node.end_lineno or 1) - 1
    raise AssertionError(f"no {name} at the top of the module")
