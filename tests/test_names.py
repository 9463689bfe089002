"""One name, one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.support.import_graph import read_modules

SHARED = {
    "FORMAT": "each file of formats describes itself by it",
    "read": "each format's own, found by its FORMAT",
    "write": "each format's own, and that of contact sheets",
    "read_dataset": "each format's own, and the public one of formats.datasets",
    "write_dataset": "each format's own, and the public one of formats.datasets",
    "command": "each file of cli holds one command",
    "router": "each file of server.routes holds one router",
    "fetch": "each kind of source of weights has one",
}
"""Names that several modules define on purpose, with the reason."""


def test_a_public_name_is_defined_in_one_module() -> None:
    modules = defaultdict(set)
    for module, path in read_modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in names_of(node):
                if not name.startswith("_"):
                    modules[name].add(module)
    shared = {name: sorted(where) for name, where in modules.items() if len(where) > 1}
    assert {name: where for name, where in shared.items() if name not in SHARED} == {}
    assert set(SHARED) <= set(shared), "an exception that is needed no more"


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []
