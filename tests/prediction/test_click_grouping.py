"""Several objects from few clicks: which clicks mean the same object, and one whole mask for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask import EncodedImage, PromptError, Segmenter
from anymask.cli import main
from anymask.prediction.click_grouping import different_instances, groups_of
from anymask.structures.overlap import iou

LEFT, RIGHT = (410, 470), (1050, 450)
LEFT_BOX, RIGHT_BOX = [192, 262, 628, 674], [850, 236, 1264, 660]


@pytest.fixture(scope="module")
def citrus(segmenter: Segmenter) -> EncodedImage:
    return segmenter.encode(Path(__file__).parents[2] / "examples" / "photos" / "citrus.jpg")


def test_two_clicks_on_two_fruits_are_two_whole_fruits_where_one_prompt_mixes_them(citrus: EncodedImage) -> None:
    expected = citrus.segment(boxes=[LEFT_BOX, RIGHT_BOX])
    result = citrus.segment(points=[LEFT, RIGHT], objects="auto")
    assert len(result) == 2
    assert [iou(mask, whole) > 0.9 for mask, whole in zip(result, expected, strict=True)] == [True, True]
    (mixed,) = citrus.segment(points=[LEFT, RIGHT])
    assert max(iou(mixed, whole) for whole in expected) < 0.7
    assert [prompt.as_dict()["points"] for prompt in result.prompts] == [[list(LEFT)], [list(RIGHT)]]
    assert all(mask.follows_prompt and len(mask.follows_prompt.points) == 1 for mask in result)


def test_two_clicks_on_one_fruit_are_one_object(citrus: EncodedImage) -> None:
    points = [(300, 400), (500, 560)]
    result = citrus.segment(points=points, objects="auto")
    (one,) = citrus.segment(points=points)
    assert len(result) == 1
    assert iou(result[0], one) == 1.0


def test_excluded_clicks_count_for_every_object(citrus: EncodedImage) -> None:
    result = citrus.segment(points=[LEFT, RIGHT, (60, 60)], labels=[1, 1, 0], objects="auto")
    assert len(result) == 2
    for prompt, mask in zip(result.prompts, result, strict=True):
        assert prompt.labels.tolist() == [1, 0]
        assert not mask.array[60, 60]


def test_a_lone_click_and_excluded_clicks_alone_stay_what_they_are(citrus: EncodedImage) -> None:
    assert len(citrus.segment(points=[LEFT], objects="auto")) == 1
    assert len(citrus.segment(points=[LEFT], labels=[0], objects="auto")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"points": [LEFT], "box": LEFT_BOX},
        {"boxes": [LEFT_BOX]},
        {"points": [LEFT], "mask_input": np.zeros((1, 256, 256), np.float32)},
    ],
)
def test_grouping_is_for_plain_points(citrus: EncodedImage, arguments: dict[str, object]) -> None:
    with pytest.raises(PromptError, match="objects='auto' takes points and labels only"):
        citrus.segment(**arguments, objects="auto")
    with pytest.raises(PromptError, match="objects must be one of one, per_point, auto, not 'both'"):
        citrus.segment(points=[LEFT], objects="both")  # type: ignore[arg-type]


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(Path(__file__).parents[2] / "examples" / "photos" / "citrus.jpg")
    arguments = [
        "segment",
        image,
        "--objects",
        "auto",
        "--point",
        "410,470",
        "--point",
        "1050,450",
        "--out",
        str(tmp_path),
    ]
    assert main(arguments) == 0
    assert [(tmp_path / f"mask_00{i}.png").exists() for i in range(3)] == [True, True, False]
    capsys.readouterr()
    assert main([*arguments, "--box", "1,1,99,99"]) == 2
    assert "--objects auto" in capsys.readouterr().err


def test_each_is_another_name_of_one_object_per_point(tmp_path: Path) -> None:
    image = str(Path(__file__).parents[2] / "examples" / "photos" / "citrus.jpg")
    points = ["--point", "410,470", "--point", "1050,450", "--refine", "off"]
    for name, option in (("alias", ["--each"]), ("full", ["--objects", "per_point"])):
        assert main(["segment", image, *points, *option, "--out", str(tmp_path / name)]) == 0
    for mask in ("mask_000.png", "mask_001.png"):
        assert (tmp_path / "alias" / mask).read_bytes() == (tmp_path / "full" / mask).read_bytes()


def squares(*places: tuple[int, int, int, int]) -> np.ndarray:
    masks = np.zeros((len(places), 40, 40), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, places, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_a_detail_tells_no_clicks_apart() -> None:
    """Two eyes of one face: each has a sure candidate of its own, but both are small in what has both."""
    face, eyes = (5, 5, 35, 35), [(10, 10, 14, 14), (25, 10, 29, 14)]
    masks = np.stack([squares(eye, face) for eye in eyes])
    inside = np.array([[[True, False], [True, True]], [[False, True], [True, True]]])
    scores = np.full((2, 2), 0.9, np.float32)
    assert not different_instances(inside, scores, masks).any()
    halves = np.stack([squares(half, face) for half in [(5, 5, 19, 35), (21, 5, 35, 35)]])
    assert different_instances(inside, scores, halves).tolist() == [[False, True], [True, False]]
    assert not different_instances(inside, np.float32([[0.5, 0.9], [0.9, 0.9]]), halves).any()


@given(st.integers(0, 12).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n)))
def test_every_click_is_in_one_group_without_clicks_on_other_objects(flags: list[bool]) -> None:
    count = int(len(flags) ** 0.5)
    apart = np.array(flags, bool).reshape(count, count)
    apart = (apart | apart.T) & ~np.eye(count, dtype=bool)
    groups = groups_of(apart)
    assert sorted(index for group in groups for index in group) == list(range(count))
    assert not any(apart[np.ix_(group, group)].any() for group in groups)


def test_two_points_of_their_own_on_one_fruit_are_noted_and_two_on_two_are_not(citrus: EncodedImage) -> None:
    one = citrus.segment(points=[(300, 400), (500, 560)], objects="per_point")
    assert len(one) == 2
    for prompt in one.prompts:
        assert "the points (300, 400), (500, 560) may be on one object" in prompt.notes[-1]
    two = citrus.segment(points=[LEFT, RIGHT], objects="per_point")
    assert [prompt.notes for prompt in two.prompts] == [(), ()]
