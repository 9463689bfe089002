"""Exports as tools hand them out: ZIP archives, splits in folders, lists, names of other systems."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile

from anymask.cli import main
from anymask.errors import InputError
from anymask.formats.datasets import read_dataset
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask_image import read_labels

SIZE = (60, 40)
TRIANGLE = [5.5, 5.25, 40.5, 6, 30.25, 35.75]
LINE = "0 0.5 0.5 0.25 0.2\n"


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", SIZE, (90, 120, 30)).save(path)
    return path


def text(path: Path, content: str | dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def coco(*names: str, category: int = 1) -> dict[str, Any]:
    images = [{"id": i, "file_name": name, "width": 60, "height": 40} for i, name in enumerate(names)]
    about = {
        "category_id": category,
        "iscrowd": 0,
        "segmentation": [TRIANGLE],
        "bbox": [5.5, 5.25, 35, 30.5],
        "area": 5,
    }
    annotations = [{"id": i, "image_id": i, **about} for i in range(len(names))]
    classes = [{"id": 0, "name": "animals"}, {"id": 1, "name": "cat", "supercategory": "animals"}]
    return {"info": {}, "categories": classes, "images": images, "annotations": annotations}


def zipped(folder: Path, *, below: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path(below) / file.relative_to(folder))
        archive.writestr("__MACOSX/._data.yaml", b"\0\5\x16\7")
        archive.writestr(".DS_Store", b"\0")
    return path


def names_of(path: Path) -> list[str | None]:
    return [masks.record.path for masks in read_dataset(path)]


@pytest.fixture
def roboflow(tmp_path: Path) -> Path:
    """COCO as Roboflow exports it: one file for each part, with the same ids, and here the same name of an image."""
    folder = tmp_path / "pets.v1i.coco"
    for part in ("train", "valid", "test"):
        image(folder / part / "same.jpg")
        image(folder / part / f"{part}.jpg")
        text(folder / part / "_annotations.coco.json", coco("same.jpg", f"{part}.jpg"))
    text(folder / "README.roboflow.txt", "pets > v1")
    return folder


@pytest.mark.parametrize("is_zip", [False, True])
def test_roboflows_parts_stay_parts(is_zip: bool, roboflow: Path, tmp_path: Path) -> None:
    source = zipped(roboflow) if is_zip else roboflow
    out = tmp_path / "out"
    assert main(["convert", str(source), "--to", "yolo", "--out", str(out), "--copy", "--strict"]) == 0
    images = {str(file.relative_to(out / "images")) for file in (out / "images").rglob("*.jpg")}
    parts = {"train": "train", "val": "valid", "test": "test"}
    assert images == {f"{part}/{name}.jpg" for part, own in parts.items() for name in ("same", own)}
    assert {file.parent.name for file in (out / "labels").rglob("*.txt")} == set(parts)
    assert (out / "data.yaml").read_text().startswith("train: images/train\nval: images/val\ntest: images/test\n")


def test_files_of_one_folder_may_have_images_of_one_name(tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        text(tmp_path / "annotations" / f"instances_{part}.json", coco("1.jpg"))
    found = list(read_dataset(tmp_path))
    assert [each.record.path for each in found] == ["1.jpg", "annotations/instances_val2017/1.jpg"]
    assert [each.record.split for each in found] == ["train", "val"]


@pytest.mark.parametrize("below", ["", "export"])
def test_archives_of_cvat_and_label_studio_with_their_images(below: str, tmp_path: Path) -> None:
    shape = '<polygon label="cat" occluded="0" points="5,5;40,6;30,35" z_order="0"/>'
    entry = f'<image id="0" name="b.png" width="60" height="40">{shape}</image>'
    text(tmp_path / "cvat" / "annotations.xml", f"<annotations><version>1.1</version>{entry}</annotations>")
    image(tmp_path / "cvat" / "images" / "b.png")
    text(tmp_path / "studio" / "labels" / "1f2e-a.txt", LINE)
    text(tmp_path / "studio" / "classes.txt", "cat\ndog\n")
    text(tmp_path / "studio" / "notes.json", {"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]})
    image(tmp_path / "studio" / "images" / "1f2e-a.jpg")
    for name, picture in (("cvat", "b.png"), ("studio", "1f2e-a.jpg")):
        out = tmp_path / f"{name}-out"
        archive = zipped(tmp_path / name, below=below)
        assert names_of(archive) == [picture]
        assert main(["convert", str(archive), "--to", "yolo", "--out", str(out), "--copy", "--strict"]) == 0
        assert (out / "images" / picture).read_bytes() == next((tmp_path / name / "images").iterdir()).read_bytes()
        assert main(["stats", str(archive), "--json"]) == 0


def test_messages_name_the_archive_and_not_where_it_was_unpacked(roboflow: Path, tmp_path: Path, capsys: Any) -> None:
    content = coco("same.jpg")
    content["annotations"][0]["image_id"] = 99
    text(roboflow / "train" / "_annotations.coco.json", content)
    archive = zipped(roboflow)
    call = ["convert", str(archive), "--to", "coco", "--out", str(tmp_path / "out.json")]
    assert main([*call, "--strict"]) == 2
    assert f"{archive}/train/_annotations.coco.json" in capsys.readouterr().err
    assert main(call) == 0
    assert f"{archive}/train/_annotations.coco.json, annotation 0: annotation without image" in capsys.readouterr().out
    assert main([*call, "--link"]) == 2
    assert "use --copy" in capsys.readouterr().err
    (tmp_path / "broken.zip").write_bytes(archive.read_bytes()[:200])
    assert main(["convert", str(tmp_path / "broken.zip"), *call[2:]]) == 2
    assert capsys.readouterr().err.startswith(f"anymask: cannot unpack {tmp_path / 'broken.zip'}: ")


def test_names_in_an_archive_cannot_lead_out_of_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../outside.json", json.dumps(coco("a.jpg")))
        archive.writestr("/absolute.json", json.dumps(coco("b.jpg")))
    assert sorted(map(str, names_of(tmp_path / "evil.zip"))) == ["a.jpg", "b.jpg"]
    assert sorted(file.name for file in tmp_path.parent.iterdir() if file.name == "outside.json") == []


def test_archives_of_windows_with_backslashes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name, content in (("yolo\\labels\\a.txt", LINE), ("yolo\\data.yaml", "names: [cat]\ntrain: images\n")):
            archive.writestr(name.replace("\\", "/"), content)
        archive.write(image(tmp_path / "a.jpg"), "yolo/images/a.jpg")
    content = (tmp_path / "export.zip").read_bytes()
    for name in (b"yolo/labels/a.txt", b"yolo/data.yaml", b"yolo/images/a.jpg"):
        content = content.replace(name, name.replace(b"/", b"\\"))
    (tmp_path / "export.zip").write_bytes(content)
    (found,) = read_dataset(tmp_path / "export.zip")
    assert (found.record.path, [box.label for box in found.box_annotations]) == ("a.jpg", ["cat"])


def test_cocos_panoptic_segments_become_masks(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60), np.uint32)
    numbers[5:20, 5:30], numbers[20:, 30:] = 70_000, 5
    channels = np.dstack([numbers % 256, numbers // 256 % 256, numbers // 65536]).astype(np.uint8)
    (tmp_path / "panoptic_val2017").mkdir()
    PIL.Image.fromarray(channels).save(tmp_path / "panoptic_val2017" / "a.png")
    segments = [
        {"id": 70_000, "category_id": 1, "iscrowd": 0},
        {"id": 5, "category_id": 0},
        {"id": 9, "category_id": 1},
    ]
    content = {**coco("a.jpg", "b.jpg"), "annotations": [
        {"image_id": 0, "file_name": "a.png", "segments_info": segments},
        {"image_id": 1, "file_name": "b.png", "segments_info": segments},
    ]}  # fmt: skip
    with collect_skipped() as skipped:
        first, second = read_dataset(text(tmp_path / "panoptic_val2017.json", content))
    assert [(mask.label, mask.area) for mask in first] == [("cat", 375), ("animals", 600)]
    assert np.array_equal(first[0].array, numbers == 70_000)
    assert len(second) == 0
    assert skipped.counts == {"broken annotation": 1, "panoptic annotation": 1}


def test_images_without_annotations_are_images_without_objects(tmp_path: Path) -> None:
    content = {name: each for name, each in coco("a.jpg", "b.jpg").items() if name != "annotations"}
    assert names_of(text(tmp_path / "image_info_test.json", content)) == ["a.jpg", "b.jpg"]


def test_the_short_list_of_label_studio_is_recognised(tmp_path: Path) -> None:
    region = {"points": [[10, 10], [50, 10], [40, 60]], "closed": True, "polygonlabels": ["cat"]}
    sizes = {"original_width": 60, "original_height": 40}
    about = {"id": 3, "annotator": 1, "annotation_id": 7, "lead_time": 3.2}
    tasks = [{"image": "/data/upload/1/x-b.jpg", **about}, {"image": "a.jpg", "label": [{**region, **sizes}], **about}]
    with collect_skipped() as skipped:
        (found,) = read_dataset(text(tmp_path / "min.json", json.dumps(tasks)))
    assert (found.labels, found.record.path, skipped.counts) == (["cat"], "a.jpg", {"image without size": 1})


def yolo_of(folder: Path) -> list[tuple[str | None, list[str | None]]]:
    with collect_skipped(strict=True):
        return [(each.record.path, [box.label for box in each.box_annotations]) for each in read_dataset(folder)]


def test_darknets_folders_as_cvat_exports_them(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        image(tmp_path / f"obj_{part}_data" / f"{part}.jpg")
        text(tmp_path / f"obj_{part}_data" / f"{part}.txt", LINE)
    text(tmp_path / "obj.names", "cat\ndog\n")
    text(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    text(tmp_path / "train.txt", "data/obj_train_data/train.jpg\n")
    assert yolo_of(tmp_path) == [("obj_train_data/train.jpg", ["cat"]), ("obj_valid_data/valid.jpg", ["cat"])]
    assert [each.record.split for each in read_dataset(tmp_path)] == ["train", "val"]


def test_lists_of_cvat_have_a_folder_before_all_paths(tmp_path: Path) -> None:
    image(tmp_path / "images" / "train" / "a.png")
    text(tmp_path / "labels" / "train" / "a.txt", LINE)
    text(tmp_path / "data.yaml", "names:\n  0: cat\npath: .\ntrain: train.txt\n")
    text(tmp_path / "train.txt", "data/images/train/a.png\n")
    assert yolo_of(tmp_path) == [("train/a.png", ["cat"])]


def test_labels_beside_images_need_no_names_of_classes(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    text(tmp_path / "labels" / "a.txt", LINE)
    assert yolo_of(tmp_path) == [("a.png", ["0"])]
    text(tmp_path / "annotations" / "instances_val2017.json", coco("a.png"))  # as Ultralytics has COCO
    assert [each.labels for each in read_dataset(tmp_path)] == [["cat"]]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_of_macos_and_of_others_are_the_same_name(forms: tuple[Any, Any], tmp_path: Path) -> None:
    on_disk, stated = (unicodedata.normalize(form, "bücher.jpg") for form in forms)
    image(tmp_path / "yolo" / "images" / on_disk)
    text(tmp_path / "yolo" / "labels" / stated.replace(".jpg", ".txt"), LINE)
    assert [labels for _, labels in yolo_of(tmp_path / "yolo")] == [["0"]]
    source = text(tmp_path / "coco" / "a.json", coco(stated))
    image(tmp_path / "coco" / "images" / on_disk)
    call = ["convert", str(source), "--to", "yolo", "--out", str(tmp_path / "out"), "--copy", "--strict"]
    assert main(call) == 0


XML = """<annotation><folder>x</folder><filename>a.jpg</filename><path>C:\\x\\a.jpg</path>
<size><width>{}</width><height>{}</height><depth>3</depth></size>
<object><name>cat</name><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>50</xmax><ymax>30</ymax></bndbox>
<part><name>head</name><bndbox><xmin>12</xmin><ymin>12</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></part></object>
</annotation>"""


@pytest.mark.parametrize("size", [SIZE, (0, 0)])
def test_boxes_of_labelimg_without_masks(size: tuple[int, int], tmp_path: Path) -> None:
    text(tmp_path / "voc" / "Annotations" / "a.xml", XML.format(*size))
    image(tmp_path / "voc" / "JPEGImages" / "a.jpg")
    text(tmp_path / "flat" / "a.xml", XML.format(*size))
    image(tmp_path / "flat" / "a.jpg")
    sources = (
        tmp_path / "voc",
        tmp_path / "voc" / "Annotations" / "a.xml",
        tmp_path / "flat",
        tmp_path / "flat" / "a.xml",
    )
    for source in sources:
        with collect_skipped(strict=True):
            (found,) = read_dataset(source)
        assert (found.record.path, found.size) == ("a.jpg", SIZE)
        assert [(box.label, box.box) for box in found.box_annotations] == [("cat", (9, 9, 50, 30))]
    (tmp_path / "flat" / "a.jpg").unlink()
    if size == (0, 0):
        with pytest.raises(InputError, match="it states no size, and the image is not beside it"):
            list(read_dataset(tmp_path / "flat" / "a.xml"))


@pytest.mark.parametrize("value", [1, 255])
def test_a_folder_with_a_mask_for_each_image(value: int, tmp_path: Path) -> None:
    """Also where one image has no object, and one has numbers of objects."""
    inside = np.zeros((40, 60), np.uint8)
    inside[5:20, 5:30] = 1
    masks = {"a.png": inside * value, "b_mask.png": inside * 0, "c.png": inside + np.roll(inside, 30, axis=1) * 2}
    (tmp_path / "masks").mkdir()
    for name, array in masks.items():
        PIL.Image.fromarray(array).save(tmp_path / "masks" / name)
    for name in "abc":
        image(tmp_path / "images" / f"{name}.jpg")
    for source in (tmp_path, tmp_path / "masks"):
        with collect_skipped(strict=True):
            found = {each.record.path: [mask.area for mask in each] for each in read_dataset(source)}
        assert found == {"a.png": [375], "b.png": [], "c.png": [375, 375]}
        out = tmp_path / f"out-{source.name}"
        assert main(["convert", str(source), "--to", "yolo", "--out", str(out), "--copy", "--strict"]) == 0
        assert sorted(file.name for file in (out / "images").iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]
    assert [len(each) for each in read_dataset(tmp_path / "masks", "png")] == [1, 0, 2]
    with pytest.raises(InputError, match="no file of a known format"), collect_skipped():
        list(read_dataset(tmp_path / "images"))


def test_label_maps_of_32_bits_may_have_any_numbers(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60), np.uint32)
    numbers[5:20, 5:30], numbers[20:, 30:] = 4_000_000_000, 100_000
    tifffile.imwrite(tmp_path / "ids.tif", numbers)
    (found,) = read_dataset(tmp_path / "ids.tif")
    assert [mask.area for mask in found] == [600, 375]  # in the order of their numbers
    assert np.array_equal(read_labels(tmp_path / "ids.tif") == 2, numbers == 4_000_000_000)
    tifffile.imwrite(tmp_path / "one.tif", np.where(numbers == 100_000, numbers, 0))
    (found,) = read_dataset(tmp_path / "one.tif")
    assert [mask.area for mask in found] == [600]
    noise = np.random.default_rng(0).integers(0, 2**32, (40, 60), np.uint32)
    tifffile.imwrite(tmp_path / "noise.tif", noise)
    with pytest.raises(InputError, match="as a mask image"):
        list(read_dataset(tmp_path / "noise.tif"))
