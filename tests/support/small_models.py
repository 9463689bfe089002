"""Models of a few hundred kilobytes, made for a test, and a recording listener."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask import weights


@dataclass(frozen=True)
class SmallModel:
    """A model in the user's catalogue whose files are some bytes of ours."""

    name: str
    content: dict[str, bytes]
    folder: Path

    def cached(self, file: str) -> Path:
        return self.folder / file

    def left_behind(self) -> list[str]:
        """Everything in the model's cache folder, by name."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


def noise(size: int, seed: int) -> bytes:
    """Bytes that repeat nowhere, so a transfer put together wrongly cannot look right."""
    return hashlib.shake_256(seed.to_bytes(4, "big")).digest(size)


def toml_model(name: str, content: dict[str, bytes], sources: list[dict[str, Any]], licence: str = "MIT") -> str:
    """The catalogue entry, in TOML, of a model with this content and these sources (JSON values are TOML too)."""
    lines = [f"[models.{name}]", 'family = "sam"', f"licence = {{ weights = {json.dumps(licence)}, code = 'MIT' }}"]
    for file, data in content.items():
        lines += [f"[[models.{name}.files]]", f"name = {json.dumps(file)}", f"size = {len(data)}"]
        lines.append(f"sha256 = '{hashlib.sha256(data).hexdigest()}'")
    for source in sources:
        lines.append(f"[[models.{name}.sources]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in source.items() if key != "files"]
        lines.append(f"[models.{name}.sources.files]")
        lines += [f"{json.dumps(file)} = {json.dumps(place)}" for file, place in source["files"].items()]
    return "\n".join(lines) + "\n"


def add_to_catalogue(tmp_path: Path, text: str) -> None:
    """Append entries to the test's own user catalogue."""
    catalogue = tmp_path / "data" / "models.toml"
    catalogue.parent.mkdir(exist_ok=True)
    with catalogue.open("a", encoding="utf-8") as stream:
        stream.write(text)


class RecordedProgress(weights.Progress):
    """Records all calls."""

    def __init__(self) -> None:
        self.licences: list[str] = []
        self.notes: list[str] = []
        self.begun: list[tuple[str, int | None, str]] = []
        self.done: dict[str, list[int]] = {}
        self.ended: list[str] = []

    def licence(self, entry: weights.ModelEntry) -> None:
        self.licences.append(weights.licence_line(entry))

    def begin(self, file: str, size: int | None, source: str) -> None:
        self.begun.append((file, size, source))

    def advance(self, file: str, done: int) -> None:
        self.done.setdefault(file, []).append(done)

    def end(self, file: str) -> None:
        self.ended.append(file)

    def note(self, line: str) -> None:
        self.notes.append(line)
