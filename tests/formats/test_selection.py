"""Classes are renamed, merged, ordered and left out, and nothing else of a dataset changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.registry import all_formats
from anymask.formats.selection import ObjectFilter, parse_classes, rename_classes
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

SIZE = (40, 30)
PETS = DatasetRecord("coco", tuple(Category(name, id) for id, name in ((3, "cat"), (5, "kitten"), (9, "dog"))))


def square(label: str | None, side: int, at: int = 0) -> Mask:
    array = np.zeros(SIZE[::-1], bool)
    array[at : at + side, at : at + side] = True
    ids = {each.name: each.id for each in PETS.categories}
    return Mask.from_array(array, label=label, annotation=Annotation(category_id=ids.get(str(label))))


def pets() -> list[MaskSet]:
    box = BoxAnnotation((0, 0, 10, 10), "kitten", annotation=Annotation(category_id=5))
    first = MaskSet([square("cat", 9), square("dog", 4, 10)], image=ImageRecord(*SIZE, "a.jpg"), dataset=PETS)
    second = MaskSet([square("kitten", 6)], image=ImageRecord(*SIZE, "b.jpg"), dataset=PETS, box_annotations=[box])
    return [first, second]


def coco(path: Path) -> Path:
    return write_dataset(pets(), path, "coco")[0]


def named(path: Path) -> list[tuple[str, int, float]]:
    """Class, its number and the area of each annotation, as pycocotools reads them."""
    found = COCO(str(path))
    return [
        (found.cats[each["category_id"]]["name"], each["category_id"], each["area"])
        for each in found.loadAnns(found.getAnnIds())
    ]


def test_classes_are_renamed_and_merged_under_the_number_that_they_had(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    call = ["convert", str(coco(tmp_path / "in.json")), "--to", "coco", "--out", str(out)]
    assert main([*call, "--classes", "kitten=cat, dog=hound"]) == 0
    assert named(out) == [("cat", 3, 81), ("hound", 9, 16), ("cat", 3, 36), ("cat", 3, 100)]
    assert [each["name"] for each in COCO(str(out)).dataset["categories"]] == ["cat", "hound"]


def test_a_file_gives_the_order_of_classes(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("# ours\nbird\ndog\r\nkitten=cat\n", encoding="utf-16")
    call = ["convert", str(coco(tmp_path / "in.json")), "--to", "yolo", "--out", str(tmp_path / "out")]
    assert main([*call, "--classes", str(tmp_path / "map.txt")]) == 0
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())["names"] == {0: "bird", 1: "dog", 2: "cat"}
    assert [line.split()[0] for line in (tmp_path / "out/labels/a.txt").read_text().splitlines()] == ["2", "1"]


def test_classes_are_taken_or_left_out_by_their_new_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["convert", str(coco(tmp_path / "in.json")), "--to", "coco", "--out"]
    assert main([*call, str(tmp_path / "cats.json"), "--classes", "kitten=cat", "--only", "cat"]) == 0
    assert "dropped: 1 object of other classes" in capsys.readouterr().out
    assert [each[0] for each in named(tmp_path / "cats.json")] == ["cat", "cat", "cat"]
    assert [each["name"] for each in COCO(str(tmp_path / "cats.json")).dataset["categories"]] == ["cat"]
    assert main([*call, str(tmp_path / "few.json"), "--drop", "cat", "--drop", "dog", "--min-area", "36.5"]) == 0
    assert named(tmp_path / "few.json") == [("kitten", 5, 100)]
    assert len(COCO(str(tmp_path / "few.json")).imgs) == 2, "images without objects stay"
    assert main([*call, str(tmp_path / "equal.json"), "--min-area", "36"]) == 0
    assert [each[2] for each in named(tmp_path / "equal.json")] == [81, 36, 100]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--only", "cow"], "no class 'cow'; there are 'cat', 'dog', 'kitten'"), (["--drop", "cow"], "no class 'cow'"),
     (["--classes", "cow=dog"], "no class 'cow'"), (["--classes", "map.txt"], "no file map.txt"),
     (["--classes", "cat="], "both sides"), (["--classes", "cat=a, cat=b"], "twice"), (["--min-area", "-1"], "-1")],
)  # fmt: skip
def test_a_class_that_is_nowhere_is_one_line_and_nothing_is_written(
    wrong: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = coco(tmp_path / "in.json"), tmp_path / "out"
    assert main(["convert", str(source), "--to", "yolo", "--out", str(out), *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


LABELLED = [each.name for each in all_formats() if each.holds.labels and each.name not in ("folder",)]


@pytest.mark.parametrize("name", LABELLED)
def test_files_of_every_format_with_classes_are_renamed(name: str, tmp_path: Path) -> None:
    """Also where a format writes again what its own file said."""
    sets = [masks.replace(box_annotations=[]) for masks in pets()]
    write_dataset(sets, tmp_path / "in", name)
    renamed = rename_classes(read_dataset(tmp_path / "in", name), {"kitten": "cat", "dog": "Hund 🐕"})
    write_dataset(renamed, tmp_path / "out", name)
    found = [(mask.label, mask.area) for masks in read_dataset(tmp_path / "out", name) for mask in masks]
    assert sorted(found) == [("Hund 🐕", 16), ("cat", 36), ("cat", 81)]


names = st.dictionaries(st.sampled_from(["cat", "kitten", "dog"]), st.sampled_from(["cat", "dog", "x", "y"]))


@given(names=names)
def test_new_names_conserve_every_object(names: dict[str, str]) -> None:
    before, after = pets(), list(rename_classes(pets(), names))
    for old, new in zip(before, after, strict=True):
        assert [mask.rle for mask in new] == [mask.rle for mask in old]
        assert [box.box for box in new.box_annotations] == [box.box for box in old.box_annotations]
        assert new.labels == [names.get(str(label), label) for label in old.labels]
        listed = [each.name for each in new.dataset.categories] if new.dataset else []
        assert set(new.labels) <= set(listed)
        assert len(listed) == len(set(listed)), "two classes of one name are one"


def test_masks_without_a_label_are_the_class_that_formats_call_object() -> None:
    sets = [MaskSet([square(None, 5), square("cat", 5)], image=ImageRecord(*SIZE))]
    assert next(rename_classes(sets, {"object": "thing"})).labels == ["thing", "cat"]
    assert next(ObjectFilter(drop=["object"]).apply(sets)).labels == ["cat"]


def test_a_list_of_classes_is_checked() -> None:
    assert parse_classes(" a = b ,c, d=b ") == {"a": "b", "c": "c", "d": "b"}
    with pytest.raises(InputError, match="no class"):
        parse_classes(",")
