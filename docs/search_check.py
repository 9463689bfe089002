"""Checks that the search of the built documentation finds the right page for words that people type."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lunr import lunr
from lunr.builder import Builder
from lunr.stop_word_filter import stop_word_filter

FIRST = 3
"""The page has to be among so many."""

EXPECTED = {
    "NMS": "guides/automatic/",
    "threshold": "guides/automatic/",
    "ONNX": "guides/export/",
    "COCO": "guides/formats/",
    "batch": "guides/batch/",
    "licence": "guides/models/",
    "docker": "guides/deployment/",
    "precision": "explanation/speed/",
    "inpaint": "guides/editing/",
}


def wrong(index: Path) -> list[str]:
    """A line for each word that does not find its page.

    Args:
        index: `search/search_index.json` of the built documentation; the theme searches in it with the same
            settings of lunr.
    """
    content = json.loads(index.read_text("utf-8"))
    search = _search(content["docs"], content["config"])
    lines = []
    for word, page in EXPECTED.items():
        found = _pages(search, word)
        if page not in found[:FIRST]:
            lines.append(f"search: {word!r} finds {', '.join(found[:FIRST]) or 'nothing'}, and not {page}")
    return lines


def _search(sections: list[dict[str, Any]], config: dict[str, Any]) -> Any:
    builder = Builder()
    if "stopWordFilter" in config["pipeline"]:
        builder.pipeline.add(stop_word_filter)
    fields = [{"field_name": name, "boost": each["boost"]} for name, each in config["fields"].items()]
    documents = [
        ({**each, "text": re.sub(r"<[^>]+>", " ", each["text"]), "tags": ""}, {"boost": each.get("boost", 1)})
        for each in sections
    ]
    for document, _ in documents:
        for name in ("title", "text"):  # lunr for Python takes characters and no expression for a separator
            document[name] = " ".join(re.split(config["separator"], document[name])).lower()
    return lunr("location", fields, documents, builder=builder)


def _pages(search: Any, word: str) -> list[str]:
    """The pages that have the word, or one that begins with it, the best first."""
    hits = search.search(f"{word.lower()}*")
    return list(dict.fromkeys(hit["ref"].split("#")[0] for hit in hits))
