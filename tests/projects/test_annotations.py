"""Annotations that lie in the folder of a project are opened as objects of its images."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from anymask import Mask, MaskSet
from anymask.formats.datasets import write_dataset
from anymask.io.image import open_image
from anymask.projects.dataset import chosen_images, read_sets
from anymask.projects.objects import ObjectChange
from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project
from anymask.structures.provenance import ImageRecord


@pytest.fixture
def folder(tmp_path: Path, coffee_path: Path, chelsea_path: Path) -> Path:
    """Two images, one in a folder."""
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    shutil.copy(coffee_path, folder / "coffee.jpg")
    shutil.copy(chelsea_path, folder / "cats" / "chelsea.jpg")
    return folder


def box_mask(size: tuple[int, int], box: tuple[int, int, int, int], label: str | None) -> Mask:
    array = np.zeros((size[1], size[0]), np.bool_)
    array[box[1] : box[3], box[0] : box[2]] = True
    return Mask.from_array(array, label=label)


def sets() -> list[MaskSet]:
    """A cup and a spoon in one image, a cat in the other."""
    coffee = [box_mask((600, 400), (10, 20, 110, 220), "cup"), box_mask((600, 400), (300, 20, 420, 60), "spoon")]
    cat = [box_mask((451, 300), (30, 30, 200, 250), "cat")]
    return [
        MaskSet(coffee, image=ImageRecord(600, 400, "coffee.jpg")),
        MaskSet(cat, image=ImageRecord(451, 300, "cats/chelsea.jpg")),
    ]


def opened_objects(folder: Path) -> Counter[tuple[str, str | None, int]]:
    """Image, class and area of all objects of a new project."""
    with Project(ProjectPlace.of(folder)) as project:
        project.import_annotations()
        names = {each.id: each.name for each in project.classes.all()}
        return Counter(
            (image.name, names.get(each.class_id) if each.class_id is not None else None, each.area)
            for image in project.images.listed()
            for each in project.sessions.objects(image.number)
        )


EXPECTED = Counter(
    {("coffee.jpg", "cup", 20000): 1, ("coffee.jpg", "spoon", 4800): 1, ("cats/chelsea.jpg", "cat", 37400): 1}
)


@pytest.mark.parametrize(
    ("format", "out"),
    [
        ("coco", "annotations.json"),
        ("coco", "old/instances.json"),
        ("labelme", "labelme"),
        ("yolo", "yolo"),
        ("cvat", "cvat.xml"),
        ("masks-json", "results"),
        ("voc", "voc"),
        ("csv", "boxes.csv"),
    ],
)
def test_annotations_of_a_format_are_opened(folder: Path, format: str, out: str) -> None:
    (folder / out).parent.mkdir(exist_ok=True)
    write_dataset(sets(), folder / out, format)
    assert opened_objects(folder) == EXPECTED
    assert opened_objects(folder) == EXPECTED, "they are read once"


def test_labelme_files_beside_the_images(folder: Path) -> None:
    write_dataset(sets(), folder.parent / "labelme", "labelme")
    shutil.copy(folder.parent / "labelme" / "coffee.json", folder)
    shutil.copy(folder.parent / "labelme" / "cats" / "chelsea.json", folder / "cats")
    assert opened_objects(folder) == EXPECTED


def test_the_folder_that_segment_writes(folder: Path) -> None:
    image = open_image(folder / "coffee.jpg")
    masks = MaskSet(sets()[0], image=image)
    masks.save(folder / "out" / "coffee" / "masks.json")
    masks.draw().save(folder / "out" / "coffee" / "overlay.png")
    masks.save(folder / "out" / "coffee", format="png")
    with Project(ProjectPlace.of(folder)) as project:
        assert {each.name for each in project.images.listed()} == {"coffee.jpg", "cats/chelsea.jpg"}
    assert opened_objects(folder) == Counter({key: 1 for key in EXPECTED if key[0] == "coffee.jpg"})


def test_a_yolo_dataset_is_a_project_of_its_own(tmp_path: Path, folder: Path) -> None:
    write_dataset(sets(), tmp_path / "yolo", "yolo")
    for name in ("coffee.jpg", "cats/chelsea.jpg"):
        (tmp_path / "yolo" / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, tmp_path / "yolo" / "images" / name)
    assert opened_objects(tmp_path / "yolo") == Counter(
        {(f"images/{image}", label, area): 1 for image, label, area in EXPECTED}
    )


def test_label_maps_are_masks_and_no_images(folder: Path) -> None:
    write_dataset([sets()[0]], folder / "maps", "label-map")
    with Project(ProjectPlace.of(folder)) as project:
        assert project.images.count() == 2
    assert sum(opened_objects(folder).values()) == 2


def test_objects_that_two_files_have_are_opened_once(folder: Path) -> None:
    write_dataset(sets(), folder / "a.json", "coco")
    write_dataset(sets(), folder / "labelme", "labelme")
    assert opened_objects(folder) == EXPECTED
    with Project(ProjectPlace.of(folder)) as project:
        lines = project.as_dict()["import"]["left_out"]
    assert "coffee.jpg: there already: 2 objects of labelme/coffee.json" in lines


def test_what_somebody_has_worked_on_stays(folder: Path) -> None:
    with Project(ProjectPlace.of(folder)) as project:
        number = project.images.find("coffee.jpg")
        assert number is not None
        own = ObjectChange("own", box_mask((600, 400), (0, 0, 5, 5), None).rle)
        project.sessions.save(number, 0, [own])
    write_dataset(sets(), folder / "a.json", "coco")
    assert opened_objects(folder) == Counter({("coffee.jpg", None, 25): 1, ("cats/chelsea.jpg", "cat", 37400): 1})


def test_what_cannot_be_opened_is_listed(folder: Path) -> None:
    write_dataset(sets(), folder / "a.json", "coco")
    content = json.loads((folder / "a.json").read_text())
    content["images"][1] |= {"width": 450}
    for each in content["annotations"]:
        if each["image_id"] == content["images"][1]["id"]:
            each["segmentation"] = [[10, 10, 20, 10, 20, 20]]
    (folder / "a.json").write_text(json.dumps(content))
    (folder / "settings.json").write_text('{"theme": "dark"}')
    (folder / "damaged.json").write_text('{"shapes": [{}]}')
    opened_objects(folder)
    with Project(ProjectPlace.of(folder)) as project:
        about = project.as_dict()
    assert [each["name"] for each in about["skipped"]["files"]] == ["settings.json"]
    assert any("there is no image cats/chelsea.jpg of 450 x 300 pixels" in line for line in about["import"]["left_out"])
    assert any(line.startswith("damaged.json: ") for line in about["import"]["left_out"])


def test_objects_that_nobody_changed_are_written_as_they_were_read(folder: Path) -> None:
    write_dataset(sets(), folder / "a.json", "coco", polygons=True)
    before = {each["image_id"]: each for each in json.loads((folder / "a.json").read_text())["annotations"]}
    with Project(ProjectPlace.of(folder)) as project:
        project.import_annotations()
        chosen = chosen_images(project.images, only_done=False)
        written = list(read_sets(project.images, project.sessions, project.classes, chosen))
        write_dataset(written, folder.parent / "b.json", "coco", polygons=True)
    after = {each["image_id"]: each for each in json.loads((folder.parent / "b.json").read_text())["annotations"]}
    assert sorted(str(each["segmentation"]) for each in before.values()) == sorted(
        str(each["segmentation"]) for each in after.values()
    )


def test_an_image_beside_its_annotations_is_meant_rather_than_one_of_the_same_name(folder: Path) -> None:
    (folder / "copies").mkdir()
    shutil.copy(folder / "coffee.jpg", folder / "copies")
    for name, path in (("a.json", "coffee.jpg"), ("copies/b.json", "C:\\data\\coffee.jpg")):
        sets()[0].replace(image=ImageRecord(600, 400, path)).save(folder / name, "masks-json")
    expected = {key: count for key, count in EXPECTED.items() if key[0] == "coffee.jpg"}
    copies = {("copies/coffee.jpg", label, area): 1 for _, label, area in expected}
    assert opened_objects(folder) == Counter(expected | copies)


def test_folders_of_masks_are_masks_and_no_images(folder: Path) -> None:
    for place in ("masks/coffee.png", "cats/masks/chelsea_mask.png"):
        (folder / place).parent.mkdir(parents=True)
    sets()[0][1:].save(folder / "masks" / "coffee.png")
    sets()[1].save(folder / "cats" / "masks" / "chelsea_mask.png")
    shutil.copy(folder / "coffee.jpg", folder / "masks" / "an image of a mask.jpg")
    with Project(ProjectPlace.of(folder)) as project:
        names = {each.name for each in project.images.listed()}
    assert names == {"coffee.jpg", "cats/chelsea.jpg", "masks/an image of a mask.jpg"}
    areas = {(image, area): count for (image, _, area), count in opened_objects(folder).items()}
    assert areas == {("coffee.jpg", 4800): 1, ("cats/chelsea.jpg", 37400): 1}


def _write_boxes(folder: Path) -> None:
    """Boxes without masks of a cup and a spoon as COCO, of the cup as Pascal VOC, too, and of a cat that is nowhere."""
    images = [{"id": 1, "file_name": "coffee.jpg", "width": 600, "height": 400},
              {"id": 2, "file_name": "gone.jpg", "width": 30, "height": 30}]  # fmt: skip
    boxes = [(1, 1, [170, 14, 242, 250]), (1, 2, [315.4, 65, 114.9, 265]), (2, 1, [0, 0, 9, 9])]
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0, "area": box[2] * box[3]}
        for n, (image, category, box) in enumerate(boxes)
    ]
    categories = [{"id": 1, "name": "cup"}, {"id": 2, "name": "spoon"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))
    (folder / "Annotations").mkdir()
    box = "<bndbox><xmin>171</xmin><ymin>15</ymin><xmax>412</xmax><ymax>264</ymax></bndbox>"
    (folder / "Annotations" / "coffee.xml").write_text(
        "<annotation><filename>coffee.jpg</filename><size><width>600</width><height>400</height></size>"
        f"<object><name>cup</name>{box}</object></annotation>"
    )


def test_boxes_without_masks_are_suggestions_and_none_is_dropped_silently(folder: Path) -> None:
    _write_boxes(folder)
    assert opened_objects(folder) == Counter(), "no mask was made, so nothing is an object"
    with Project(ProjectPlace.of(folder)) as project:
        about = project.as_dict()
        number = project.images.find("coffee.jpg")
        assert number is not None
        session = project.sessions.read(number)
        classes = {each.name: each.id for each in project.classes.all()}
    assert about["skipped"]["files"] == []
    assert {each["name"]: each["boxes"] for each in about["import"]["files"]} == {"./": 1, "boxes.json": 1}
    found = [(each.label, each.box, each.area, session.class_of[each.label]) for each in session.suggestions]
    assert sorted(found) == [
        ("cup", [170, 14, 412, 264], 0, classes["cup"]),
        ("spoon", [315, 65, 430, 330], 0, classes["spoon"]),
    ]
    assert session.image.state == "todo", "nobody has decided about them"
    lines = about["import"]["left_out"]
    assert any("1 box of" in line and "there already" in line for line in lines)
    assert any("there is no image gone.jpg of 30 x 30 pixels" in line for line in lines)


def test_a_box_of_an_object_is_no_suggestion_besides(folder: Path) -> None:
    write_dataset(sets(), folder / "a.json", "coco")
    content = json.loads((folder / "a.json").read_text())
    (folder / "labels").mkdir()
    opened_objects(folder)
    for each in content["annotations"]:
        del each["segmentation"]
    (folder / "b.json").write_text(json.dumps(content))
    assert opened_objects(folder) == EXPECTED
    with Project(ProjectPlace.of(folder)) as project:
        about = project.as_dict()
    assert about["suggestions"] == 0
    assert "coffee.jpg: there already: 2 boxes of b.json" in about["import"]["left_out"]
