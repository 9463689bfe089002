"""The record of an image of clients, and how the database holds it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymask.structures.image_options import ImageOptions


@dataclass
class StoredImage:
    """The record of one image.

    Attributes:
        id: hash of its pixels.
        size: (width, height) as displayed.
        stored: bytes on disk.
        notes: remarks of the reader.
        opening: how the file is opened.
        used: time of the last request about it, seconds since 1970.
        clients: hashes of the keys or addresses that uploaded it.
        viewers: hashes of those that opened it in a project.
        source: the file, of an image of a project: it lies elsewhere, and is neither written nor removed.
    """

    id: str
    size: tuple[int, int]
    stored: int
    notes: tuple[str, ...]
    opening: ImageOptions
    used: float
    clients: set[str] = field(default_factory=set)
    viewers: set[str] = field(default_factory=set)
    source: Path | None = None


def columns_of(stored_image: StoredImage) -> tuple[str, float, int]:
    """The columns `record`, `used` and `stored` of an image in the database."""
    record: dict[str, Any] = {
        "id": stored_image.id,
        "size": list(stored_image.size),
        "stored": stored_image.stored,
        "notes": list(stored_image.notes),
        "opening": stored_image.opening.changed,
        "clients": sorted(stored_image.clients),
        "viewers": sorted(stored_image.viewers),
        "source": None if stored_image.source is None else str(stored_image.source),
    }
    return json.dumps(record), stored_image.used, stored_image.stored


def from_record(record: dict[str, Any], used: float) -> StoredImage:
    """The image of a row in the database.

    Raises:
        KeyError, TypeError, ValueError: the record is none.
    """
    width, height = record["size"]
    source = record.get("source")
    return StoredImage(
        record["id"],
        (int(width), int(height)),
        int(record["stored"]),
        tuple(record["notes"]),
        ImageOptions(**record.get("opening", {})),
        used,
        set(record["clients"]),
        set(record.get("viewers", ())),
        None if source is None else Path(source),
    )


def hash_of(name: str) -> str:
    """Hash of an address or a session key, so that the disk holds neither."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
