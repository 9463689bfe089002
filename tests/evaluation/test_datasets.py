"""Reading images with ground truth: the index and COCO's layout, and folders that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask import InputError
from anymask.cli import main
from anymask.evaluation import AnnotatedImage, load_dataset
from anymask.structures import rle
from anymask.structures.image_options import ImageOptions
from tests.support.small_datasets import SIZE, box_mask, coco_dataset, discs, index_dataset, write_index

SQUARE = {"segmentation": [[10, 20, 60, 20, 60, 70, 10, 70]], "area": 2500, "iscrowd": 0}


def only(images: list[AnnotatedImage]) -> AnnotatedImage:
    (image,) = images
    return image


def test_single_objects_and_label_maps_are_distinguished(tmp_path: Path) -> None:
    folder = index_dataset(tmp_path, 1)
    _, (disc, _) = discs(0)
    single = np.where(disc, 255, 0).astype(np.uint8)
    single[0] = 128
    Image.fromarray(single).save(folder / "single.png")
    write_index(folder, [("photo0.png", "single.png"), ("photo0.png", "mask0.png")])
    image = only(load_dataset(folder))
    assert [truth.name for truth in image.sample_objects()] == ["single", "mask0#1", "mask0#2"]
    first = next(iter(image.sample_objects()))
    assert (first.mask == disc).all()
    assert first.ignored.sum() == SIZE[0]
    assert len(list(only(load_dataset(folder, max_objects=1)).sample_objects())) == 1


def test_masks_of_different_annotators_are_segmentations_of_their_own(tmp_path: Path) -> None:
    folder = index_dataset(tmp_path, 2)
    rows = [("photo0.png", f"mask{i}.png", str(i)) for i in range(2)]
    write_index(folder, rows, ("image", "mask", "annotator"))
    assert len(only(load_dataset(folder)).segmentations) == 2
    write_index(folder, [row[:2] for row in rows])
    assert len(only(load_dataset(folder)).segmentations) == 1


def test_a_limit_chooses_by_the_seed_and_a_larger_one_takes_the_same_and_more(tmp_path: Path) -> None:
    folder = index_dataset(tmp_path, 6)
    few, more = ({each.name for each in load_dataset(folder, limit=limit)} for limit in (2, 4))
    assert len(few) == 2
    assert few < more
    assert {each.name for each in load_dataset(folder, limit=2, seed=1)} != few
    assert [each.name for each in load_dataset(folder, limit=9)] == [f"photo{i}.png" for i in range(6)]


def test_polygons_run_lengths_and_crowds_of_coco(tmp_path: Path) -> None:
    runs = rle.encode(box_mask(100, 20, 130, 50, SIZE))
    crowd = {"segmentation": rle.encode(box_mask(0, 100, 90, 160, SIZE)), "iscrowd": 1}
    tiny = {"segmentation": [[200, 10, 203, 10, 203, 13, 200, 13]], "area": 9}
    image = only(load_dataset(coco_dataset(tmp_path, [SQUARE, {"segmentation": runs}, crowd, tiny])))
    assert [truth.name for truth in image.sample_objects()] == ["a#100", "a#101"]
    (every,) = (list(each.objects()) for each in image.segmentations)
    assert [truth.crowd for truth in every] == [False, False, True, False]
    assert [truth.area for truth in every] == [2500, 900, 90 * 60, 9]
    assert every[0].mask.sum() == 2500
    assert (every[1].mask == box_mask(100, 20, 130, 50, SIZE)).all()
    assert every[0].label == "disc"


def test_polygons_are_filled_as_coco_fills_them(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    ring = [30.2, 30.7, 110.4, 41.3, 90.5, 120.9, 55.5, 99.1, 20.3, 110.8]
    folder = coco_dataset(tmp_path, [{"segmentation": [ring]}])
    coco = COCO(str(folder / "annotations" / "instances_val.json"))
    (truth,) = only(load_dataset(folder)).sample_objects()
    assert (truth.mask == coco.annToMask(coco.anns[100]).astype(bool)).all()


def test_a_changed_image_or_truth_has_another_digest(tmp_path: Path) -> None:
    folder = index_dataset(tmp_path, 1)
    before = only(load_dataset(folder)).digest()
    assert only(load_dataset(folder)).digest() == before
    Image.fromarray(np.full(SIZE[::-1], 255, np.uint8)).save(folder / "mask0.png")
    changed = only(load_dataset(folder)).digest()
    (folder / "photo0.png").write_bytes((folder / "photo0.png").read_bytes() + b"\0")
    assert len({before, changed, only(load_dataset(folder)).digest()}) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("photo0.png", "none.png")], "names 'none.png', which is not there"),
        ([], "names no images"),
        ([("photo0.png", "photo0.png")], "is not a mask"),
    ],
)
def test_an_index_that_does_not_hold_what_it_says_is_refused(
    rows: list[tuple[str, str]], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = index_dataset(tmp_path, 1)
    write_index(folder, rows)
    assert main(["evaluate", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("entry", "image", "message"),
    [
        ({"segmentation": [[1, 2, 3]]}, {}, "annotation 100: "),
        ({"segmentation": {"size": [5, 5], "counts": [25]}}, {}, r"annotation 100: its mask is [5, 5]"),
        ({"segmentation": {"size": [160, 240], "counts": [1]}}, {}, "add up to"),
        ({"bbox": [0, 0, 5, 5]}, {}, "has no segmentation"),
        ({**SQUARE, "category_id": 9}, {}, "has the category 9, which is none"),
        ({**SQUARE, "image_id": 9}, {}, "annotation without image: image 9 is not in 'images'"),
        (SQUARE, {"file_name": "b.png"}, "names 'b.png', which is not there"),
        (SQUARE, {"file_name": "../b.png"}, "leads out of the dataset"),
        (SQUARE, {"width": 239}, "its image (240, 160) pixels"),
    ],
)
def test_a_coco_dataset_that_cannot_be_right_is_refused_in_one_line(
    entry: dict, image: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco_dataset(tmp_path / "coco", [entry], **image)
    assert main(["evaluate", str(folder), "--clicks", "1", "--out", str(tmp_path / "out"), "-q"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_without_ground_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no index\.csv and no COCO annotations"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match="there is no dataset"):
        load_dataset(tmp_path / "none")
    write_index(tmp_path, [("a", "b")], ("picture", "mask"))
    with pytest.raises(InputError, match="needs the columns image and mask"):
        load_dataset(tmp_path)


def test_of_several_annotation_files_one_has_to_be_named(tmp_path: Path) -> None:
    folder = coco_dataset(tmp_path / "coco", [SQUARE])
    val = folder / "annotations" / "instances_val.json"
    other = val.with_name("instances_train.json")
    other.write_text(val.read_text())
    with pytest.raises(InputError, match="holds 2 annotation files"):
        load_dataset(folder)
    assert only(load_dataset(val)).path == folder / "val" / "a.png"
    assert only(load_dataset(other, images=folder / "val")).path == folder / "val" / "a.png"
    (tmp_path / "no.json").write_text(json.dumps({"images": []}))
    with pytest.raises(InputError, match="is no COCO annotation file"):
        load_dataset(tmp_path / "no.json")


def test_masks_of_any_file_type_are_read_and_255_of_a_palette_is_ignored(tmp_path: Path) -> None:
    numbers = np.zeros((40, 60), np.uint8)
    numbers[5:20, 5:20], numbers[5:20, 30:50], numbers[20:24, 5:50] = 1, 2, 255
    voc = Image.fromarray(numbers)
    voc.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    voc.save(tmp_path / "voc.png")
    Image.fromarray(np.where(numbers == 255, 0, numbers).astype(np.int32)).save(tmp_path / "wide.tif")
    Image.new("RGB", (60, 40)).save(tmp_path / "image.png")
    for name, ignored in (("voc.png", 180), ("wide.tif", 0)):
        (tmp_path / "index.csv").write_text(f"sep=;\nimage;mask\nimage.png;.\\{name}\n", encoding="utf-16")
        objects = list(only(load_dataset(tmp_path)).sample_objects())
        assert [each.area for each in objects] == [225, 300]
        assert [int(each.ignored.sum()) for each in objects] == [ignored] * 2


def test_images_are_opened_as_the_options_say_and_others_have_another_digest(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "deep.tif", np.arange(2400, dtype=np.uint16).reshape(40, 60))
    Image.fromarray(np.full((40, 60), 255, np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "index.csv").write_text("image,mask\ndeep.tif,mask.png\n")
    plain = only(load_dataset(tmp_path))
    windowed = only(load_dataset(tmp_path, opening=ImageOptions(window=(0, 240))))
    assert windowed.open().pixels[0, 24, 0] == 26
    assert plain.open().pixels[0, 24, 0] < 5
    assert windowed.digest() != plain.digest() == only(load_dataset(tmp_path, opening=ImageOptions())).digest()
