"""Formats are found by name and by extension, and every module of the package is one."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from anymask.errors import InputError
from anymask.formats import folder, masks_json, png
from anymask.formats.registry import find_format, find_mask_reader, format_names
from anymask.structures.mask_set import MaskSet


def test_formats_are_found_by_name_and_by_extension() -> None:
    assert find_format("masks-json") is find_format("masks_json") is masks_json.FORMAT
    assert find_format(path="out.JSON") is masks_json.FORMAT
    assert find_format(path=Path("a/b.png")) is png.FORMAT
    assert find_format(path="a/folder") is folder.FORMAT
    assert find_format("png", "out.json") is png.FORMAT


def test_the_format_to_read_masks_in_is_told_by_the_extension_and_else_an_image() -> None:
    assert find_mask_reader(Path("a/masks.json")) is masks_json.FORMAT
    assert find_mask_reader(Path("a/dogs")) is folder.FORMAT
    assert find_mask_reader(Path("a.PNG")) is find_mask_reader(Path("a.bmp")) is png.FORMAT


@pytest.mark.parametrize(("name", "path"), [("gif", "out.png"), (None, "out.gif"), ("../png", "x")])
def test_unknown_formats_are_refused_with_the_known_ones(name: str | None, path: str) -> None:
    with pytest.raises(InputError, match=", ".join(format_names())):
        find_format(name, path)


def test_every_format_is_complete_and_no_extension_means_two_formats() -> None:
    taken: dict[str, str] = {}
    for name in format_names():
        format = find_format(name)
        assert format.name == name
        assert format.summary
        assert format.title
        for extension in format.extensions:
            assert extension == extension.lower()
            assert taken.setdefault(extension, name) == name


@pytest.mark.parametrize("name", ["out.json", "out.png", "out"])
def test_saved_masks_come_back_pixel_for_pixel(result: MaskSet, tmp_path: Path, name: str) -> None:
    written = result[:1].save(tmp_path / name)
    assert all(path.is_file() for path in written)
    back = find_format(path=name).read(tmp_path / name)
    assert len(back) == 1
    assert (back[0].array == result[0].array).all()


def test_a_file_of_several_images_names_the_function_that_reads_it(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 4, "height": 3} for number in (1, 2)]
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": []}), encoding="utf-8")
    with pytest.raises(InputError, match="several images") as refusal:
        find_format("coco").read(path)
    module, _, function = str(refusal.value).split()[-1].rpartition(".")
    assert len(list(getattr(importlib.import_module(module), function)(path, "coco"))) == 2


@pytest.mark.parametrize("name", format_names())
def test_every_format_says_how_its_names_end(name: str) -> None:
    suffix = find_format(name).suffix
    assert suffix == "" or suffix.startswith(".")


@pytest.mark.parametrize("name", format_names())
def test_the_options_of_every_format_are_the_keywords_of_its_functions(name: str) -> None:
    format = find_format(name)
    names = {option.name for option in format.options}
    assert names == _keywords(format.write)
    if format.write_dataset is not None:
        assert names | {"check"} == _keywords(format.write_dataset)


def _keywords(function: Callable[..., object]) -> set[str]:
    parameters = inspect.signature(function).parameters.items()
    return {name for name, parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY}
