"""What public functions and methods return is in the reference, under the name that it is imported by."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import matplotlib.axes
import matplotlib.figure
import PIL.Image
import pytest
from typing_extensions import Self

import anymask
from anymask.io.image import ImageSource
from anymask.structures.polygons import Ring
from anymask.structures.rle import Rle

REFERENCE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "python.md").read_text("utf-8")
SHOWN = set(re.findall(r"^::: ([\w.]+)$", REFERENCE, re.M))
FOR_TYPE_CHECKERS = {
    "Axes": matplotlib.axes.Axes, "Figure": matplotlib.figure.Figure, "httpx": httpx, "ImageSource": ImageSource,
    "Path": Path, "PIL": PIL, "Ring": Ring, "Rle": Rle, "Self": Self,
}  # fmt: skip
"""Names that modules import for annotations alone."""


def functions_of(name: str) -> Iterator[tuple[str, Any]]:
    """A public function, or the public methods and properties of a public class."""
    public = getattr(anymask, name)
    if not inspect.isclass(public):
        yield name, public
        return
    for attribute, value in inspect.getmembers(public):
        function = getattr(value, "fget", None) or getattr(value, "func", value)
        if not attribute.startswith("_") and callable(function):
            yield f"{name}.{attribute}", function


def classes_in(hint: Any) -> Iterator[type]:
    """The classes of anymask in an annotation."""
    for argument in hint if isinstance(hint, list) else typing.get_args(hint):
        yield from classes_in(argument)
    if isinstance(hint, type) and hint.__module__.startswith("anymask."):
        yield hint


@pytest.mark.parametrize("name", [name for name in anymask.__all__ if callable(getattr(anymask, name))])
def test_what_is_returned_is_in_the_reference(name: str) -> None:
    public = {each: getattr(anymask, each) for each in anymask.__all__}
    for path, function in functions_of(name):
        hints = typing.get_type_hints(function, localns={**public, **FOR_TYPE_CHECKERS})
        for each in classes_in(hints.get("return")):
            names = {f"{each.__module__}.{each.__qualname__}", f"anymask.{each.__name__}"}
            assert names & SHOWN or each.__module__ == "anymask.errors", (path, each)


def test_every_public_name_is_in_the_reference() -> None:
    errors = {name for name in anymask.__all__ if getattr(getattr(anymask, name), "__module__", "") == "anymask.errors"}
    missing = {name for name in anymask.__all__ if f"anymask.{name}" not in SHOWN} - errors
    assert missing == {"__version__", "notebook"}
