"""Every link of the Markdown files leads somewhere, and so does every page and name that the code refers to."""

from __future__ import annotations

import inspect
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("docs", "examples", "clients", "deploy", "src", "training", "benchmarks", "release")
MARKDOWN = [*ROOT.glob("*.md"), *(path for each in FOLDERS for path in sorted((ROOT / each).rglob("*.md")))]
SOURCES = [
    path for each in FOLDERS for suffix in ("*.py", "*.ipynb", "*.toml", "*.md") for path in (ROOT / each).rglob(suffix)
]
_LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    """Pages of the documentation that are made when it is built."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import command_pages
        import http_page
    finally:
        sys.path.pop(0)
    pages = {**command_pages.pages(), http_page.PATH: http_page.page()}
    for path, text in notebooks().items():
        pages[f"tutorials/{path.stem.split('_', 1)[1].replace('_', '-')}.md"] = text.replace("](../../docs/", "](../")
    return {ROOT / "docs" / path: text for path, text in pages.items()}


def notebooks() -> dict[Path, str]:
    """The text of the notebooks, without code."""
    return {
        path: "\n\n".join(
            "".join(cell["source"])
            for cell in json.loads(path.read_text("utf-8"))["cells"]
            if cell["cell_type"] == "markdown"
        )
        for path in sorted(ROOT.glob("examples/lesson/*.ipynb"))
    }


def anchors(markdown: str) -> set[str]:
    """The anchors of the headings, and those that are written out."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.S | re.M)
    found = set(re.findall(r"\{: #([\w-]+) \}", text))
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return found


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_link_of_a_markdown_file_leads_somewhere(path: Path, generated: dict[Path, str]) -> None:
    check_links(path, path.read_text("utf-8"), generated)


def test_each_link_of_a_generated_page_and_of_a_notebook_leads_somewhere(generated: dict[Path, str]) -> None:
    for path, text in {**generated, **notebooks()}.items():
        check_links(path, text, generated)


def check_links(path: Path, text: str, generated: dict[Path, str]) -> None:
    """Assert that relative links of a page lead to files, and their anchors to headings."""
    for link in _LINK.findall(re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.S | re.M)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target == path or target in generated or target.exists(), f"{path.name}: {link}"
        if anchor and (target in generated or target.suffix == ".md"):
            there = text if target == path else generated.get(target) or target.read_text("utf-8")
            assert anchor in anchors(there), f"{path.name}: {link}"


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# Here\n\n## Two words, `code`\n")
    check_links(tmp_path / "page.md", "[a](there.md#two-words-code) [b](#own)\n\n## Own\n", {})
    for link in ("missing.md", "there.md#missing", "#missing"):
        with pytest.raises(AssertionError, match=re.escape(link)):
            check_links(tmp_path / "page.md", f"[a]({link})", {})


def test_every_page_that_the_code_names_is_there(generated: dict[Path, str]) -> None:
    named = {
        (path.name, page)
        for path in SOURCES
        for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|py)\b", path.read_text("utf-8"))
    }
    assert len(named) > 10
    assert not [each for each in named if ROOT / each[1] not in generated and not (ROOT / each[1]).is_file()]


def test_every_name_of_anymask_that_docstrings_and_pages_refer_to_exists() -> None:
    names = dict(references())
    assert len(names) > 100
    assert {name: places for name, places in names.items() if not resolves(name)} == {}


def references() -> Iterator[tuple[str, str]]:
    """Dotted names in backquotes, as in `anymask.load`, and where they stand."""
    for path in (*SOURCES, *MARKDOWN):
        for name in re.findall(r"`(anymask(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`", path.read_text("utf-8")):
            if name.rsplit(".", 1)[1] not in ("NAME", "json", "md", "toml", "yml", "service", "request_id"):
                yield name, path.relative_to(ROOT).as_posix()


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    words = name.split(".")
    if (ROOT / "src").joinpath(*words).with_suffix(".py").is_file():
        return True  # it may need a tool that is not installed here
    for cut in range(len(words), 0, -1):
        try:
            found: Any = import_module(".".join(words[:cut]))
        except ModuleNotFoundError:
            continue
        for word in words[cut:]:
            if not hasattr(found, word) and word not in annotations(found):
                return False
            found = getattr(found, word, None)
        return True
    return False


def annotations(found: Any) -> set[str]:
    """The fields of a class that have no value of their own."""
    return {word for each in getattr(found, "__mro__", ()) for word in inspect.get_annotations(each)}
