"""A new format is one file: everything else takes what it needs from its `FORMAT`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import anymask.formats
from anymask.cli import main
from anymask.formats import registry
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.server.exports import media_types
from anymask.structures.mask_set import MaskSet
from tests.support.recipe_blocks import recipe_blocks

MODULE = next(block.code for block in recipe_blocks() if block.path.endswith("formats/bare_runs.py"))
"""As `docs/contributing/extending.md` has it."""


@pytest.fixture(autouse=True)
def _bare_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A format `bare-runs` that lies in a folder of its own."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "bare_runs.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(anymask.formats, "__path__", [*anymask.formats.__path__, str(folder)])
    _forget()
    yield
    monkeypatch.undo()
    sys.modules.pop("anymask.formats.bare_runs", None)
    _forget()


def _forget() -> None:
    for function in (registry.all_formats, registry._module_names, registry._load):
        function.cache_clear()


def test_it_is_found_by_name_extension_and_content(result: MaskSet, tmp_path: Path) -> None:
    assert "bare-runs" in registry.format_names()
    (path,) = result.save(tmp_path / "out.runs")
    assert registry.recognise_format(path) is registry.find_format("bare-runs")
    renamed = path.rename(tmp_path / "out.json")
    assert registry.recognise_format(renamed) is registry.find_format("bare_runs")


def test_datasets_of_it_are_written_and_read(result: MaskSet, tmp_path: Path) -> None:
    files = write_dataset([result], tmp_path / "out", "bare-runs")
    assert [file.suffix for file in files] == [".runs"]
    (back,) = read_dataset(tmp_path / "out")
    assert [mask.rle for mask in back] == [mask.rle for mask in result]


def test_convert_and_the_server_take_it(result: MaskSet, tmp_path: Path) -> None:
    result.save(tmp_path / "in.runs")
    call = ["convert", str(tmp_path / "in.runs"), "--to", "coco", "--out", str(tmp_path / "coco.json")]
    assert main([*call, "--min-iou", "1"]) == 0
    call = ["convert", str(tmp_path / "coco.json"), "--to", "bare-runs", "--out", str(tmp_path / "again.runs")]
    assert main([*call, "--min-iou", "1"]) == 0
    assert (tmp_path / "again.runs").read_bytes() == (tmp_path / "in.runs").read_bytes()
    assert "application/x-runs" in media_types()
