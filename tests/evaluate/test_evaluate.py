"""Measuring against ground truth: the protocol, the figures, and folders that are not as they should be."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anymask import InputError
from anymask.cli import main
from anymask.evaluate import Object, boundary_iou, evaluate, mask_iou, read_dataset, summary
from anymask.evaluate.protocols import jittered, next_click
from anymask.evaluate.report import clicks_to, table

NOTHING = np.zeros((60, 80), bool)


def box_mask(x0, y0, x1, y1):
    mask = NOTHING.copy()
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def folder(tmp_path, coffee, coffee_photo):
    """The cup with a mask made from a box, as ground truth; and the same as a label map of two objects."""
    cup = coffee.segment(box=[170, 14, 412, 264])[0].array
    spoon = coffee.segment(box=[315, 65, 430, 330])[0].array & ~cup
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.where(cup, 255, 0).astype(np.uint8)).save(tmp_path / "masks" / "cup.png")
    Image.fromarray(np.where(cup, 1, np.where(spoon, 2, 0)).astype(np.uint16)).save(tmp_path / "masks" / "both.png")
    (tmp_path / "coffee.jpg").write_bytes(coffee_photo.read_bytes())
    write_index(tmp_path, [("coffee.jpg", "masks/cup.png"), ("coffee.jpg", "masks/both.png")])
    return tmp_path


def write_index(folder, rows):
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "mask"), *rows])


def test_the_first_click_is_in_the_middle_of_the_object():
    truth = Object("box", box_mask(10, 20, 51, 41), NOTHING)
    x, y, label = next_click(NOTHING, truth)
    assert label == 1
    assert 20 <= x <= 41
    assert y == 30.5


def test_the_next_click_is_in_the_middle_of_the_largest_error():
    truth = Object("box", box_mask(10, 10, 30, 30), NOTHING)
    too_much = box_mask(10, 10, 30, 30) | box_mask(40, 10, 70, 40)
    x, y, label = next_click(too_much, truth)
    assert label == 0
    assert (abs(x - 55) <= 1, abs(y - 25) <= 1) == (True, True)
    ignored = Object("box", truth.mask, box_mask(40, 10, 70, 40))
    assert next_click(box_mask(10, 10, 30, 20), ignored)[2] == 1


def test_no_pixel_is_clicked_twice():
    truth = Object("dot", box_mask(10, 10, 12, 11), NOTHING)
    first = next_click(NOTHING, truth)
    assert next_click(NOTHING, truth, [first])[:2] != first[:2]


@given(st.integers(0, 60), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20))
def test_a_mask_agrees_wholly_with_itself(x, y, width, height):
    mask = box_mask(x, y, x + width, y + height)
    assert mask_iou(mask, mask) == boundary_iou(mask, mask) == 1


def test_ignored_pixels_count_on_neither_side():
    truth, ignored = box_mask(10, 10, 30, 30), box_mask(30, 10, 40, 30)
    assert mask_iou(box_mask(10, 10, 40, 30), truth, ignored) == 1
    assert mask_iou(box_mask(10, 10, 40, 30), truth) < 0.7
    assert boundary_iou(box_mask(10, 10, 40, 30), truth, ignored) == 1


def test_boundary_iou_counts_a_fraying_edge_more_than_iou():
    truth = box_mask(10, 5, 70, 55)
    frayed = truth & ~box_mask(68, 5, 70, 55)
    assert boundary_iou(frayed, truth) < mask_iou(frayed, truth) - 0.1


def test_a_jittered_box_is_the_same_for_everybody_and_stays_in_the_picture():
    first, second = (jittered((5, 5, 75, 55), (80, 60), "cup") for _ in range(2))
    assert first == second != [5, 5, 75, 55]
    assert min(first) >= 0
    assert first[2] <= 80


def test_clicks_to_a_target():
    assert clicks_to([0.5, 0.86, 0.7, 0.93], 0.85, 20) == 2
    assert clicks_to([0.5, 0.86], 0.9, 20) == 20


def test_objects_of_both_kinds_of_masks_are_read(folder):
    (photograph,) = read_dataset(folder)
    names = [truth.name for truth in photograph.objects()]
    assert names == ["cup", "both#1", "both#2"]
    (limited,) = read_dataset(folder, most=1)
    assert len(list(limited.objects())) == 2


def test_both_protocols_measure_both_ways(folder, segmenter):
    ways = {"official": None, "ours": {"select": "object", "refine": "off"}}
    photographs = read_dataset(folder)
    rows = list(evaluate(segmenter, photographs, "clicks", ways, clicks=3))
    figures = summary(rows, "clicks", 3)
    assert figures["official"]["objects"] == figures["ours"]["objects"] == 3
    assert figures["official"]["best of three"] >= figures["official"]["first click"]
    boxes = summary(evaluate(segmenter, photographs, "boxes", ways), "boxes")
    assert boxes["ours"]["box"] > 0.8  # the truth was made from these very boxes
    assert "box, boundary" in table(boxes)


def test_the_command_writes_figures_and_a_plot(folder, capsys, tmp_path):
    assert (
        main(["evaluate", str(folder), "--clicks", "2", "--json", "--refine", "off", "--out", str(tmp_path / "r")]) == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "r" / "evaluation.json").read_text(encoding="utf-8"))
    assert set(printed["figures"]) == {"official", "object, off"}
    assert Image.open(tmp_path / "r" / "evaluation.png").size[0] > 400


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("coffee.jpg", "masks/none.png")], "names 'masks/none.png', which is not there"),
        ([], "names no pictures"),
        ([("coffee.jpg", "coffee.jpg")], "is no mask"),
    ],
)
def test_a_folder_that_does_not_hold_what_it_says_is_refused(folder, capsys, rows, words):
    write_index(folder, rows)
    assert main(["evaluate", str(folder)]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_without_an_index_is_refused(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "holds no index.csv" in capsys.readouterr().err


def test_a_mask_of_another_size_is_refused(folder, segmenter):
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(folder / "masks" / "cup.png")
    with pytest.raises(InputError, match="mask cup is"):
        list(evaluate(segmenter, read_dataset(folder), "boxes", {"official": None}))
