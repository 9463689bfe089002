"""ISNet's real weights, from the package that carries them to the mask, beside rembg with the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask.evaluation import mask_iou
from benchmarks.subject import rembg_masks
from tests.support.tool_environments import tool_python

pytestmark = pytest.mark.tools

ALLOWED = "agpl-3.0,dis5k-terms,apache-2.0"


@pytest.fixture(scope="module")
def isnet() -> anymask.SubjectModel:
    return anymask.load_subject_model("isnet", precision="f32", threads=2, allow=ALLOWED)


def test_both_give_the_same_masks(isnet: anymask.SubjectModel, coffee_path: Path, chelsea_path: Path) -> None:
    images = [coffee_path, chelsea_path]
    masks, seconds = rembg_masks(tool_python("rembg"), images, 1, ALLOWED, 2)
    assert [len(each) for each in seconds.values()] == [1, 1]
    for path in images:
        (mask,) = isnet.segment(path)
        assert mask_iou(mask.array, masks[path]) >= 0.99
        assert 0.2 < mask.array.mean() < 0.8


def test_the_cup_is_the_subject_and_its_soft_edges_are_those_of_the_network(
    isnet: anymask.SubjectModel, coffee: anymask.EncodedImage
) -> None:
    (mask,) = result = coffee.segment_subject(model=isnet)
    assert mask.array[215, 290]
    assert not mask.array[:100, 450:].any()
    soft = mask.probabilities
    assert soft is not None
    assert np.array_equal(soft > 0.5, mask.array)
    assert 0.001 < ((soft > 0.1) & (soft < 0.9)).mean() < 0.1
    cut = anymask.cutout(result.image, result, edges="soft")
    assert np.abs(cut.pixels[..., 3] / 255 - soft).max() < 0.15
