"""A YOLO dataset of ours as ultralytics checks and loads it, and one of another layout as both of us read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main
from anymask.formats.registry import find_format
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.polygons import polygons_to_mask
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import disc, ring

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`ultralytics.data.utils`, which would fetch a font for names that are not in ASCII."""
    from tests.reference.official_fastsam import torchvision_for_ultralytics

    with torchvision_for_ultralytics(tmp_path_factory.mktemp("settings")):
        from ultralytics.data import utils

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(utils, "check_font", lambda name: None)
            yield utils


def loaded(data: Any, yaml: Path, split: str = "train") -> dict[str, tuple[list[int], list[np.ndarray]]]:
    """Image → classes and segments, as the dataset of ultralytics collects them."""
    about = data.check_det_dataset(str(yaml), autodownload=False)
    images = sorted(str(path) for path in Path(about[split]).rglob("*") if path.suffix.lower() in (".png", ".jpg"))
    found = {}
    for image, labels in zip(images, data.img2label_paths(images), strict=True):
        entry = data.verify_image_label((image, labels, "", False, len(about["names"]), 0, 0, False))
        assert entry[0] is not None, entry[-1]
        found[Path(image).name] = ([about["names"][int(row[0])] for row in entry[1]], entry[3])
    return found


def test_our_dataset_passes_from_any_folder(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    framed = np.pad(ring(120, 150, 25), 10)
    parts = np.zeros_like(framed)
    parts[60:80, 60:110] = parts[100:108, 60:75] = True
    masks = [Mask.from_array(framed, label="tasse 😀"), Mask.from_array(parts, label="no"), disc(140, 170, 50)]
    masks = [each if isinstance(each, Mask) else Mask.from_array(each, label="1") for each in masks]
    sets = [
        MaskSet(masks, image=ImageRecord(170, 140, "in/first.png")),
        MaskSet([], image=ImageRecord(170, 140, "in/background.png")),
    ]
    find_format("yolo").write_dataset(sets, tmp_path / "out")
    for each in sets:
        path = tmp_path / "out" / "images" / str(each.record.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", each.size).save(path)
    shutil.move(tmp_path / "out", tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = loaded(data, tmp_path / "moved" / "data.yaml")
    assert found["background.png"] == ([], [])
    classes, segments = found["first.png"]
    assert sorted(classes) == ["1", "no", "tasse 😀"]
    for label, segment in zip(classes, segments, strict=True):
        (mask,) = (mask for mask in masks if mask.label == label)
        assert iou(polygons_to_mask([[segment * (170, 140)]], (170, 140)), mask.array) > 0.999


def test_roboflows_layout_is_the_same_to_both(data: Any, tmp_path: Path) -> None:
    polygon = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
    for split, lines in (("train", f"\ufeff1.0 {polygon}\r\n"), ("valid", f"0 {polygon}\r\n1 {polygon}\r\n")):
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        PIL.Image.new("RGB", (80, 60)).save(tmp_path / split / "images" / "a.jpg")
        (tmp_path / split / "labels" / "a.txt").write_text(lines, "utf-8")
    yaml = tmp_path / "data.yaml"
    yaml.write_text("train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cup', 'plate']\n")
    ours = {str(each.record.path): each.labels for each in find_format("yolo").read_dataset(yaml)}
    assert ours == {"train/a.jpg": ["plate"], "valid/a.jpg": ["cup", "plate"]}
    for split, name in (("train", "train/a.jpg"), ("val", "valid/a.jpg")):
        assert loaded(data, yaml, split)["a.jpg"][0] == ours[name]


def test_a_split_with_its_images_passes_part_by_part(
    data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = []
    for number in range(20):
        labels = [] if number % 5 == 4 else ["cup", "plate"][: 1 + number % 2]
        masks = [Mask.from_array(disc(140, 170, 50), label=label) for label in labels]
        sets.append(MaskSet(masks, image=ImageRecord(170, 140, f"in/{number}.png")))
        path = tmp_path / "images" / str(sets[-1].record.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (170, 140)).save(path)
    find_format("coco").write_dataset(sets, tmp_path / "in.json")
    out = tmp_path / "out"
    call = ["convert", str(tmp_path / "in.json"), "--to", "yolo", "--out", str(out), "--split", "0.6,0.2,0.2", "--link"]
    assert main(call) == 0
    monkeypatch.chdir(tmp_path / "images")
    found = [loaded(data, out / "data.yaml", part) for part in ("train", "val", "test")]
    assert [len(part) for part in found] == [12, 4, 4]
    classes = {name: sorted(labels) for part in found for name, (labels, _) in part.items()}
    assert classes == {Path(str(each.record.path)).name: sorted(map(str, each.labels)) for each in sets}
