"""What the user names, and the images that result."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from anymask import InputError
from anymask.batch.inputs import ImageInput, Inputs
from anymask.batch.prompt_files import read_prompts


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images, other files, hidden ones, a link back to itself, and earlier results."""
    for name in (
        "b/frame_10.JPG",
        "b/frame_2.jpg",
        "a.png",
        "notes.md",
        ".hidden.jpg",
        "favicon.ico",
        "clip.mp4",
        "b/.trash/old.jpg",
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "photos" / "out" / "png").mkdir(parents=True)
    (tmp_path / "photos" / "out" / "png" / "mask_000.png").write_bytes(b"x")
    (tmp_path / "photos" / "b" / "round").symlink_to(tmp_path / "photos", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*names: str, **more: Any) -> list[str]:
    return [image.key for image in Inputs(names, **more)]


def test_a_folder_is_walked_in_natural_order_without_hidden_files_links_back_and_results(tree: Path) -> None:
    assert keys("photos", without="photos/out") == ["a.png", "b/frame_2.jpg", "b/frame_10.JPG"]
    assert keys("photos/", without=str(tree / "photos" / "out")) == keys("photos", without="photos/out")


def test_patterns_lists_and_single_images(tree: Path) -> None:
    assert keys("photos/b/*.[jJ]*") == ["frame_2.jpg", "frame_10.JPG"]
    (tree / "photos" / "out" / "png" / "mask_000.png").unlink()
    assert keys("photos/**/frame*") == ["b/frame_2.jpg", "b/frame_10.JPG"]
    (tree / "photos" / "list.txt").write_text("# chosen\nb/frame_10.JPG\n\n  a.png \nmissing.png\nphotos/a.png\n")
    listed = list(Inputs(["photos/list.txt"]))
    assert [image.key for image in listed] == ["b/frame_10.JPG", "a.png", "missing.png", "photos/a.png"]
    assert [bool(image.stamp) for image in listed] == [True, True, False, True]
    assert keys("photos/a.png") == ["a.png"]
    assert keys("photos/a.png", "photos/b/frame_2.jpg") == ["a.png", "b/frame_2.jpg"]
    (tree / "photos" / "c").mkdir()
    (tree / "photos" / "c" / "frame_2.jpg").write_bytes(b"another")
    apart = ["b/frame_2.jpg", "c/frame_2.jpg"]
    assert keys("photos/b/frame_2.jpg", "photos/c/frame_2.jpg") == apart
    assert keys("photos/b/frame_2*", str(tree / "photos" / "c" / "frame*")) == apart


def test_a_pattern_sign_in_a_real_name_is_no_pattern(tree: Path) -> None:
    (tree / "odd[1].jpg").write_bytes(b"x")
    assert keys("odd[1].jpg") == ["odd[1].jpg"]


@pytest.mark.parametrize("name", ["../../etc/x.jpg", "/abs/x.jpg", "a/../../x.jpg", "./x.jpg"])
def test_no_name_leads_out_of_the_results(tree: Path, name: str) -> None:
    (tree / "list.txt").write_text(name + "\n")
    (key,) = keys("list.txt")
    assert not key.startswith(("/", "."))
    assert ".." not in key.split("/")


def test_what_is_not_there_is_refused(tree: Path) -> None:
    with pytest.raises(InputError, match="there is no nowhere"):
        Inputs(["nowhere"])
    with pytest.raises(InputError, match=r"there is no p\.csv"):
        Inputs(["photos"], prompts="p.csv")


