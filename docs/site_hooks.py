"""Adds the pages that are made from the code to the documentation; see `hooks` in mkdocs.yml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import command_pages
import http_page
import lesson_pages
import search_check


def on_config(config: Any) -> None:
    """List the page of every command below the list of commands."""
    reference = next(section["Reference"] for section in config.nav if "Reference" in section)
    commands = next(section["Commands"] for section in reference if "Commands" in section)
    commands[:] = command_pages.pages()


def on_files(files: Files, config: Any) -> None:
    """Add the generated pages."""
    pages = {**command_pages.pages(), http_page.PATH: http_page.page(), **lesson_pages.pages()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))


def on_page_markdown(markdown: str, page: Any, **_: Any) -> None:
    """Let the search name guides before pages that only mention a word."""
    if page.file.src_uri.startswith("guides/"):
        page.meta.setdefault("search", {"boost": 4})


def on_post_build(config: Any) -> None:
    """Refuse a documentation whose search does not find the right pages."""
    lines = search_check.wrong(Path(config.site_dir) / "search" / "search_index.json")
    if lines:
        raise PluginError("\n".join(lines))
