"""`anymask convert --copy` and `--link` bring the images along, and never over another file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import supervision as sv
from pycocotools.coco import COCO

from anymask.cli import main
from anymask.formats.datasets import read_dataset, write_dataset
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

NAMES = ("a.png", "x/b.png", "x/c.jpg", "gone.png", "d.png", "e.png", "x/f.png", "g.png", "h.png", "i.png")


def record_of(name: str) -> MaskSet:
    array = np.zeros((20, 30), bool)
    array[3:12, 5:20] = True
    return MaskSet([Mask.from_array(array, label="cup")], image=ImageRecord(30, 20, name))


def draw(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (30, 20), (level, level, level)).save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A COCO file beside its images, of which one is missing."""
    folder = tmp_path / "in"
    for place, name in enumerate(NAMES):
        if name != "gone.png":
            draw(folder / "images" / name, place * 20)
    write_dataset(map(record_of, NAMES), folder / "set.json", "coco")
    return folder / "set.json"


PLACES = [
    ("yolo", "out", "out/images"), ("voc", "out", "out/JPEGImages"), ("coco", "out/set.json", "out/images"),
    ("labelme", "out", "out"), ("cvat", "out/annotations.xml", "out/images"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["copy", "link"])
@pytest.mark.parametrize(("target", "out", "images"), PLACES)
def test_images_are_where_the_format_has_them(
    target: str, out: str, images: str, way: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    call = ["convert", str(source), "--to", target, "--out", str(tmp_path / out), f"--{way}", "--report", str(report)]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert f"image files: 9 {'copied' if way == 'copy' else 'linked'}, 1 missing" in said
    assert "left out: 1 × missing image" in said
    assert [each["where"] for each in json.loads(report.read_text())["skipped"]["entries"]] == ["gone.png"]
    for name in NAMES:
        placed = tmp_path / images / name
        if name == "gone.png":
            assert not placed.exists()
        else:
            assert placed.read_bytes() == (source.parent / "images" / name).read_bytes()
            assert placed.is_symlink() == (way == "link")
    assert len(list(read_dataset(tmp_path / out))) == len(NAMES)


def test_a_split_has_the_images_of_each_part(source: Path, tmp_path: Path) -> None:
    split = ["--split", "0.6,0.2,0.2", "--copy"]
    assert main(["convert", str(source), "--to", "yolo", "--out", str(tmp_path / "yolo"), *split]) == 0
    found = []
    for part, count in (("train", 6), ("val", 2), ("test", 2)):
        folders = [tmp_path / "yolo" / kind / part for kind in ("images", "labels")]
        assert len(list(folders[1].rglob("*.txt"))) == count
        for folder in {each.parent for each in folders[0].rglob("*.*")}:
            labels = folders[1] / folder.relative_to(folders[0])
            loaded = sv.DetectionDataset.from_yolo(
                str(folder), str(labels), str(tmp_path / "yolo" / "data.yaml"), force_masks=True
            )
            found += [Path(name).name for name, _, detections in loaded if len(detections) == 1]
    assert sorted(found) == sorted(Path(name).name for name in NAMES if name != "gone.png")
    assert main(["convert", str(source), "--to", "coco", "--out", str(tmp_path / "coco"), *split]) == 0
    for part in ("train", "val", "test"):
        for each in COCO(str(tmp_path / "coco" / f"{part}.json")).dataset["images"]:
            assert (tmp_path / "coco" / "images" / each["file_name"]).is_file() == (each["file_name"] != "gone.png")


def test_images_of_one_name_from_two_inputs_stay_apart(tmp_path: Path) -> None:
    for place, name in enumerate(("one", "two")):
        draw(tmp_path / name / "a.png", 50 + place)
        write_dataset([record_of("a.png")], tmp_path / name / f"{name}.json", "coco")
    inputs = [str(tmp_path / name / f"{name}.json") for name in ("one", "two")]
    assert main(["convert", *inputs, "--to", "voc", "--out", str(tmp_path / "out"), "--copy"]) == 0
    images = tmp_path / "out" / "JPEGImages"
    levels = {name: int(np.asarray(PIL.Image.open(images / name)).max()) for name in ("a.png", "two/a.png")}
    assert levels == {"a.png": 50, "two/a.png": 51}


NAMED = [
    ("https://example.org/x/a.png?w=1", "a.png", "a.png"), ("/home/me/x/a.png", "x/a.png", "a.png"),
    ("D:\\data\\a.png", "a.png", "a.png"), ("x/a.jpg", "x/a.png", "x/a.png"), ("x/a", "x/a.png", "x/a.png"),
    ("a.PNG", "a.PNG", "a.PNG"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "placed"), NAMED)
@pytest.mark.parametrize("target", ["yolo", "voc", "coco"])
def test_an_image_gets_a_name_in_the_dataset(name: str, file: str, placed: str, target: str, tmp_path: Path) -> None:
    draw(tmp_path / "in" / file, 3)
    image = {"id": 7, "file_name": name, "width": 30, "height": 20}
    (tmp_path / "in" / "set.json").write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    out = tmp_path / "out" / ("set.json" if target == "coco" else "")
    assert main(["convert", str(tmp_path / "in" / "set.json"), "--to", target, "--out", str(out), "--copy"]) == 0
    folder = tmp_path / "out" / ("JPEGImages" if target == "voc" else "images")
    assert [each.relative_to(folder).as_posix() for each in folder.rglob("*.*")] == [placed]
    assert [each.record.path for each in read_dataset(out)] == [placed]


def test_an_image_that_is_there_stays(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    draw(out / "images" / "a.png", 0)
    call = ["convert", str(source), "--to", "yolo", "--out", str(out), "--copy"]
    assert main(call) == 0
    assert "8 copied, 1 there already, 1 missing" in capsys.readouterr().out
    other = tmp_path / "other"
    draw(other / "images" / "x" / "f.png", 1)
    before = (other / "images" / "x" / "f.png").read_bytes()
    assert main([*call[:5], str(other), "--copy"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "f.png already exists" in error
    assert [path.name for path in other.rglob("*") if path.is_file()] == ["f.png"]
    assert (other / "images" / "x" / "f.png").read_bytes() == before
    assert main(["convert", str(source), "--to", "coco", "--out", str(source.parent / "new.json"), "--copy"]) == 0
    assert "9 there already" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["yolo", "labelme"])
def test_an_interrupted_copy_leaves_nothing(
    target: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[object] = []

    def interrupted(*_: object) -> None:
        copied.append(_)
        if len(copied) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("anymask.formats.image_files.shutil.copyfileobj", interrupted)
    assert main(["convert", str(source), "--to", target, "--out", str(tmp_path / "new" / "out"), "--copy"]) == 130
    assert len(copied) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_a_single_image_comes_along(source: Path, tmp_path: Path) -> None:
    write_dataset([record_of("x/c.jpg")], source.parent / "one.json", "coco")
    call = ["convert", str(source.parent / "one.json"), "--copy", "--to"]
    assert main([*call, "labelme", "--out", str(tmp_path / "new" / "c.json")]) == 0
    assert sorted(each.name for each in (tmp_path / "new").iterdir()) == ["c.jpg", "c.json"]
    assert main([*call, "yolo", "--out", str(tmp_path / "yolo")]) == 0
    assert (tmp_path / "yolo" / "images" / "x" / "c.jpg").is_file()


@pytest.mark.parametrize(
    ("wrong", "said"), [(["--to", "png"], "cannot hold images"), (["--to", "yolo", "--strict"], "gone.png")]
)
def test_what_cannot_be_is_one_line(
    wrong: list[str], said: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(source), "--out", str(tmp_path / "out"), "--copy", *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_left_out_of_an_input_is_counted_once(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(source.read_text())
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 1, "bbox": [1, 1, 0, 0], "segmentation": []})
    source.write_text(json.dumps(content))
    call = ["convert", str(source), "--to", "coco", "--out", str(tmp_path / "out"), "--split", "0.5,0.5", "--json"]
    assert main([*call, "--drop", "cup"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["skipped"] == {"broken annotation": 1}
    assert found["dropped"] == {"objects of other classes": 10}
    assert found["split"] == {"train": 5, "val": 5}


@pytest.mark.slow
def test_images_of_a_batch_are_where_it_had_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder can have any name, and be moved: it states which images it was given."""
    monkeypatch.chdir(tmp_path)
    draw(Path("some/photos/one.png"), 100)
    Path("points.csv").write_text("image,x,y\none.png,12,8\n")
    assert main(["batch", "some/photos", "--out", "found", "--prompts", "points.csv", "--quiet"]) == 0
    capsys.readouterr()
    for results, out in (("found", "first"), ("elsewhere/found", "second")):
        if not Path(results).exists():
            Path("elsewhere").mkdir()
            Path("found").rename(results)
        assert main(["convert", results, "--to", "labelme", "--out", out, "--copy"]) == 0
        assert "image files: 1 copied" in capsys.readouterr().out
        assert sorted(path.name for path in Path(out).iterdir()) == ["one.json", "one.png"]