COCO = {
    "images": [{"id": 7, "file_name": "frame_2.jpg"}, {"id": 8, "file_name": "a.png"}, {"id": 9, "file_name": "z.jpg"}],
    "categories": [{"id": 3, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 8, "bbox": [10, 20, 30.5, 40], "category_id": 3},
        {"id": 2, "image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 3, "iscrowd": 0},
        {"id": 3, "image_id": 8, "bbox": [5, 5, 5, 5], "category_id": 3, "iscrowd": 1},
        {"id": 4, "image_id": 8, "bbox": [0, 0, 9, 9]},
    ],
}


def test_boxes_of_a_coco_file_find_their_images_by_path_or_by_name(tree: Path) -> None:
    Path("boxes.json").write_text(json.dumps(COCO))
    inputs = Inputs(["photos"], prompts="boxes.json", without="photos/out")
    images: dict[str, ImageInput] = {image.key: image for image in inputs}
    assert list(images) == ["b/frame_2.jpg", "a.png", "z.jpg"]
    assert images["a.png"].prompts == (
        {"points": [], "labels": [], "box": [10, 20, 40.5, 60], "name": "dog"},
        {"points": [], "labels": [], "box": [0, 0, 9, 9], "name": None},
    )
    assert images["z.jpg"].prompts == ()
    assert (images["b/frame_2.jpg"].stamp != "", images["z.jpg"].stamp) == (True, "")
    assert inputs.notes == [
        "1 crowd annotations are left out: their boxes surround many objects",
        "left out: 1 image not in boxes.json, such as b/frame_10.JPG",
    ]
    alone = Inputs(["boxes.json"], images="photos")
    assert [image.source for image in alone] == ["photos/frame_2.jpg", "photos/a.png", "photos/z.jpg"]


def test_a_table_groups_points_and_boxes_into_objects(tree: Path) -> None:
    Path("p.csv").write_text(
        "\ufeffPhoto;X;Y;Label;Object;Class;xmin;ymin;xmax;ymax\n"
        "a.png;1;2;;dog;brown;0;0;9;9\n"
        "a.png;3.5;4;0;dog;;;;;\n"
        "a.png;5;6;include;;;;;;\n"
        "b.png;;;;;;1;1;2;2\n\n"
    )
    assert read_prompts("p.csv").prompts == {
        "a.png": [
            {"points": [[1, 2], [3.5, 4]], "labels": [1, 0], "box": [0, 0, 9, 9], "name": "brown"},
            {"points": [[5, 6]], "labels": [1], "box": None, "name": None},
        ],
        "b.png": [{"points": [], "labels": [], "box": [1, 1, 2, 2], "name": None}],
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "image,x,y\na.png,1,two\n", r"p\.csv, line 2: y is 'two'"),
        ("p.csv", "image,x,y\na.png,1,\n", "line 2: y is ''"),
        ("p.csv", "image,x,y,label\na.png,1,2,3\n", "label is '3'"),
        ("p.csv", "image,x,y\na.png,nan,2\n", "x is 'nan'"),
        ("p.csv", "image,x,y\n,1,2\n", "no image is named"),
        ("p.csv", "image,x,y,object,x0,y0,x1,y1\na.png,,,1,0,0,1,1\na.png,,,1,0,0,2,2\n", "has a box already"),
        ("p.csv", "name,where\na,b\n", "is not a table of prompts"),
        ("p.csv", "", "is not a table of prompts"),
        ("p.csv", b"\xff\xfe\x00\x01\x02", r"p\.csv: it is not text in UTF-8 or UTF-16"),
        ("p.csv", "image,x,y\na.png,1,2\n".encode("latin-1") + b"\xe9.png,1,2", "not text in UTF-8 or UTF-16"),
        ("p.json", "{", "is not valid JSON"),
        ("p.json", "[]", "is not a COCO dataset"),
        ("p.json", '{"images": [{"id": 1}]}', "lacks 'file_name'"),
        ("p.json", '{"images": [], "annotations": [{"id": 5, "image_id": 1}]}', "annotation 5: its image"),
        (
            "p.json",
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 5, "image_id": 1, "bbox": [1, 2]}]}',
            r"annotation 5: bbox is \[1, 2\]",
        ),
    ],
)
def test_a_file_of_prompts_that_cannot_be_right_says_where(
    tree: Path, name: str, content: str | bytes, words: str
) -> None:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words):
        read_prompts(name)


GOOD_AND_BAD = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": "2", "file_name": "b\\frame_2.jpg"}, {"id": 3}],
    "categories": [{"id": 1.0, "name": "cup"}, {"name": "no id"}],
    "annotations": [
        {"id": 1, "image_id": 1, "bbox": [40, 30, 64, 66], "category_id": "1"},
        {"id": 2, "image_id": 1, "bbox": [10, 10, 0, 20]},
        {"id": 3, "image_id": 1, "bbox": [10, 10, 5, float("nan")]},
        {"id": 4, "image_id": 1, "bbox": []},
        {"id": 5, "image_id": 9, "bbox": [1, 1, 2, 2]},
        {"id": 6, "image_id": 2, "bbox": [1, 1, 2, 2]},
        "none",
    ],
}


def test_a_degenerate_box_of_a_coco_file_costs_no_other_box(tree: Path) -> None:
    Path("boxes.json").write_text(json.dumps(GOOD_AND_BAD), encoding="utf-16")
    file = read_prompts("boxes.json")
    assert file.prompts == {
        "a.png": [{"points": [], "labels": [], "box": [40, 30, 104, 96], "name": "cup"}],
        "b\\frame_2.jpg": [{"points": [], "labels": [], "box": [1, 1, 3, 3], "name": None}],
    }
    assert file.notes == (
        "7 entries of boxes.json left out, 2 used",
        "left out: boxes.json, image 3: it lacks 'file_name'",
        "left out: boxes.json, category 1: it lacks an id",
        "left out: boxes.json, annotation 2: bbox is [10, 10, 0, 20]: its width and height have to be above 0",
        "left out: boxes.json, annotation 3: bbox is [10, 10, 5, nan]: it takes [x, y, width, height]",
        "left out: boxes.json, annotation 4: bbox is []: it takes [x, y, width, height]",
        "left out: boxes.json, annotation 5: its image is not in the file",
        "left out: boxes.json, annotation 6: its image is not in the file",
    )


