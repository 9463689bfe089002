"""The browser application's modules import in one direction, without circles. Reads the files; needs no browser."""

from __future__ import annotations

import graphlib
import re
from pathlib import Path, PurePosixPath

import pytest

import anymask.server

ROOT = Path(anymask.server.__file__).parent / "web" / "js"
ALLOWED = {
    "core": {"core"},
    "net": {"core", "net"},
    "ui": {"core", "ui"},
    "canvas": {"core", "ui", "canvas"},
    "panels": {"core", "net", "ui", "canvas", "panels"},
    "project": {"core", "net", "ui", "canvas", "panels", "project"},
    "": {"core", "net", "ui", "canvas", "panels", "project", ""},
}
_IMPORT = re.compile(
    r"""(?:^import\b[^"';]*|^export\b[^"';]*\bfrom\s+|\bimport\s*\(\s*)["']([^"']+)["']""", re.MULTILINE
)
_COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)


def _modules() -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.js")}


def _imports(name: str, text: str) -> set[str]:
    """Paths of the modules that a module imports, relative to `js/`."""
    found = set()
    for target in _IMPORT.findall(text):
        assert target.startswith("."), f"{name} imports {target}, which is not a path"
        found.add((ROOT / name).parent.joinpath(target).resolve().relative_to(ROOT.resolve()).as_posix())
    return found


def _room(name: str) -> str:
    return "" if "/" not in name else PurePosixPath(name).parts[0]


def test_the_pattern_finds_imports_of_every_form() -> None:
    text = 'import { a,\n  b } from "./a.js";\nimport * as c from "./c.js";\nimport "./d.js";\nimport("./e.js");\n'
    assert _imports("main.js", text) == {"a.js", "c.js", "d.js", "e.js"}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_the_rooms_before_it(room: str) -> None:
    modules = {name: text for name, text in _modules().items() if _room(name) == room}
    assert modules
    for name, text in modules.items():
        # core names no type of another room either; elsewhere comments may refer upwards
        code = text if room == "core" else _COMMENT.sub("", text)
        wrong = {target for target in _imports(name, code) if _room(target) not in ALLOWED[room]}
        assert not wrong, f"{name} imports {wrong}"


def test_every_module_has_its_room_and_every_import_its_file() -> None:
    modules = _modules()
    assert {_room(name) for name in modules} == set(ALLOWED)
    for name, text in modules.items():
        assert _imports(name, text) <= set(modules), name


def test_modules_import_each_other_without_circles() -> None:
    graph = {name: _imports(name, _COMMENT.sub("", text)) for name, text in _modules().items()}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_core_does_not_touch_the_page() -> None:
    for name, text in _modules().items():
        if _room(name) == "core":
            assert not re.search(r"\b(document|window|localStorage|fetch)\.", _COMMENT.sub("", text)), name
