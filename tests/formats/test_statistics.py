"""The statistics of a dataset are those that pycocotools counts, and what is wrong with a dataset is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.image_files import ImageFinder
from anymask.formats.registry import find_format
from anymask.formats.statistics import OBJECT_SIZES, OVERLAP_IOU, measure_dataset, quantiles
from anymask.formats.statistics_chart import draw_statistics
from anymask.structures.annotation import Annotation, BoxAnnotation, Category, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

SIZE = (160, 120)
RANGES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


def square(label: str, x: int, y: int, width: int, height: int, crowd: bool = False) -> Mask:
    array = np.zeros(SIZE[::-1], bool)
    array[y : y + height, x : x + width] = True
    return Mask.from_array(array, label=label, annotation=Annotation(crowd=crowd))


def image(name: str, *masks: Mask, boxes: tuple[BoxAnnotation, ...] = ()) -> MaskSet:
    dataset = DatasetRecord("coco", (Category("never", 9),))
    return MaskSet(masks, image=ImageRecord(*SIZE, name), box_annotations=boxes, dataset=dataset)


shapes = st.lists(
    st.builds(square, st.sampled_from(["a", "b"]), st.integers(0, 60), st.integers(0, 20), st.integers(1, 99),
              st.integers(1, 99)), max_size=6,
)  # fmt: skip


@given(images=st.lists(shapes, min_size=1, max_size=4))
def test_counts_are_those_of_pycocotools(images: list[list[Mask]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("set") / "set.json"
    write_dataset([image(f"{place}.jpg", *masks) for place, masks in enumerate(images)], path, "coco")
    found, expected = measure_dataset(read_dataset(path)), COCO(str(path))
    assert found.images == len(expected.imgs)
    assert found.masks == len(expected.anns)
    assert sorted(found.areas) == sorted(each["area"] for each in expected.anns.values())
    for id, category in expected.cats.items():
        counts = found.classes[category["name"]]
        assert counts.objects == len(expected.getAnnIds(catIds=[id]))
        assert counts.images == len(expected.getImgIds(catIds=[id]))
        for size, (low, high) in RANGES.items():  # its limits are exclusive
            assert counts.sizes[size] == len(expected.getAnnIds(catIds=[id], areaRng=(low - 0.5, high - 0.5)))
    pairs = 0
    for id in expected.imgs:
        runs = [expected.annToRLE(each) for each in expected.imgToAnns[id]]
        ious = coco_masks.iou(runs, runs, [0] * len(runs)) if runs else np.zeros((0, 0))
        pairs += int(np.count_nonzero(np.triu(ious, 1) > OVERLAP_IOU))
    assert len(found.overlaps) == pairs


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    twice = square("cat", 10, 10, 20, 20)
    boxes = (BoxAnnotation((0, 0, 40, 40), "dog"), BoxAnnotation((0, 0, 40, 39), "dog"))
    sets = [
        image("a.jpg", twice, square("dog", 10, 10, 20, 20), square("cat", 10, 10, 20, 19), boxes=boxes),
        image("b.jpg"),
        image("c.jpg", square("cat", 0, 0, 0, 0), twice, square("cat", 9, 9, 22, 22, crowd=True)),
    ]
    found = measure_dataset(sets)
    assert (found.images, found.images_without_objects, found.masks, found.boxes) == (3, 1, 6, 2)
    assert (found.empty_masks, found.crowds) == (1, 1)
    assert found.classes["never"].objects == 0
    assert found.classes["dog"].objects == 3
    pairs = {(each.image, each.objects, each.is_duplicate) for each in found.overlaps}
    assert pairs == {
        ("a.jpg", (0, 1), False),
        ("a.jpg", (0, 2), True),
        ("a.jpg", (1, 2), False),
        ("a.jpg", (3, 4), True),
    }
    assert found.missing is None
    assert list(found.objects_per_image) == [5, 0, 3]


def test_quantiles_of_nothing_are_nothing() -> None:
    assert quantiles([]) == {}
    assert quantiles([4, 2]) == {"0%": 2, "5%": 2.1, "25%": 2.5, "50%": 3, "75%": 3.5, "95%": 3.9, "100%": 4}


def files(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", size).save(folder / name)


@pytest.mark.parametrize(
    ("annotations", "images", "name"),
    [("set.json", "a.jpg", "a.jpg"), ("set.json", "images/x/a.jpg", "x/a.jpg"), ("set.json", "set/a.jpg", "a.jpg"),
     ("annotations/instances_val.json", "images/val/a.jpg", "a.jpg"), ("annotations/set.json", "images/a.jpg", "a.jpg"),
     ("annotations/instances_val2017.json", "val2017/a.jpg", "a.jpg"), ("set.json", "images/a.jpg", "C:\\data\\a.jpg"),
     ("set.json", "images/b/a.jpg", "/elsewhere/b/a.jpg"), ("set.json", "images/a.png", "a.jpg"),
     ("set.json", "images/a.jpg", "https://example.org/b/a.jpg?w=1"), ("set.json", "a.jpg", "/home/me/a.jpg"),
     ("set.json", "b/a.jpg", "D:\\b\\a.jpg"), ("set.json", "a.jpg", "../other/a.jpg")],
)  # fmt: skip
def test_images_are_found_where_datasets_have_them(annotations: str, images: str, name: str, tmp_path: Path) -> None:
    files(tmp_path, images)
    (tmp_path / annotations).parent.mkdir(exist_ok=True)
    (tmp_path / annotations).write_text("{}")
    assert ImageFinder(tmp_path / annotations).find(ImageRecord(*SIZE, name)) == tmp_path / images
    assert ImageFinder(tmp_path / annotations).find(ImageRecord(5, 5, name)) is None, "it has another size"


def test_of_two_images_that_a_name_may_mean_none_is_taken(tmp_path: Path) -> None:
    files(tmp_path, "one/images/a.jpg", "two/images/a.jpg")
    finder = ImageFinder(tmp_path)
    assert finder.find(ImageRecord(*SIZE, "a.jpg")) is None
    assert finder.find(ImageRecord(*SIZE, "two/a.jpg")) == tmp_path / "two/images/a.jpg"


@pytest.mark.parametrize("name", ["yolo", "voc", "label-map", "png", "labelme"])
def test_masks_are_not_taken_for_images(name: str, tmp_path: Path) -> None:
    masks = image("a.png", square("cat", 10, 10, 20, 20), square("dog", 50, 50, 20, 20))
    out = tmp_path / ("a.png" if name == "png" else "set")
    if name == "png":
        find_format(name).write(masks[:1], out)
    else:
        write_dataset([masks], out, name)
    found = measure_dataset(read_dataset(out), ImageFinder(out).find)
    assert found.masks == 1 if name == "png" else 2
    assert len(found.missing or []) == 1


def test_a_chart_shows_each_class_and_fits_all_of_them() -> None:
    sets = [image(f"{n}.jpg", *(square(f"class {n} {'long ' * (n % 9)}ß猫", 0, 0, n + 1, 9) for _ in range(n % 30)))
            for n in range(60)]  # fmt: skip
    drawn = np.asarray(draw_statistics(measure_dataset(sets), "a dataset"))
    assert drawn.shape[1:] == (1600, 3)
    assert 700 < len(drawn) < 1400
    assert (drawn[8:-8, 8:-8] < 255).any()
    inner = drawn.copy()
    inner[8:-8, 8:-8] = 255
    assert (inner == 255).all(), "nothing runs over the border"
    few = np.asarray(draw_statistics(measure_dataset([]), ""))
    assert len(few) >= 700
    assert tuple(RANGES) == OBJECT_SIZES
