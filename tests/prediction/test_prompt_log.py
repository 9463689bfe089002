"""Steps made in the browser lead to the same mask in Python and on the command line."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask import EncodedImage
from anymask.cli import main
from anymask.errors import PromptError
from anymask.prediction.prompt_log import follow, follow_all, read_steps
from anymask.structures.brush import stroke

SAUCER = {"point": [110, 300], "include": True}
SPOON = {"point": [470, 210], "include": False}


def test_the_log_of_one_click_gives_the_mask_of_segment(coffee: EncodedImage) -> None:
    assert (follow(coffee, [SAUCER]).array == coffee.segment(points=[(110, 300)])[0].array).all()


def test_a_second_click_builds_on_the_first(coffee: EncodedImage) -> None:
    first = coffee.segment(points=[(110, 300)])[0]
    second = coffee.segment(points=[(110, 300), (470, 210)], labels=[1, 0], previous=first)[0]
    assert (follow(coffee, [SAUCER, SPOON]).array == second.array).all()


def test_a_chosen_candidate_is_that_candidate_and_feeds_the_next_click(coffee: EncodedImage) -> None:
    candidates = coffee.predict(points=[(110, 300)])
    for place in range(3):
        mask = follow(coffee, [{**SAUCER, "candidate": place + 1}])
        assert (mask.array == candidates.masks[place]).all()
        assert mask.score == pytest.approx(float(candidates.scores[place]))
    fed = coffee.predict(points=[(110, 300), (470, 210)], labels=[1, 0], mask_input=candidates.logits[2:3])
    chained = follow(coffee, [{**SAUCER, "candidate": 3}, {**SPOON, "candidate": 1}])
    assert (chained.array == fed.masks[0]).all()


def test_a_box_begins_anew_and_keeps_the_points(coffee: EncodedImage) -> None:
    box = [170, 14, 412, 264]
    assert (follow(coffee, [{"box": box}]).array == coffee.segment(box=box)[0].array).all()
    both = coffee.segment(points=[(110, 300)], labels=[0], box=box)[0]
    assert (follow(coffee, [{"point": [110, 300], "include": False}, {"box": box}]).array == both.array).all()


def test_a_mask_prompt_stays_as_it_is_and_takes_corrective_clicks(coffee: EncodedImage) -> None:
    saucer = follow(coffee, [SAUCER])
    step = {"mask": saucer.rle}
    assert (follow(coffee, [step]).array == saucer.array).all()
    more = follow(coffee, [step, SPOON])
    assert more.follows_prompt is not None
    assert more.score is not None


def test_pixels_of_another_mask_are_added_and_cut(coffee: EncodedImage) -> None:
    saucer = follow(coffee, [SAUCER])
    bar = follow(coffee, [{"brush": [[5, 5], [90, 5]], "size": 8}])
    added = follow(coffee, [SAUCER, {"add": bar.rle}])
    assert (added.array == (saucer.array | bar.array)).all()
    assert (follow(coffee, [SAUCER, {"add": bar.rle}, {"cut": saucer.rle}]).array == (bar.array & ~saucer.array)).all()
    assert added.edits == (f"added {(bar.array & ~saucer.array).sum()} px manually",)
    with pytest.raises(PromptError, match="the mask step is for 9x7 pixels"):
        follow(coffee, [SAUCER, {"cut": {"size": [7, 9], "counts": "o1"}}])


def test_edits_apply_in_order_and_are_remembered(coffee: EncodedImage) -> None:
    steps = [SAUCER, {"brush": [[5, 5], [20, 5]], "size": 4}, {"erase": [[5, 5]], "size": 4}]
    plain, mask = follow(coffee, [SAUCER]), follow(coffee, steps)
    assert not mask.array[5, 5]
    assert mask.array[5, 15]
    assert (mask.array[50:] == plain.array[50:]).all()
    assert len(mask.edits) == 2
    cleaned = follow(coffee, [*steps, {"clean": {"holes": 0, "islands": 500}}])
    assert not cleaned.array[5, 15]


@given(
    st.lists(st.tuples(st.integers(-5, 35), st.integers(-5, 25)), min_size=1, max_size=4),
    st.integers(1, 12),
)
def test_a_stroke_covers_what_lies_within_half_its_size_of_the_path(path: list[tuple[int, int]], size: int) -> None:
    from fractions import Fraction

    covered = stroke(np.zeros((20, 30), np.bool_), [list(point) for point in path], size, True)
    pairs = list(pairwise(path)) or [(path[0], path[0])]
    for y, x in np.ndindex(20, 30):
        nearest = min(_squared_distance((x, y), a, b) for a, b in pairs)
        assert covered[y, x] == (nearest <= Fraction(size * size, 4))


def _squared_distance(p: tuple[int, int], a: tuple[int, int], b: tuple[int, int]):
    from fractions import Fraction

    d = (b[0] - a[0], b[1] - a[1])
    length = d[0] ** 2 + d[1] ** 2
    share = Fraction((p[0] - a[0]) * d[0] + (p[1] - a[1]) * d[1], length) if length else Fraction(0)
    share = min(Fraction(1), max(Fraction(0), share))
    return (p[0] - a[0] - share * d[0]) ** 2 + (p[1] - a[1] - share * d[1]) ** 2


@pytest.mark.parametrize(
    "steps",
    [
        [],
        "[]",
        [{}],
        [{"point": [1, 2], "box": [1, 2, 3, 4]}],
        [{"point": [1, 2], "colour": 3}],
        [{"point": [9999, 2]}],
        [{"point": [110, 300], "candidate": 4}],
        [{"box": [1, 2, 3]}],
        [{"mask": "PPYo10"}],
        [{"mask": {"size": [2, 2], "counts": [4]}}],
        [{"brush": [[1, 2]], "size": 3}, {"point": [110, 300]}],
        [{"brush": [], "size": 3}],
        [{"brush": [[1.5, 2]], "size": 3}],
        [{"brush": [[1, 2]], "size": 0}],
        [{"brush": [[1, 2]], "size": 3}, {"clean": 5}],
    ],
)
def test_steps_that_cannot_be_right_are_refused_with_one_line(coffee: EncodedImage, steps: object) -> None:
    with pytest.raises(PromptError) as problem:
        follow(coffee, steps)  # type: ignore[arg-type]
    assert "\n" not in str(problem.value)


def test_a_prompt_log_makes_several_named_masks(coffee: EncodedImage, tmp_path: Path) -> None:
    log = {"image": {"path": "coffee.jpg"}, "objects": [{"name": "saucer", "steps": [SAUCER]}, {"steps": [SPOON]}]}
    file = tmp_path / "prompts.json"
    for encoding in ("utf-16", "utf-8-sig"):
        file.write_text(json.dumps(log), encoding=encoding)
        assert read_steps(f"@{file}") == read_steps(json.dumps(log))
    objects, names = read_steps(f"@{file}")
    result = follow_all(coffee, objects, names)
    assert [mask.label for mask in result] == ["saucer", None]
    assert [mask.prompt_index for mask in result] == [0, 1]


def test_the_command_line_follows_steps(coffee: EncodedImage, coffee_path: Path, tmp_path: Path, capsys) -> None:
    steps = [SAUCER, SPOON, {"brush": [[5, 5]], "size": 9}]
    command = ["segment", str(coffee_path), "--prompt-log", json.dumps(steps), "--precision", "f32", "--threads", "2"]
    assert main([*command, "--out", str(tmp_path), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["masks"][0]["rle"] == follow(coffee, steps).rle
    assert main([*command, "--out", str(tmp_path)]) == 0
    assert "no score" in capsys.readouterr().out


@pytest.mark.parametrize("steps", ["", "{", "[1]", "@missing.json", '{"objects": [3]}', '[{"point": [-1, 0]}]',
                                   '{"objects": [{"steps": [{"point": [9, 9]}], "name": NaN}]}'])  # fmt: skip
def test_the_command_line_refuses_bad_steps_with_one_line(
    coffee_path: Path, tmp_path: Path, steps: str, capsys
) -> None:
    assert main(["segment", str(coffee_path), "--prompt-log", steps, "--out", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_an_alternative_is_one_of_the_image(coffee: EncodedImage) -> None:
    alternatives = coffee.alternatives([(110, 300)])
    assert len(alternatives) > 1
    assert (follow(coffee, [{**SAUCER, "alternative": 2}]).array == alternatives[1].array).all()
    with pytest.raises(PromptError, match=f"1 to {len(alternatives)}"):
        follow(coffee, [{**SAUCER, "alternative": 9}])


def test_a_member_is_one_of_the_objects_under_the_points_and_takes_corrective_clicks(coffee: EncodedImage) -> None:
    points = [[110, 300], [500, 200]]
    found = coffee.segment(points, objects="auto")
    assert len(found) == 2
    step = {"points": points, "member": 2}
    assert (follow(coffee, [step]).array == found[1].array).all()
    more = coffee.segment([[500, 200], [510, 205]], labels=[1, 1], previous=found[1])[0]
    assert (follow(coffee, [step, {"point": [510, 205]}]).array == more.array).all()
    with pytest.raises(PromptError, match="2 objects"):
        follow(coffee, [{**step, "member": 3}])
