"""Words that users meet are plain: the phrases below are in no page and in no message."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SAY_INSTEAD = {
    "for you to bring": "must be downloaded manually",
    "by hand": "manually",
    "breaks the prompt": "does not follow the prompt",
    "nothing to look for": "no prompt given",
    "answers of": "about … MB of memory",
    "Least predicted": "minimum",
    "Greatest area": "maximum",
    "surest": "most confident",
    "its kin": "… models",
    "so many": "maximum number of",
    "for ever": "forever",
    "anew": "again",
    "mended": "repaired",
    "has its say": "counts",
    "say two things": "give either … or …, not both",
    "is an address: download": "is a URL",
}
"""A phrase → what to say instead."""
ELSEWHERE = {"docs/explanation/quality.md"}


def messages(source: str) -> Iterator[str]:
    """The texts of a module with two blanks or more: what it says, not what documents it."""
    tree = ast.parse(source)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield from [node.value] if node.value.count(" ") >= 2 else []


def texts() -> Iterator[tuple[str, str]]:
    """Every text that users meet, with its file."""
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")):
        name = page.relative_to(ROOT).as_posix()
        yield from ((name, line) for line in page.read_text("utf-8").splitlines() if name not in ELSEWHERE)
    for module in ROOT.glob("src/**/*.py"):
        source = module.read_text("utf-8")
        if found_in(source):  # parsing them all takes seconds
            yield from ((module.name, text) for text in messages(source))
    strings = ROOT / "src" / "anymask" / "server" / "web" / "js" / "core" / "strings.js"
    yield from ((strings.name, line) for line in strings.read_text("utf-8").splitlines())


def found_in(text: str) -> list[str]:
    """The phrases that a text has, as whole words."""
    return [phrase for phrase in SAY_INSTEAD if phrase in text and re.search(rf"\b{phrase}\b", text)]


def test_no_text_has_a_phrase_that_can_be_said_plainly() -> None:
    wrong = [
        f"{file}: {text.strip()[:100]!r} has {phrase!r}: say {SAY_INSTEAD[phrase]!r}"
        for file, text in texts()
        for phrase in found_in(text)
    ]
    assert wrong == []


def test_phrases_are_found_where_they_are() -> None:
    source = '"""That is for you to bring."""\nraise ValueError(f"{x} is for you to bring", "short")'
    assert list(messages(source)) == [" is for you to bring"]
    assert found_in("it is for you to bring") == ["for you to bring"]
    assert found_in("a commended model") == []
