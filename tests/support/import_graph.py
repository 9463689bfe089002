"""The imports inside the package, read from its source: `python -m tests.support.import_graph [FOLDER]` prints figures.

Imports at any depth count: in functions, under `TYPE_CHECKING`, and those named by `"anymask.room.module:name"`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "anymask"
SOURCE = Path(__file__).resolve().parents[2] / "src" / PACKAGE

BEFORE = {
    "errors": (),
    "_version": (),
    "io": ("errors", "_version"),
    "structures": ("io",),
    "visualization": ("structures",),
    "formats": ("visualization",),
    "weights": ("errors", "_version"),
    "engines": ("errors", "_version", "io"),
    "editing": ("structures", "io", "engines"),
    "models": ("structures", "weights", "engines"),
    "detection": ("models", "formats", "visualization"),
    "automatic": ("detection",),
    "prediction": ("automatic",),
    "projects": ("prediction",),
    "batch": ("prediction",),
    "tracking": ("batch",),
    "evaluation": ("prediction",),
    "server": ("projects", "editing"),
    "export": ("evaluation",),
    "integrations": ("batch", "evaluation", "server"),
    "cli": ("integrations", "export", "editing", "tracking"),
}
"""Each room and the rooms right before it; a room may import those and all that lie before them."""


@dataclass(frozen=True, order=True)
class Import:
    """One import of a module of the package.

    Attributes:
        importer, imported: modules, without the package's name.
        name: what is imported from it; "" for the module itself.
        line: in the importer's file.
    """

    importer: str
    imported: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}{f'.{self.name}' if self.name else ''}"


def read_modules(folder: Path = SOURCE) -> dict[str, Path]:
    """Module name, such as "io.image", → file; a room's `__init__` has the room's name, the package's own is ""."""
    modules = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def read_imports(folder: Path = SOURCE) -> list[Import]:
    """All imports inside the package, sorted."""
    modules = read_modules(folder)
    return sorted({found for name, path in modules.items() for found in _imports_of(name, path, set(modules))})


def room_of(module: str) -> str:
    """The room that a module lies in, or the module itself if it is loose."""
    return module.split(".")[0]


def rooms_before(room: str) -> set[str]:
    """The rooms that a room may import."""
    found: set[str] = set()
    waiting = list(BEFORE[room])
    while waiting:
        before = waiting.pop()
        if before not in found:
            found.add(before)
            waiting += BEFORE[before]
    return found


def circles(edges: set[tuple[str, str]]) -> list[list[str]]:
    """Strongly connected sets of more than one node (Tarjan 1972), each sorted."""
    after: dict[str, list[str]] = {}
    for start, end in sorted(edges):
        after.setdefault(start, []).append(end)
        after.setdefault(end, [])
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in after[node]:
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            members = []
            while not members or members[-1] != node:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    sys.setrecursionlimit(10_000)
    for node in after:
        if node not in number:
            visit(node)
    return sorted(found)


def levels(edges: set[tuple[str, str]]) -> int:
    """How many modules the longest chain of imports has, each circle counted as one module."""
    member = {node: min(circle) for circle in circles(edges) for node in circle}
    after: dict[str, set[str]] = {}
    for start, end in edges:
        start, end = member.get(start, start), member.get(end, end)
        if start != end:
            after.setdefault(start, set()).add(end)
    depth: dict[str, int] = {}

    def measure(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((measure(other) for other in after.get(node, ())), default=0)
        return depth[node]

    return max((measure(node) for node in after), default=1)


def _imports_of(importer: str, path: Path, modules: set[str]) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            targets = [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}."):
            module, _, name = node.value.partition(":")
            targets = [(module, name)] if name.isidentifier() else []
        else:
            continue
        for module, name in targets:
            if module == PACKAGE or module.startswith(f"{PACKAGE}."):
                inner = module[len(PACKAGE) + 1 :]
                longer = f"{inner}.{name}".strip(".")
                is_module = bool(name) and longer in modules
                yield Import(importer, longer if is_module else inner, "" if is_module else name, node.lineno)


def main() -> None:
    """Print the figures of a package's folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    modules, imports = read_modules(folder), read_imports(folder)
    edges = {(each.importer, each.imported) for each in imports if each.importer != each.imported}
    loose = [name for name in modules if name and "." not in name and modules[name].name != "__init__.py"]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in modules.values())
    print(f"modules: {len(modules)}, lines: {lines}")
    print(f"modules at the top: {len(loose)}")
    print(f"levels: {levels(edges)}")
    print(f"circles of modules: {len(circles(edges))}{''.join(f'{chr(10)}  {c}' for c in circles(edges))}")
    rooms = {(room_of(start), room_of(end)) for start, end in edges if start and end} - {("", "")}
    rooms = {(start, end) for start, end in rooms if start != end}
    print(f"circles of rooms and loose modules: {len(circles(rooms))}")
    if all(room in BEFORE for room, _ in rooms if room != "__main__"):
        back = [each for each in imports if is_back(each)]
        print(f"arrows back up: {len(back)}{''.join(f'{chr(10)}  {each}' for each in back)}")


def is_back(found: Import) -> bool:
    """Whether an import leads to a room that does not lie before the importer's."""
    start, end = room_of(found.importer), room_of(found.imported)
    return start in BEFORE and start != end and end not in rooms_before(start)


if __name__ == "__main__":
    main()
