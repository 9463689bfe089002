"""Run the notebooks of the lesson again and store their outputs: python examples/run_notebooks.py [NOTEBOOK …].

Needs `nbclient` and `ipykernel` (dependency group `test`). The outputs say nothing of the machine they were made on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

LESSON = Path(__file__).parent / "lesson"
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_MEDIA_TYPES = ("text/plain", "image/jpeg", "image/png")


def notebooks() -> list[Path]:
    """The paths of the notebooks, in the order of the lesson."""
    return sorted(LESSON.glob("*.ipynb"))


def execute(path: Path, timeout: int = 120) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel, in the notebook's own folder.

    Args:
        path: of the notebook, which is only read.
        timeout: seconds that one cell may take.

    Returns:
        The notebook with the outputs of this run and no trace of the machine.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; it says which and why.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            _simplify(output)
    return notebook


def _simplify(output: nbformat.NotebookNode) -> None:
    """Remove what accompanies an image: its text says `<Figure size …>`, which changes with the versions."""
    if "data" not in output:
        return
    output.metadata = nbformat.from_dict({})
    data = {kind: output.data[kind] for kind in _MEDIA_TYPES if kind in output.data}
    if len(data) > 1:
        data.pop("text/plain", None)
    output.data = nbformat.from_dict(data)


def main(paths: list[Path]) -> None:
    """Run notebooks, and overwrite each once all of it has run."""
    for path in paths:
        notebook = execute(path)
        nbformat.validate(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]] or notebooks())
