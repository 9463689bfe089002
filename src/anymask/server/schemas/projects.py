"""What requests about projects may contain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from anymask.server.schemas.option_fields import Body
from anymask.server.schemas.requests import EverythingBody, Runs

ClientKey = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{8,64}$", description="a random key of the browser's tab")]
ClassName = Annotated[str, Field(min_length=1, max_length=200)]
ColourText = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
KeyText = Annotated[str, Field(pattern="^[1-9]$")]
ObjectKey = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
Number = Annotated[int, Field(ge=0, le=(1 << 53) - 1)]
"""What JavaScript has exactly and SQLite stores."""
Numbers = Annotated[list[Number], Field(max_length=100_000)]
StateText = Literal["todo", "in_work", "done", "skipped"]


class ProjectBody(Body):
    """A new project."""

    name: ClassName


class ProjectChangeBody(Body):
    """Changes of a project."""

    name: ClassName | None = None
    classes_required: bool | None = None


class ClassBody(Body):
    """A new class; what is left out is chosen, a key of null is none."""

    name: ClassName
    colour: ColourText | None = None
    key: KeyText | None = None


class ClassChangeBody(Body):
    """Changes of a class; a key of null is none."""

    name: ClassName | None = None
    colour: ColourText | None = None
    key: KeyText | None = None


class MergeBody(Body):
    """The class that gets the objects."""

    into: Number


class StateBody(Body):
    """The state of an image."""

    state: StateText
    client: ClientKey


class StatesBody(Body):
    """The state of several images."""

    state: StateText
    images: Numbers
    client: ClientKey | None = None


class OpenBody(Body):
    """Which tab opens an image, and which images come next."""

    client: ClientKey
    next: Annotated[list[Number], Field(max_length=8)] = Field(default_factory=list)


class LockBody(Body):
    """Which tab works on an image."""

    client: ClientKey
    name: Annotated[str, Field(max_length=80)] | None = None
    take: bool = Field(False, description="take it from whoever has it")


class ObjectBody(Body):
    """An object: whole, or its `id` alone for one that stays as it is stored."""

    id: ObjectKey
    class_: Number | None = Field(None, alias="class")
    rle: Runs | None = None
    score: FiniteFloat | None = None
    stability: FiniteFloat | None = None
    data: dict[str, Any] | None = Field(None, description="prompts, edits: whatever the browser wants back")
    source: Annotated[str, Field(max_length=300)] = "manual"
    area: Any = Field(None, description="ignored; the server measures it")
    box: Any = Field(None, description="ignored; the server measures it")
    disagreement: Any = Field(None, description="ignored; the server measures it")


class SessionSaveBody(Body):
    """All objects of an image, in their order."""

    client: ClientKey
    revision: Number
    objects: Annotated[list[ObjectBody], Field(max_length=5000)]
    history: Any = Field(None, description="any JSON, for undo and redo; stays if left out")
    suggestions: dict[str, Literal["taken", "dropped", "open"]] = Field(default_factory=dict)
    state: StateText | None = None


class AssistBody(Body):
    """A search over images, whose results are suggestions."""

    kind: Literal["everything", "text", "check"]
    words: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)] = Field(
        default_factory=list
    )
    images: Literal["todo", "all"] | Numbers = "todo"
    options: EverythingBody = Field(default_factory=lambda: EverythingBody.model_validate({}))


class DatasetExportBody(Body):
    """A dataset to write."""

    format: Annotated[str, Field(max_length=40)]
    only: Literal["done", "all"] = "done"
    images: Literal["none", "copy"] = "none"
    split: Annotated[list[Annotated[FiniteFloat, Field(ge=0)]], Field(min_length=2, max_length=3)] | None = None
    seed: Number = 0
    options: dict[str, Any] = Field(default_factory=dict)
