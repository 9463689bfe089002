"""How objects are prompted, and how close masks are: clicks in the middle of errors, boxes, boundary IoU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anymask import InputError, Mask, MaskSet, Segmenter, open_image
from anymask.evaluation import Object, Setting, Variant, boundary_iou, evaluate, load_dataset, mask_iou, summary
from anymask.evaluation.protocols import jitter_box, next_click, protocol_function
from anymask.evaluation.summary import clicks_to
from anymask.structures.prompt import make_prompt
from tests.support.small_datasets import box_mask, box_object, discs, index_dataset, write_index

NOTHING = np.zeros((60, 80), bool)


def test_the_first_click_is_in_the_middle_of_the_object() -> None:
    x, y, label = next_click(NOTHING, box_object(10, 20, 51, 41))
    assert label == 1
    assert 20 <= x <= 41
    assert y == 30.5


def test_the_next_click_is_in_the_middle_of_the_largest_error() -> None:
    truth = box_object(10, 10, 30, 30)
    x, y, label = next_click(truth.mask | box_mask(40, 10, 70, 40), truth)
    assert label == 0
    assert (abs(x - 55) <= 1, abs(y - 25) <= 1) == (True, True)
    ignored = Object("box", truth.mask, box_mask(40, 10, 70, 40))
    assert next_click(box_mask(10, 10, 30, 20), ignored)[2] == 1


def test_no_pixel_is_clicked_twice() -> None:
    truth = box_object(10, 10, 12, 11)
    first = next_click(NOTHING, truth)
    assert next_click(NOTHING, truth, [first])[:2] != first[:2]


@given(st.integers(0, 60), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20))
def test_a_mask_agrees_wholly_with_itself(x: int, y: int, width: int, height: int) -> None:
    mask = box_mask(x, y, x + width, y + height)
    assert mask_iou(mask, mask) == boundary_iou(mask, mask) == 1


def test_ignored_pixels_count_on_neither_side() -> None:
    truth, ignored = box_mask(10, 10, 30, 30), box_mask(30, 10, 40, 30)
    assert mask_iou(box_mask(10, 10, 40, 30), truth, ignored) == 1
    assert mask_iou(box_mask(10, 10, 40, 30), truth) < 0.7
    assert boundary_iou(box_mask(10, 10, 40, 30), truth, ignored) == 1


def test_boundary_iou_counts_a_fraying_edge_more_than_iou() -> None:
    truth = box_mask(10, 5, 70, 55)
    frayed = truth & ~box_mask(68, 5, 70, 55)
    assert boundary_iou(frayed, truth) < mask_iou(frayed, truth) - 0.1


def test_a_jittered_box_is_the_same_for_everybody_and_stays_in_the_image() -> None:
    first, second = (jitter_box((5, 5, 75, 55), (80, 60), "cup") for _ in range(2))
    assert first == second != [5, 5, 75, 55]
    assert min(first) >= 0
    assert first[2] <= 80


def test_clicks_to_a_target() -> None:
    assert clicks_to([0.5, 0.86, 0.7, 0.93], 0.85, 20) == 2
    assert clicks_to([0.5, 0.86], 0.9, 20) == 20


@pytest.mark.parametrize("protocol", ["clicks", "boxes", "instances", "alternatives", "everything"])
def test_every_protocol_finds_discs(protocol: str, tmp_path: Path, segmenter: Segmenter) -> None:
    images = load_dataset(index_dataset(tmp_path, 1))
    grid = {"sampling": "grid", "points_per_side": 12}
    selected = {"select": "object"} if protocol == "alternatives" else {"select": "object", "refine": "off"}
    values = grid if protocol == "everything" else selected
    variant = Variant(Setting(protocol, values), segmenter)
    evaluate(images, [variant], clicks=2)
    figures = summary(variant.results, protocol, 2)
    assert (figures["images"], figures["objects"]) == (1, 2)
    if protocol == "clicks":
        assert figures["first click"] > 0.9
        assert figures["clicks to 0.85"] == 1
        assert figures["never 0.85"] == 0
    elif protocol == "boxes":
        assert figures["box"] > 0.9
        assert figures["jittered box"] > 0.85
    elif protocol == "instances":
        assert figures["instances"] > 0.9
        assert figures["covers another object"] == 0
    elif protocol == "alternatives":
        assert 0.9 < figures["best of the first 3"] <= figures["best of the first 6"]
        assert figures["first alternative"] <= figures["best of the first 3"]
    else:  # one disc is small by COCO's measure, the other medium
        assert figures["AR@100 small"] > 0.6
        assert figures["AR@100 medium"] > 0.7
        assert figures["AR@100"] == pytest.approx((figures["AR@100 small"] + figures["AR@100 medium"]) / 2, abs=0.1)
        assert "AR@100 large" not in figures


@pytest.mark.parametrize("values", [{"select": "official"}, {"objects": "one"}])
def test_instances_are_also_clicked_alone(values: dict[str, str], tmp_path: Path, segmenter: Segmenter) -> None:
    """Two discs of one colour."""
    pixels, (disc, small) = discs(0)
    pixels[small] = pixels[disc][0]
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray((disc + 2 * small).astype(np.uint8)).save(tmp_path / "mask.png")
    write_index(tmp_path, [("photo.png", "mask.png")])
    variant = Variant(Setting("instances", values), segmenter)
    evaluate(load_dataset(tmp_path), [variant])
    (result,) = variant.results.values()
    assert [row["object"] for row in result.rows] == ["mask#1", "mask#2"]
    assert all(len(row["clicks"]) == 1 and row["iou"] > 0.8 for row in result.rows)


def test_a_mask_of_two_objects_covers_another_one(tmp_path: Path) -> None:
    class FakeImage:
        size = (80, 60)

        def segment(self, points: list[tuple[float, float]], **_: object) -> MaskSet:
            masks = [box_mask(0, 0, 60, 60), box_mask(20, 0, 40, 60), box_mask(40, 0, 60, 60)]
            prompts = [make_prompt(self.size, points=[point]) for point in points]
            return MaskSet(
                [Mask(mask, self.size, prompt_index=i) for i, mask in enumerate(masks)],
                image=open_image(tmp_path / "photo.png"), prompts=prompts,
            )  # fmt: skip

    labels = np.repeat(np.uint8([1, 2, 3, 4]), 20)[None].repeat(60, 0)
    Image.fromarray(labels % 4).save(tmp_path / "mask.png")
    Image.fromarray(labels).save(tmp_path / "photo.png")
    write_index(tmp_path, [("photo.png", "mask.png")])
    (image,) = load_dataset(tmp_path)
    rows = protocol_function("instances")(FakeImage(), image, Setting("instances")).rows  # type: ignore[arg-type]
    assert [row["covers"] for row in rows] == [True, False, False]


def test_an_official_mask_comes_with_the_best_of_its_three(tmp_path: Path, segmenter: Segmenter) -> None:
    variant = Variant(Setting("clicks", {"select": "official"}), segmenter)
    evaluate(load_dataset(index_dataset(tmp_path, 1)), [variant], clicks=1)
    figures = summary(variant.results, "clicks", 1)
    assert figures["best of three"] >= figures["first click"] > 0.5


def test_a_mask_of_another_size_is_refused(tmp_path: Path, segmenter: Segmenter) -> None:
    folder = index_dataset(tmp_path, 1)
    Image.fromarray(np.full((50, 50), 255, np.uint8)).save(folder / "mask0.png")
    with pytest.raises(InputError, match=r"mask mask0 is \(50, 50\), its image \(240, 160\) pixels"):
        evaluate(load_dataset(folder), [Variant(Setting("boxes"), segmenter)])
