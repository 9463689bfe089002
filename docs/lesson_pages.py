"""Makes a page of each notebook of the lesson, with the outputs that are stored in it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

LESSON = Path(__file__).parent.parent / "examples" / "lesson"
FOLDER = "tutorials"
_MADE_FROM = "*This page is the notebook `examples/lesson/{name}` of the repository, with its outputs; a test runs it.*"


def pages() -> dict[str, str | bytes]:
    """Path in the documentation → text of a page, or bytes of an image in it."""
    result: dict[str, str | bytes] = {}
    for path in sorted(LESSON.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":  # settings of the notebook, not of the lesson
                cell.source = re.sub(r"^%.*\n+", "", cell.source, flags=re.M)
        name = path.stem.split("_", 1)[1].replace("_", "-")
        resources = {"unique_key": name, "output_files_dir": f"{name}-images"}
        text, made = MarkdownExporter().from_notebook_node(notebook, resources=resources)
        title, rest = text.lstrip().split("\n", 1)
        text = f"{title}\n\n{_MADE_FROM.format(name=path.name)}\n{rest}".replace("](../../docs/", "](../")
        result[f"{FOLDER}/{name}.md"] = text.replace("![jpeg](", "![What the cell draws](")
        result |= {f"{FOLDER}/{file}": content for file, content in made["outputs"].items()}
    return result
