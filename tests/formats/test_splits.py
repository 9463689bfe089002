"""A split is a partition of the images, repeatable, in which every class has its share."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import supervision as sv
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.registry import all_formats
from anymask.formats.splits import SplitPlan, choose_parts, parse_split, write_split
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

SHARES = parse_split("0.8,0.1,0.1")


def images(count: int = 20) -> list[MaskSet]:
    """Images of 30×20 with a cat, every second with a dog, every fifth with nothing."""
    sets = []
    for number in range(count):
        labels = [] if number % 5 == 4 else ["cat", "dog"][: 1 + number % 2]
        masks = []
        for place, label in enumerate(labels):
            array = np.zeros((20, 30), bool)
            array[place : place + 8, number % 10 : number % 10 + 9] = True
            masks.append(Mask.from_array(array, label=label))
        sets.append(MaskSet(masks, image=ImageRecord(30, 20, f"in/{number:02d}.png")))
    return sets


shares = st.sampled_from(["0.8,0.1,0.1", "0.5,0.5", "70,15,15", "0.9,0.05,0.05", "0.34,0.33,0.33", "0.6,0,0.4"])
single = st.lists(st.sampled_from([(), ("a",), ("b",), ("c",), ("rare",)]), min_size=3, max_size=120)
several = st.lists(st.sets(st.sampled_from("abcdef"), max_size=4), min_size=100, max_size=150)


def chosen_or_none(classes: list[tuple[str, ...]], text: str, seed: int) -> list[str] | None:
    try:
        return choose_parts(classes, parse_split(text), seed)
    except InputError:
        return None


@given(classes=single, text=shares, seed=st.integers(0, 9))
def test_each_class_has_its_share_rounded_up_or_down(classes: list[tuple[str, ...]], text: str, seed: int) -> None:
    parts = chosen_or_none(classes, text, seed)
    if parts is None:
        assert len(classes) * min(parse_split(text).values()) < 2, "only a small part can be without images"
        return
    assert len(parts) == len(classes)
    assert parts == choose_parts(classes, parse_split(text), seed)
    for name in {each[0] for each in classes if each}:
        count = Counter(part for part, each in zip(parts, classes, strict=True) if name in each)
        for part, share in parse_split(text).items():
            ideal = share * sum(count.values())
            assert math.floor(ideal + 1e-6) <= count[part] <= math.ceil(ideal - 1e-6), (name, part)
    for part, share in parse_split(text).items():
        assert abs(parts.count(part) - share * len(classes)) < 2


@settings(max_examples=30)
@given(classes=several, text=shares, seed=st.integers(0, 9))
def test_images_of_several_classes_come_close_to_the_shares(classes: list[set[str]], text: str, seed: int) -> None:
    parts = choose_parts(classes, parse_split(text), seed)
    for part, share in parse_split(text).items():
        assert abs(parts.count(part) - share * len(classes)) <= 0.05 * len(classes)
        for name in "abcdef":
            having = [place for place, each in enumerate(classes) if name in each]
            inside = sum(parts[place] == part for place in having)
            assert abs(inside - share * len(having)) <= 3


def test_a_seed_repeats_a_split_and_another_changes_it() -> None:
    classes = [("a",)] * 60 + [("b",)] * 40
    assert choose_parts(classes, SHARES, 1) == choose_parts(classes, SHARES, 1)
    assert choose_parts(classes, SHARES, 1) != choose_parts(classes, SHARES, 2)
    assert Counter(choose_parts(classes, SHARES, 2)) == {"train": 80, "val": 10, "test": 10}


def test_hundred_classes_of_one_image_do_not_all_go_to_training() -> None:
    parts = choose_parts([(str(number),) for number in range(100)], SHARES)
    assert Counter(parts) == {"train": 80, "val": 10, "test": 10}


@pytest.mark.parametrize("wrong", ["0.8", "0.8,0.1,0.2", "a,b", "0.5,-0.5,1", "0.7,0.1,0.1,0.1", "nan,1", "0,0"])
def test_other_shares_are_refused(wrong: str) -> None:
    with pytest.raises(InputError, match=r"0\.8,0\.1,0\.1"):
        parse_split(wrong)


def test_coco_has_a_file_for_each_part_and_one_number_for_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(images(), tmp_path / "in", "masks-json")
    call = ["convert", str(tmp_path / "in"), "--to", "coco", "--out", str(tmp_path / "out"), "--seed", "3"]
    assert main([*call, "--split", "0.6,0.2,0.2"]) == 0
    assert "split: 12 train, 4 val, 4 test" in capsys.readouterr().out
    found = {part: COCO(str(tmp_path / "out" / f"{part}.json")) for part in ("train", "val", "test")}
    names = [each["file_name"] for part in found.values() for each in part.dataset["images"]]
    assert sorted(names) == [str(each.record.path) for each in images()]
    assert len({str(part.dataset["categories"]) for part in found.values()}) == 1
    areas = Counter(
        (
            part.imgs[each["image_id"]]["file_name"],
            part.cats[each["category_id"]]["name"],
            int(part.annToMask(each).sum()),
        )
        for part in found.values()
        for each in part.anns.values()
    )  # fmt: skip
    assert areas == Counter((str(each.record.path), mask.label, 72) for each in images() for mask in each)
    assert main([*call, "--split", "0.6,0.2,0.2"]) == 2, "the folder has a dataset already"


def test_merged_inputs_have_one_number_for_a_class_in_all_parts(tmp_path: Path) -> None:
    for name, label, count in (("one", "cat", 1), ("two", "dog", 10)):
        sets = [each.replace([mask.replace(label=label) for mask in each]) for each in images(count)]
        renamed = [each.replace(image=ImageRecord(30, 20, f"{name}/{each.record.path}")) for each in sets]
        write_dataset(renamed, tmp_path / f"{name}.json", "coco")
    call = ["convert", str(tmp_path / "one.json"), str(tmp_path / "two.json"), "--to", "coco"]
    assert main([*call, "--out", str(tmp_path / "out"), "--split", "0.5,0.5", "--seed", "1"]) == 0
    found = [COCO(str(tmp_path / "out" / f"{part}.json")) for part in ("train", "val")]
    assert [[(each["id"], each["name"]) for each in part.dataset["categories"]] for part in found] == [
        [(1, "cat"), (2, "dog")]
    ] * 2
    assert sorted(len(part.getImgIds(catIds=[1])) for part in found) == [0, 1], "the numbers do not depend on a part"
    assert [len(part.getImgIds(catIds=[2])) for part in found] == [4, 4]


def test_yolo_has_folders_that_supervision_loads_part_by_part(tmp_path: Path) -> None:
    write_dataset(images(), tmp_path / "in.json", "coco")
    out = tmp_path / "out"
    call = ["convert", str(tmp_path / "in.json"), "--to", "yolo", "--out", str(out), "--split", "0.7,0.3"]
    assert main(call) == 0
    about = yaml.safe_load((out / "data.yaml").read_text())
    assert {part: about[part] for part in ("train", "val")} == {"train": "images/train", "val": "images/val"}
    found = Counter[tuple[str, str]]()
    for part, count in (("train", 14), ("val", 6)):
        labels = sorted((out / "labels" / part).rglob("*.txt"))
        assert len(labels) == count
        for each in labels:
            image = (out / "images" / each.relative_to(out / "labels")).with_suffix(".png")
            image.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new("RGB", (30, 20)).save(image)
        folders = [str(out / kind / part / "in") for kind in ("images", "labels")]
        loaded = sv.DetectionDataset.from_yolo(*folders, str(out / "data.yaml"), force_masks=True)
        for name, _, detections in loaded:
            found.update((Path(name).name, loaded.classes[number]) for number in detections.class_id)
    assert found == Counter((Path(str(each.record.path)).name, mask.label) for each in images() for mask in each)
    back = {str(each.record.path).partition("/")[2]: each.labels for each in read_dataset(out)}
    assert back == {str(each.record.path): each.labels for each in images()}


def test_a_dataset_is_split_anew(tmp_path: Path) -> None:
    write_dataset(images(), tmp_path / "in.json", "coco")
    call = ["convert", "--to", "yolo", "--split", "0.5,0.5", "--seed"]
    assert main([*call, "1", str(tmp_path / "in.json"), "--out", str(tmp_path / "first")]) == 0
    assert main([*call, "2", str(tmp_path / "first"), "--out", str(tmp_path / "second")]) == 0
    for folder in ("first", "second"):
        root = tmp_path / folder / "labels"
        labels = [each.relative_to(root) for each in root.rglob("*.txt")]
        assert {each.parent.as_posix() for each in labels} == {"train/in", "val/in"}
        assert sorted(each.stem for each in labels) == [f"{number:02d}" for number in range(20)]


def test_images_of_one_name_in_two_old_parts_stay_apart(tmp_path: Path) -> None:
    sets = [each.replace(image=ImageRecord(30, 20, f"{part}/a.png", split=part)) for part, each in zip(
        ("train", "val"), images(2), strict=True)]  # fmt: skip
    write_dataset(sets, tmp_path / "in", "yolo")
    call = ["convert", str(tmp_path / "in"), "--to", "yolo", "--out", str(tmp_path / "out"), "--split", "0.5,0.5"]
    assert main(call) == 0
    assert len(list((tmp_path / "out").rglob("a.txt"))) == 2


def test_voc_lists_the_images_of_each_part(tmp_path: Path) -> None:
    write_dataset(images(), tmp_path / "in.json", "coco")
    out = tmp_path / "out"
    assert main(["convert", str(tmp_path / "in.json"), "--to", "voc", "--out", str(out), "--split", "8e1,10,10"]) == 0
    lists = {each.stem: each.read_text().split() for each in (out / "ImageSets" / "Segmentation").iterdir()}
    assert {part: len(stems) for part, stems in lists.items()} == {"train": 16, "val": 2, "test": 2}
    assert sorted(itertools.chain(*lists.values())) == [f"in/{number:02d}" for number in range(20)]
    assert len(list(read_dataset(out))) == 20


@pytest.mark.parametrize("name", [each.name for each in all_formats()])
def test_every_format_writes_a_split_that_reads_back_whole(name: str, tmp_path: Path) -> None:
    plan = SplitPlan.of(images(), SHARES)
    files = write_split(lambda: plan.apply(images()), tmp_path / "out", name)
    assert all(file.exists() for file in files)
    if name == "png":  # it has a file for a mask, and no dataset
        assert len(files) == sum(map(len, images()))
        return
    back = [masks for masks in read_dataset(tmp_path / "out", None if name == "folder" else name) if masks]
    assert sorted(map(len, back)) == sorted(len(masks) for masks in images() if masks)


def test_a_part_without_images_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(images(3), tmp_path / "in.json", "coco")
    call = ["convert", str(tmp_path / "in.json"), "--to", "yolo", "--out", str(tmp_path / "out"), "--split", "0.9,0.1"]
    assert main([*call, "--json"]) == 2
    assert "3 images are too few for this split: val would have none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