def test_a_wrong_line_of_a_table_costs_its_object_and_no_other(tree: Path) -> None:
    lines = ["image,object,x,y,x_min,y_min,x_max,y_max", "a.png,1,5,5,,,,", "a.png,2,6,6,,,,", "a.png,2,six,6,,,,"]
    lines += ["a.png,3,,,10,10,10,30", "a.png,4,,,1,1,4,4", "a.png,5,1,2,3", "b.png,,1,1,,,,,,9", ",,1,1,,,,"]
    Path("p.csv").write_text("\n".join(lines))
    file = read_prompts("p.csv")
    assert [entry["points"] or entry["box"] for entry in file.prompts["a.png"]] == [[[5, 5]], [1, 1, 4, 4]]
    assert file.prompts["b.png"] == []
    assert file.notes[0] == "5 entries of p.csv left out, 2 used"
    assert file.notes[1:4] == (
        "left out: p.csv, line 4: x is 'six': it takes a number of pixels",
        "left out: p.csv, line 5: the box is [10, 10, 10, 30]: its width and height have to be above 0",
        "left out: p.csv, line 7: y_min is '': it takes a number of pixels",
    )
    Path("many.csv").write_text("image,x,y\na.png,1,1\n" + "a.png,no,1\n" * 500)
    notes = read_prompts("many.csv").notes
    assert (len(notes), notes[-1]) == (22, "left out: 480 more")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_as_excel_saves_them(tree: Path, encoding: str, delimiter: str) -> None:
    half = "1.5" if delimiter == "," else "1,5"
    rows = [["Image", "xmin", "ymin", "xmax", "ymax", "label"], ["ünïcode 😀.png", half, "1", "9", "8", "cup"]]
    text = f"sep={delimiter}\r\n" + "".join(delimiter.join(row) + "\r\n" for row in rows)
    mark = "\ufeff".encode("utf-16-le") if encoding == "utf-16-le" else b""
    Path("p.csv").write_bytes(mark + text.encode(encoding))
    (entry,) = read_prompts("p.csv").prompts["ünïcode 😀.png"]
    assert entry == {"points": [], "labels": [], "box": [1.5, 1, 9, 8], "name": "cup"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", [".txt", ".csv", ".json"])
def test_paths_of_windows_find_their_images(tree: Path, ending: str, encoding: str) -> None:
    names = ["b\\frame_10.JPG", "C:\\elsewhere\\photos\\b\\frame_2.jpg", "D:/a.png", "b\\missing.jpg"]
    if ending == ".json":
        boxes = [{"image_id": number, "bbox": [1, 1, 2, 2]} for number in range(4)]
        images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
        text = json.dumps({"images": images, "annotations": boxes})
    else:
        text = "".join(f"{name}{'' if ending == '.txt' else ',1,1'}\r\n" for name in names)
        text = text if ending == ".txt" else "image,x,y\r\n" + text
    (tree / "photos" / f"list{ending}").write_text(text, encoding=encoding)
    inputs = Inputs([f"photos/list{ending}"])
    found = {image.source: image for image in inputs}
    assert list(found) == ["photos/b/frame_10.JPG", "photos/b/frame_2.jpg", "photos/a.png", "photos/b/missing.jpg"]
    assert [bool(image.stamp) for image in found.values()] == [True, True, True, False]
    assert [image.key for image in found.values()] == ["b/frame_10.JPG", "b/frame_2.jpg", "a.png", "b/missing.jpg"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_of_macos_and_of_others_are_the_same_name(forms: tuple[Any, Any], tree: Path) -> None:
    on_disk, stated = (unicodedata.normalize(form, "bücher.jpg") for form in forms)
    (tree / "photos" / "b" / on_disk).write_bytes(b"x")
    (tree / "photos" / "prompts.csv").write_text(f"image,x,y\nb/{stated},1,1\n")
    for names, prompts in ((["photos/prompts.csv"], None), (["photos"], "photos/prompts.csv")):
        (found,) = Inputs(names, prompts=prompts)
        assert (found.source, bool(found.stamp)) == (f"photos/b/{on_disk}", True)


def test_a_backslash_in_a_name_that_is_there_stays(tree: Path) -> None:
    (tree / "photos" / "b\\frame_2.jpg").write_bytes(b"x")
    (tree / "photos" / "list.txt").write_text("b\\frame_2.jpg\n")
    assert keys("photos/list.txt") == ["b\\frame_2.jpg"]
