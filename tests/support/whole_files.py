"""Whether files are complete: each is opened and read to its end, mostly not by anymask's reader."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import PIL.Image
import yaml

from anymask.formats.datasets import read_dataset

DRAFT = ".anymask-"
_IMAGES = (".png", ".jpg", ".webp", ".tif", ".gif")
_DATASETS = {"data.yaml": "yolo", "labelmap.txt": "voc"}
"""The file that is written last → the format of the folder."""


def snapshot(folder: Path) -> dict[str, str]:
    """Path below a folder → sha256, of all its files."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def is_draft(name: str) -> bool:
    """Whether a path below a folder is one of a draft."""
    return any(part.startswith(DRAFT) for part in Path(name).parts)


def is_unpublished(name: str) -> bool:
    """Whether a path below a folder is one of a draft, or of what a batch has not published yet (`.stage`)."""
    return is_draft(name) or ".stage" in Path(name).parts


def check_whole(folder: Path, names: Iterable[str]) -> None:
    """Open files and read them to the end; AssertionError names one that is half-written."""
    for name in names:
        try:
            _read(folder / name)
        except Exception as error:
            raise AssertionError(f"{name} is half-written: {error}") from error


def _read(path: Path) -> None:
    suffix = path.suffix
    if suffix in _IMAGES:
        with PIL.Image.open(path) as image:
            image.load()
    elif suffix in (".json", ".geojson"):
        json.loads(path.read_text())
    elif suffix == ".jsonl":
        assert [json.loads(line) for line in _lines(path)]
    elif suffix == ".xml":
        ElementTree.parse(path)
    elif suffix == ".csv":
        with path.open(newline="") as file:
            assert len({len(row) for row in csv.reader(file, strict=True)}) == 1
        _lines(path)
    elif suffix == ".yaml":
        assert set(yaml.safe_load(path.read_text())) >= {"train", "names"}
    elif suffix == ".txt":
        _lines(path)
    elif suffix == ".sqlite":
        with tempfile.TemporaryDirectory() as copy:  # it is opened with its journal, which changes both
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, copy)
            with contextlib.closing(sqlite3.connect(Path(copy, path.name))) as base:
                assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    else:
        assert path.name in (".lock", "manifest.sqlite-wal", "manifest.sqlite-shm", "manifest.sqlite-journal"), (
            "what is it?"
        )
    if path.name in _DATASETS:
        assert len(list(read_dataset(path.parent, _DATASETS[path.name]))) > 0


def _lines(path: Path) -> list[str]:
    text = path.read_text()
    assert text == "" or text.endswith("\n"), "its last line has no end"
    return text.splitlines()
