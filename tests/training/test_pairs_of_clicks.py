"""How often one click on each of two objects gives both whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask import Segmenter
from training.pairs_of_clicks import main, measure_pairs, wilson

CITRUS = Path(__file__).parents[2] / "examples" / "photos" / "citrus.jpg"
BOXES = [192, 262, 628, 674], [850, 236, 1264, 660]


@pytest.mark.slow
def test_pairs_of_clicks_lie_on_their_fruits_and_are_compared_with_the_boxes(segmenter: Segmenter) -> None:
    points, ious = measure_pairs(segmenter.encode(CITRUS), BOXES, 2)
    assert points.shape == (2, 2, 2)
    for index, (x0, y0, x1, y1) in enumerate(BOXES):
        assert np.all((points[:, index] > (x0, y0)) & (points[:, index] < (x1, y1)))
    assert np.all(ious[:, 1] > 0.9)
    assert np.all((ious > 0.1) & (ious <= 1))


def test_the_interval_of_a_share() -> None:
    low, high = wilson(0.75, 60)  # 45 of 60, by R's prop.test without continuity correction
    assert (round(low, 3), round(high, 3)) == (0.628, 0.842)
    assert wilson(1.0, 60)[1] == pytest.approx(1)


@pytest.mark.parametrize("arguments", [["--box", "1,2,3,4"], ["--box", "1,2,3", "--box", "1,2,3,4"], ["--pairs", "0"]])
def test_anything_but_two_boxes_is_refused(arguments: list[str]) -> None:
    boxes = [] if arguments[0] == "--box" else ["--box", "1,2,3,4", "--box", "1,2,3,4"]
    with pytest.raises(SystemExit) as raised:
        main([str(CITRUS), *boxes, *arguments])
    assert raised.value.code == 2
