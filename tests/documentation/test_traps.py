"""The table of traps in the documentation agrees with the tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS.parent / "docs" / "explanation" / "traps.md"
TRAPS = {f"T{number}" for number in range(1, 17)}


ISSUE = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+")


def tagged_tests() -> dict[tuple[str, str], set[str]]:
    """(trap, "file::test") of every test whose docstring begins with T-numbers → the public issues it links."""
    tests = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                docstring = ast.get_docstring(node) or ""
                begin = re.match(r"((?:T\d+, )*T\d+): ", docstring)
                where = f"{path.relative_to(TESTS).as_posix()}::{node.name}"
                for trap in begin[1].split(", ") if begin else ():
                    tests[trap, where] = set(ISSUE.findall(docstring))
    return tests


def listed_tests() -> dict[tuple[str, str], set[str]]:
    """The same, as listed in the table of the documentation."""
    rows = re.findall(r"^\| (T\d+) \|(.*)\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        (trap, where): set(ISSUE.findall(cells))
        for trap, cells in rows
        for where in re.findall(r"`([\w/]+\.py::\w+)`", cells)
    }


def test_every_trap_has_a_test() -> None:
    assert {trap for trap, _ in tagged_tests()} == TRAPS


def test_the_table_names_exactly_the_tests_there_are() -> None:
    assert listed_tests().keys() == tagged_tests().keys()


def test_every_test_links_the_public_issue_that_the_table_names() -> None:
    assert listed_tests() == tagged_tests()
    assert all(tagged_tests().values())
