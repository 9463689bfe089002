"""Several datasets become one, and no object or image gets lost on the way."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.merging import merge
from anymask.structures.annotation import Annotation, Category, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord


def image(name: str | None, *labels: str, id: int | None = None, dataset: DatasetRecord | None = None) -> MaskSet:
    masks = []
    for place, label in enumerate(labels):
        array = np.zeros((20, 30), bool)
        array[place : place + 5, place : place + 6] = True
        masks.append(Mask.from_array(array, label=label, annotation=Annotation(id=place + 1)))
    return MaskSet(masks, image=ImageRecord(30, 20, name, id=id), dataset=dataset)


def classes(*names: str) -> DatasetRecord:
    return DatasetRecord("coco", tuple(Category(name, id) for id, name in enumerate(names, start=1)))


def test_two_coco_files_are_one_to_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cats, dogs = classes("cat", "dog"), classes("dog", "bird")
    write_dataset([image("a.jpg", "cat", "dog", id=1, dataset=cats)], tmp_path / "cats.json", "coco")
    second = [image("a.png", "dog", "bird", id=1, dataset=dogs), image("b.jpg", "bird", id=2, dataset=dogs)]
    write_dataset(second, tmp_path / "dogs.json", "coco")
    out = tmp_path / "out.json"
    call = ["convert", str(tmp_path / "cats.json"), str(tmp_path / "dogs.json"), "--to", "coco", "--out", str(out)]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "1 name of images that two inputs have" in said
    assert "1 id of images that two inputs have" in said
    assert "2 ids of annotations that two inputs have" in said
    found = COCO(str(out))
    assert [each["file_name"] for each in found.dataset["images"]] == ["a.jpg", "dogs/a.png", "b.jpg"]
    assert [each["name"] for each in found.dataset["categories"]] == ["cat", "dog", "bird"]
    by_name = Counter(
        (found.imgs[each["image_id"]]["file_name"], found.cats[each["category_id"]]["name"])
        for each in found.anns.values()
    )
    assert by_name == Counter(
        {("a.jpg", "cat"): 1, ("a.jpg", "dog"): 1, ("dogs/a.png", "dog"): 1, ("dogs/a.png", "bird"): 1,
         ("b.jpg", "bird"): 1}
    )  # fmt: skip
    assert all(found.annToMask(each).sum() == each["area"] == 30 for each in found.anns.values())


def test_inputs_of_different_formats_unite_their_classes_by_name(tmp_path: Path) -> None:
    write_dataset([image("a.jpg", "cat", "dog")], tmp_path / "one", "yolo")
    write_dataset([image("a.jpg", "dog", "cat")], tmp_path / "two", "voc")
    write_dataset([image("a.jpg", "bird")], tmp_path / "three" / "one", "labelme")
    inputs = [str(tmp_path / name) for name in ("one", "two", "three/one")]
    assert main(["convert", *inputs, "--to", "yolo", "--out", str(tmp_path / "out")]) == 0
    found = {str(each.record.path): sorted(map(str, each.labels)) for each in read_dataset(tmp_path / "out")}
    assert found == {"a.jpg": ["cat", "dog"], "two/a.jpg": ["cat", "dog"], "three/a.jpg": ["bird"]}


def test_images_of_files_with_one_name_get_the_names_of_their_folders(tmp_path: Path) -> None:
    sources = [tmp_path / name / "annotations.json" for name in ("spring", "autumn")]
    for source in sources:
        source.parent.mkdir()
        write_dataset([image("a.jpg", "cat", id=1, dataset=classes("cat"))], source, "coco")
    call = ["convert", *map(str, sources), "--to", "coco", "--out", str(tmp_path / "out.json")]
    assert main(call) == 0
    assert [masks.record.path for masks in read_dataset(tmp_path / "out.json")] == ["a.jpg", "autumn/a.jpg"]


def test_licences_of_two_files_are_not_mixed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, licence in (("one", "CC0"), ("two", "CC BY")):
        entry = {"id": 1, "file_name": f"{name}.jpg", "width": 30, "height": 20, "license": 1}
        content = {"licenses": [{"id": 1, "name": licence}], "images": [entry], "annotations": [], "categories": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    inputs = [str(tmp_path / f"{name}.json") for name in ("one", "two")]
    assert main(["convert", *inputs, "--to", "coco", "--out", str(tmp_path / "out.json")]) == 0
    found = COCO(str(tmp_path / "out.json")).dataset
    assert found["licenses"] == [{"id": 1, "name": "CC0"}]
    assert [each.get("license") for each in found["images"]] == [1, None]
    assert "1 licence of images" in capsys.readouterr().out


def _by_input(merged: list[MaskSet], inputs: list[list[MaskSet]]) -> list[list[MaskSet]]:
    """The merged images, input by input."""
    images = iter(merged)
    return [list(itertools.islice(images, len(sets))) for sets in inputs]


paths = st.sampled_from(
    ["a.jpg", "A.JPG", "b/a.png", "/data/a.jpg", "two/a.jpg", "../a.jpg", "C:\\x\\a.jpg", "c", None]
)
dataset = st.lists(st.tuples(paths, st.lists(st.sampled_from("xyz"), max_size=3)), max_size=5, unique_by=lambda e: e[0])


@given(first=dataset, second=dataset, third=dataset)
def test_every_object_of_every_input_is_there_once(
    first: list[tuple[str, list[str]]], second: list[tuple[str, list[str]]], third: list[tuple[str, list[str]]]
) -> None:
    given_sets = [[image(path, *labels, id=1) for path, labels in each] for each in (first, second, third)]
    merged = list(merge(zip(("one", "two", "two"), given_sets, strict=True), Counter()))
    assert [each.labels for each in merged] == [each.labels for sets in given_sets for each in sets]
    assert [mask.rle for each in merged for mask in each] == [
        mask.rle for sets in given_sets for each in sets for mask in each
    ]
    ids = [{mask.annotation.id for each in sets for mask in each} - {None} for sets in _by_input(merged, given_sets)]
    assert all(not first & second for first, second in itertools.combinations(ids, 2)), "no two inputs share an id"
    place = 0
    stems: set[str] = set()
    for sets in given_sets:
        names = {each.record.path.rpartition(".")[0].casefold() or each.record.path
                 for each in merged[place : place + len(sets)] if each.record.path}  # fmt: skip
        assert not names & stems, "no image has the name of one of another input"
        stems |= names
        place += len(sets)
