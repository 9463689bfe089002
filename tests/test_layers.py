"""A room imports only rooms before it, and no module is part of a circle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.import_graph import (
    BEFORE,
    SOURCE,
    circles,
    is_back,
    levels,
    read_imports,
    read_modules,
    room_of,
    rooms_before,
)

LOOSE = {"", "__main__", "_version", "errors"}
FACADE = "The package's own `__init__` names where each public name is, and imports it when it is first used."
LATE = "MaskSet's convenience methods, which users expect on a result, are bound late by name in one table."

EXCEPTIONS = {
    "structures.mask_set": (
        LATE,
        {
            "formats.registry",
            "formats.supervision",
            "integrations.pandas",
            "visualization.overlay",
            "visualization.result_html",
        },
    ),
}
"""Module → why it may, and the modules of later rooms that it imports."""


def test_nothing_lies_loose_but_four_files() -> None:
    assert {room_of(name) for name in read_modules() if "." not in name} - set(BEFORE) <= LOOSE
    assert {name for name, path in read_modules().items() if "." not in name and path.name != "__init__.py"} <= LOOSE


def test_every_room_has_its_place() -> None:
    rooms = {folder.name for folder in SOURCE.iterdir() if folder.is_dir() and folder.name != "__pycache__"}
    assert rooms <= set(BEFORE)
    assert all(room not in rooms_before(room) for room in BEFORE), "the rule itself has no circle"


def test_a_room_imports_only_rooms_before_it() -> None:
    back = [each for each in read_imports() if is_back(each)]
    allowed = {(module, target) for module, (_, targets) in EXCEPTIONS.items() for target in targets}
    assert [str(each) for each in back if (each.importer, each.imported) not in allowed] == []


def test_every_exception_is_needed() -> None:
    used = {(each.importer, each.imported) for each in read_imports() if is_back(each)}
    listed = {(module, target) for module, (_, targets) in EXCEPTIONS.items() for target in targets}
    assert listed - used == set()


def test_only_the_command_imports_the_package_itself() -> None:
    assert [str(each) for each in read_imports() if each.imported == "" and room_of(each.importer) != "cli"] == []


def test_no_module_imports_a_private_name_of_another_room() -> None:
    private = [
        each
        for each in read_imports()
        if room_of(each.importer) != room_of(each.imported)
        and each.imported != "_version"
        and any(part.startswith("_") for part in (*each.imported.split("."), each.name))
    ]
    assert [str(each) for each in private if each.name != "__version__"] == []


def test_no_circle_between_modules() -> None:
    listed = {(module, target) for module, (_, targets) in EXCEPTIONS.items() for target in targets}
    edges = {(each.importer, each.imported) for each in read_imports() if each.importer != each.imported}
    facade = {edge for edge in edges if edge[0] == ""}
    assert circles(edges - listed - facade) == []


def test_circles_and_levels_are_counted() -> None:
    assert circles({("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}) == [["b", "c"]]
    assert levels({("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}) == 3


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from anymask.cli.main import command", ["io.new:1 imports cli.main.command"]),
        ("import anymask.cli.main", ["io.new:1 imports cli.main"]),
        ("def later():\n    from anymask.cli import main", ["io.new:2 imports cli.main"]),
        ('_LATE = {"save": "anymask.cli.main:command"}', ["io.new:1 imports cli.main.command"]),
        ("from anymask.errors import AnymaskError", []),
    ],
)
def test_an_import_of_a_later_room_is_noticed(tmp_path: Path, line: str, found: list[str]) -> None:
    for name, text in {"io/new.py": line, "cli/main.py": "def command(): ...", "errors.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [str(each) for each in read_imports(tmp_path) if is_back(each)] == found
