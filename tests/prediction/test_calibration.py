"""What a score states: the IoU to expect, and of objects found by text what the detector states."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from anymask import EncodedImage, Mask, MaskSet
from anymask.prediction.calibration import KINDS, agreement_with, calibration_features, expected_iou
from anymask.structures.provenance import ImageRecord
from anymask.visualization.overlay import Style, _tag

CUP = (290, 215)
CUP_BOX = [170, 14, 412, 264]


def disc(radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:256, :256]
    return np.where((columns - 128) ** 2 + (rows - 128) ** 2 <= radius**2, 8.0, -8.0).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_that_the_other_candidates_agree_with_is_expected_to_be_better(kind) -> None:
    expected = [expected_iou(kind, 0.95, 0.95, agreement, 1) for agreement in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert expected == sorted(expected)
    assert 0 < expected[0] < expected[-1] < 1


def test_a_predicted_iou_above_one_counts_as_one() -> None:
    assert np.array_equal(calibration_features(1.03, 0.9, 0.5, 2), calibration_features(1.0, 0.9, 0.5, 2))


def test_agreement_is_the_mean_iou_with_the_candidates_weighted_by_rank() -> None:
    candidates = np.stack([disc(60), disc(30)])
    alone, quarter = 1.0, (disc(30) > 0).sum() / (disc(60) > 0).sum()
    assert agreement_with(candidates[0], candidates) == pytest.approx((alone + quarter) / 2)
    assert agreement_with(candidates[0], candidates, np.array([50.0, 0.0])) == pytest.approx(alone)
    assert agreement_with(candidates[0], candidates, np.array([0.0, 50.0])) == pytest.approx(quarter)


def test_a_click_is_less_certain_than_a_box_and_no_score_exceeds_one(coffee: EncodedImage) -> None:
    click, box = coffee.segment(points=[CUP])[0], coffee.segment(box=CUP_BOX)[0]
    further = coffee.segment(points=[CUP, (362, 285)], labels=[1, 0], previous=click)[0]
    several = coffee.segment(points=[CUP, (110, 300)], objects="per_point")
    scores = [click.score, box.score, further.score, *several.scores.tolist(), *coffee.alternatives([CUP]).scores]
    assert all(0 < score < 1 for score in scores)
    assert click.score < box.score
    assert click.score < coffee.predict(points=[CUP]).scores.max()


def test_alternatives_share_the_odds(coffee: EncodedImage) -> None:
    found = coffee.alternatives([CUP])
    assert found.scores[0] == found.scores.max()
    assert found.scores.min() < 0.9 * found.scores.max()


def detected() -> MaskSet:
    square = np.zeros((40, 60), bool)
    square[5:30, 10:40] = True
    mask = Mask.from_array(square, score=0.91, stability=0.8, label="dog", detector_score=0.42)
    return MaskSet([mask], image=ImageRecord(60, 40, "dog.png"))


def test_the_confidence_of_words_is_the_detectors_in_every_output(tmp_path: Path) -> None:
    result = detected()
    assert (result[0].confidence, result[0].score) == (0.42, 0.91)
    assert result[0].replace(detector_score=None).confidence == 0.91
    assert _tag(result[0], Style()) == "dog 0.42"
    result.save(tmp_path / "out.json", "coco")
    assert json.loads((tmp_path / "out.json").read_text())["annotations"][0]["score"] == 0.42
    result.save(tmp_path / "out.csv")
    assert [row["score"] for row in csv.DictReader((tmp_path / "out.csv").open())] == ["0.42"]
    result.save(tmp_path / "labelme.json", "labelme")
    assert json.loads((tmp_path / "labelme.json").read_text())["shapes"][0]["score"] == 0.42
    result.save(tmp_path / "masks.json")
    (entry,) = json.loads((tmp_path / "masks.json").read_text())["masks"]
    assert (entry["detector_score"], entry["score"]) == (0.42, 0.91)
