"""What was asked becomes one checked Prompt per object, in pixels of the displayed image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import InputError, PromptError
from anymask.io.image import open_image
from anymask.structures.prompt import Prompt, make_prompt, make_prompts, parse_box, parse_point

SIZE = (800, 534)


def asked(**values: Any) -> list[dict[str, Any]]:
    return [prompt.as_dict() for prompt in make_prompts(SIZE, **values)]


def said(points: list[list[float]], labels: list[int], box: list[float] | None = None) -> dict[str, Any]:
    return {"points": points, "labels": labels, "box": box, "text": None}


# ---------------------------------------------------------------- one object


def test_points_are_included_unless_labelled_otherwise() -> None:
    assert asked(points=[(4, 3), (5, 6)]) == [said([[4, 3], [5, 6]], [1, 1])]
    assert asked(points=[(4, 3), (5, 6)], labels=[1, 0]) == [said([[4, 3], [5, 6]], [1, 0])]


def test_a_box_goes_with_points_of_the_same_object() -> None:
    assert asked(box=[1, 2, 30, 40], points=[(4, 3)], labels=[0]) == [said([[4, 3]], [0], [1, 2, 30, 40])]


@pytest.mark.parametrize("labels", [[1, 0], (1, 0), [True, False], [1.0, 0.0], np.array([1, 0], np.uint8)])
def test_labels_of_any_kind_of_number(labels: Any) -> None:
    (prompt,) = make_prompts(SIZE, points=np.array([[4, 3], [5, 6]]), labels=labels)
    assert prompt.labels.dtype == np.int64
    assert prompt.labels.tolist() == [1, 0]


def test_one_bare_pair_and_one_bare_label_will_do() -> None:
    assert asked(points=(4, 3), labels=0, box=[1, 2, 30, 40]) == [said([[4, 3]], [0], [1, 2, 30, 40])]


def test_arrays_have_the_promised_types_and_are_read_only() -> None:
    logits = np.ones((1, 256, 256)) - 2
    (prompt,) = make_prompts(SIZE, points=[(4, 3)], box=[1, 2, 30, 40], mask_input=logits)
    assert prompt.box is not None
    assert prompt.mask_input is not None
    for array, dtype, shape in [
        (prompt.points, np.float64, (1, 2)),
        (prompt.labels, np.int64, (1,)),
        (prompt.box, np.float64, (4,)),
        (prompt.mask_input, np.float32, (256, 256)),
    ]:
        assert (array.dtype, array.shape) == (dtype, shape)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_later_changes_to_the_callers_arrays_do_not_reach_the_prompt() -> None:
    points, logits = np.array([[4.0, 3.0]]), np.full((256, 256), -1, np.float32)
    (prompt,) = make_prompts(SIZE, points=points, mask_input=logits)
    points[:] = logits[:] = 99
    assert prompt.points.tolist() == [[4, 3]]
    assert prompt.mask_input is not None
    assert (prompt.mask_input == -1).all()


def test_a_clipped_box_is_in_the_notes() -> None:
    (prompt,) = make_prompts(SIZE, box=[-10, 5, 90, 80])
    assert prompt.notes == ("box [-10, 5, 90, 80] reaches beyond the image: clipped to [0, 5, 90, 80]",)


def test_excluded_points_alone_are_allowed_with_a_note() -> None:
    (prompt,) = make_prompts(SIZE, points=[(4, 3)], labels=[0])
    assert "only excluded points" in prompt.notes[0]
    (with_box,) = make_prompts(SIZE, points=[(4, 3)], labels=[0], box=[1, 2, 30, 40])
    assert with_box.notes == ()


def test_a_mask_alone_is_allowed_with_a_note() -> None:
    (prompt,) = make_prompts(SIZE, mask_input=np.ones((534, 800), bool))
    assert "only a mask" in prompt.notes[0]


def test_words_alone_are_a_prompt_and_otherwise_go_along() -> None:
    assert asked(text="dog") == [said([], []) | {"text": "dog"}]
    assert [prompt.text for prompt in make_prompts(SIZE, boxes=[[1, 2, 3, 4], [5, 6, 7, 8]], text="dog")] == ["dog"] * 2


# ---------------------------------------------------------------- several objects


def test_one_object_per_box_in_order() -> None:
    boxes = [[5, 6, 70, 80], [1, 2, 30, 40], [5, 6, 70, 80]]
    assert asked(boxes=boxes) == [said([], [], box) for box in boxes]
    assert asked(boxes=np.array(boxes)) == asked(boxes=boxes)


def test_boxes_with_ragged_points() -> None:
    """Issue threads of the reference are full of shape errors over exactly this."""
    result = asked(
        boxes=[[1, 2, 30, 40], [5, 6, 70, 80], [1, 1, 9, 9]],
        points=[[(4, 3)], [], [(2, 2), (3, 3)]],
        labels=[[0], [], [1, 0]],
    )
    assert result == [
        said([[4, 3]], [0], [1, 2, 30, 40]),
        said([], [], [5, 6, 70, 80]),
        said([[2, 2], [3, 3]], [1, 0], [1, 1, 9, 9]),
    ]


def test_groups_of_points_are_one_object_each() -> None:
    expected = [said([[4, 3]], [1]), said([[5, 6], [7, 8]], [1, 0])]
    assert asked(points=[[(4, 3)], [(5, 6), (7, 8)]], labels=[None, [1, 0]]) == expected
    assert asked(points=[np.array([[4, 3]]), np.array([[5, 6], [7, 8]])], labels=[[1], [1, 0]]) == expected
    assert asked(points=np.array([[[4, 3]], [[5, 6]]])) == [said([[4, 3]], [1]), said([[5, 6]], [1])]


def test_an_object_may_have_a_box_or_points_only() -> None:
    result = asked(boxes=[[1, 2, 30, 40], None], points=[None, [(4, 3)]])
    assert result == [said([], [], [1, 2, 30, 40]), said([[4, 3]], [1])]


def test_each_point_is_an_object_and_excluded_points_count_for_all() -> None:
    assert asked(points=[(4, 3), (5, 6)], each=True) == [said([[4, 3]], [1]), said([[5, 6]], [1])]
    assert asked(points=[(4, 3), (9, 9), (5, 6)], labels=[1, 0, 1], each=True) == [
        said([[4, 3], [9, 9]], [1, 0]),
        said([[5, 6], [9, 9]], [1, 0]),
    ]


def test_several_objects_take_one_mask_each() -> None:
    mask = np.ones((534, 800), bool)
    first, second = make_prompts(SIZE, boxes=[[1, 2, 30, 40], [5, 6, 70, 80]], mask_input=[None, mask])
    assert first.mask_input is None
    assert second.mask_input is not None


@given(st.lists(st.lists(st.tuples(st.integers(0, 799), st.integers(0, 533)), max_size=4), min_size=1, max_size=6))
def test_several_at_once_are_the_same_as_one_after_another(groups: list[list[tuple[int, int]]]) -> None:
    boxes = [[index, index, index + 20, index + 30] for index in range(len(groups))]
    together = asked(boxes=boxes, points=groups)
    assert together == [
        make_prompt(SIZE, box=box, points=group).as_dict() for box, group in zip(boxes, groups, strict=True)
    ]


def test_frames_and_formats_hold_for_every_object() -> None:
    result = asked(boxes=[[50, 50, 50, 100]], points=[[(25, 50)]], coordinates="percent", box_format="cxcywh")
    assert result == [said([[200, 267]], [1], [200, 0, 600, 534])]


def test_a_click_on_stored_pixels_of_a_rotated_image_lands_on_the_same_pixel() -> None:
    import PIL.Image

    stored = np.zeros((30, 40, 3), np.uint8)
    stored[5, 33] = 255
    picture = PIL.Image.fromarray(stored)
    for orientation in range(1, 9):
        picture.getexif()[0x0112] = orientation
        image = open_image(picture)
        prompt = make_prompt(image.size, points=[(33, 5)], box=[33, 5, 34, 6], orientation=image.orientation)
        x, y = prompt.points[0].astype(int)
        assert image.pixels[y, x].tolist() == [255] * 3, orientation
        assert prompt.box is not None
        x0, y0, x1, y1 = prompt.box.astype(int)
        assert (image.pixels[y0:y1, x0:x1] == 255).all(), orientation
        assert image.pixels[y0:y1, x0:x1].shape == (1, 1, 3), orientation


def test_what_the_official_predictor_accepts_can_be_allowed() -> None:
    assert asked(points=[(1000, 300), (400, 300)], labels=[1, 0], outside="allow") == [
        said([[1000, 300], [400, 300]], [1, 0])
    ]


# ---------------------------------------------------------------- refusals

BOX = [1, 2, 30, 40]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "no prompt given: pass points, a box, a mask or text"),
        ({"points": []}, "no prompt given"),
        ({"labels": [1]}, "0 points but 1 label"),
        ({"points": [(1, 2)], "labels": [1, 0]}, "1 point but 2 labels: each point takes one"),
        ({"points": [(1, 2)], "labels": []}, "1 point but 0 labels"),
        ({"points": [(1, 2)], "labels": [[1]]}, "1 point but labels of shape (1, 1)"),
        ({"points": [(1, 2)], "labels": [2]}, "label is 2: it takes 1 (include) or 0 (exclude)"),
        ({"points": [(1, 2)], "labels": [-1]}, "label is -1"),
        ({"points": [(1, 2)], "labels": [0.5]}, "label is 0.5"),
        ({"points": [(1, 2)], "labels": [float("nan")]}, "labels is [nan]"),
        ({"points": [(1, 2)], "labels": ["1"]}, "labels is ['1']: it takes 0 or 1 for each point"),
        ({"points": [(800, 2)]}, "point (800, 2) is outside the image: 0 <= x < 800"),
        ({"box": [90, 5, -10, 80]}, "box [90, 5, -10, 80] is reversed"),
        ({"box": [BOX, BOX]}, "several boxes go into boxes"),
        ({"boxes": BOX}, "a single one goes into box"),
        ({"boxes": np.array(BOX)}, "a single one goes into box"),
        ({"points": np.zeros((0, 1, 2))}, "points is empty"),
        ({"boxes": 5}, "boxes is a int"),
        ({"boxes": "abcd"}, "boxes is a str"),
        ({"boxes": [BOX, [1, 2, 3]]}, "object 1: box has shape (3,)"),
        ({"boxes": [BOX, [5, 6, -7, 8]]}, "object 1: box [5, 6, -7, 8] is reversed"),
        ({"boxes": [BOX, None]}, "object 1: no prompt given"),
        ({"boxes": [BOX], "box": BOX}, "box is for one object and does not go with boxes"),
        ({"boxes": [BOX], "points": [(1, 2)]}, "boxes take points as one list per box, [] where a box needs none"),
        ({"boxes": [BOX], "points": [[], []]}, "1 object but points has 2 entries"),
        ({"boxes": [BOX], "labels": [[1], [0]]}, "1 object but labels has 2 entries"),
        ({"boxes": [BOX], "mask_input": np.ones((534, 800), bool)}, "1 object but mask_input has 534 entries"),
        ({"boxes": [BOX, BOX], "points": [[], [(1, 2)]], "labels": [[], [3]]}, "object 1: label is 3"),
        ({"boxes": [BOX], "mask_input": [np.zeros((5, 5), bool)]}, "object 0: mask_input is a mask image of 5x5"),
        (
            {"points": [[(1, 2)]], "box": BOX},
            "box is for one object and does not go with points in one list per object",
        ),
        ({"points": [[(1, 2)], [(900, 2)]]}, "object 1: point (900, 2) is outside"),
        ({"points": [[(1, 2)], []]}, "object 1: no prompt given"),
        ({"points": [[(1, 2)]], "labels": 1}, "labels is a int"),
        ({"each": True}, "points have shape (0,): objects='per_point' takes pairs"),
        ({"each": True, "points": [(1, 2), (3,)]}, "points is [(1, 2), (3,)]"),
        ({"each": True, "points": [[(1, 2)]]}, "points have shape (1, 1, 2)"),
        ({"each": True, "points": [(1, 2)], "labels": [0]}, "at least one included point: all labels are 0"),
        ({"each": True, "points": [(1, 2)], "box": BOX}, "objects='per_point' makes one object per point"),
        ({"each": True, "points": [(1, 2), (900, 1)]}, "object 1: point (900, 1) is outside"),
        ({"text": " "}, "text is ' ': it takes a description"),
        ({"text": 5}, "text is 5"),
        ({"points": [(1, 2)], "coordinates": "px"}, "coordinates is 'px'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(PromptError) as caught:
        make_prompts(SIZE, **values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_object_does_not_take_the_points_of_several() -> None:
    with pytest.raises(PromptError, match=r"points have shape \(1, 1, 2\)"):
        make_prompt(SIZE, points=[[(1, 2)]])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(anything, anything, anything, anything, st.booleans())
def test_nonsense_raises_nothing_but_input_errors(points: Any, labels: Any, box: Any, boxes: Any, each: bool) -> None:
    try:
        prompts = make_prompts(SIZE, points=points, labels=labels, box=box, boxes=boxes, each=each)
    except InputError as problem:
        told = str(problem)
    else:
        told = ""
        assert all(isinstance(prompt, Prompt) for prompt in prompts)
    assert "\n" not in told


# ---------------------------------------------------------------- Prompt by hand


def test_a_prompt_by_hand_is_not_checked_against_any_image() -> None:
    prompt = Prompt(points=[(-5, 1e6)], labels=[1], box=[9, 9, 1, 1], mask_input=np.zeros((1, 256, 256)))  # type: ignore[arg-type]
    assert prompt.points.tolist() == [[-5, 1e6]]
    assert prompt.mask_input is not None
    assert prompt.mask_input.shape == (256, 256)
    empty = Prompt()
    assert (empty.points.shape, empty.labels.shape, empty.box) == ((0, 2), (0,), None)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"points": [(1, 2)]}, "1 point but 0 labels"),
        ({"points": [(1, 2, 3)], "labels": [1]}, "points has shape (1, 3): it takes [-1, 2] of float64"),
        ({"box": [1, 2, 3]}, "box has shape (3,): it takes [4] of float64"),
        ({"mask_input": np.zeros((5, 5))}, "mask_input has shape (5, 5): it takes [256, 256] of float32"),
    ],
)
def test_a_prompt_by_hand_has_the_right_shapes(values: dict[str, Any], says: str) -> None:
    with pytest.raises(PromptError) as caught:
        Prompt(**values)
    assert says in str(caught.value)


def test_a_prompt_as_json_keeps_whole_pixels_whole() -> None:
    prompt = make_prompt(SIZE, points=[(350, 450.5)], box=[1, 2, 30, 40.25])
    assert repr(prompt.as_dict()["points"]) == "[[350, 450.5]]"
    assert repr(prompt.as_dict()["box"]) == "[1, 2, 30, 40.25]"


# ---------------------------------------------------------------- typed on a command line


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("350,450", (350, 450)),
        (" 350 , 450.5 ", (350, 450.5)),
        ("50%,25%", (400, 133.5)),
        ("50%,10", (400, 10)),
        ("-3,4", (-3, 4)),
    ],
)
def test_a_typed_point_is_read(text: str, point: tuple[float, float]) -> None:
    assert parse_point(text, SIZE) == point


@pytest.mark.parametrize(
    ("text", "box"),
    [("60,90,300,400", (60, 90, 300, 400)), ("0%,0%,100%,100%", (0, 0, 800, 534)), ("1,50%,2,400", (1, 267, 2, 400))],
)
def test_a_typed_box_is_read(text: str, box: tuple[float, ...]) -> None:
    assert parse_box(text, SIZE) == box


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_typed_point_is_read_to_the_last_digit(x: float, y: float) -> None:
    assert parse_point(f"{x!r},{y!r}") == (x, y)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "point '' has 1 number: it takes X,Y, for example 350,450"),
        ("350", "has 1 number"),
        ("1,2,3", "point '1,2,3' has 3 numbers"),
        ("350;450", "has 1 number"),
        ("a,b", "'a' is not a number"),
        ("1,", "'' is not a number"),
        ("%,1", "'%' is not a number"),
        ("nan,1", "nan is not a finite number"),
        ("1,inf", "inf is not a finite number"),
        ("1e308%,1", "1e308% is not a finite number"),
        ("50%%,1", "'50%%' is not a number"),
        ("two\nlines,1", "is not a number"),
    ],
)
def test_a_mistyped_point_is_one_line(text: str, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        parse_point(text, SIZE)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistyped_box_is_one_line() -> None:
    with pytest.raises(
        PromptError, match=r"box '1,2,3' has 3 numbers: it takes X0,Y0,X1,Y1, for example 60,90,300,400"
    ):
        parse_box("1,2,3")


def test_percent_needs_the_size() -> None:
    with pytest.raises(PromptError, match="percent needs the image's size"):
        parse_point("50%,50%")


@given(st.text(max_size=20))
def test_anything_typed_is_a_point_or_a_prompt_error(text: str) -> None:
    try:
        x, y = parse_point(text, SIZE)
    except PromptError as problem:
        told = str(problem)
    else:
        told = ""
        assert np.isfinite([x, y]).all()
    assert "\n" not in told


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4))])
def test_no_boxes_are_no_prompts(boxes):
    assert make_prompts(SIZE, boxes=boxes) == []


@pytest.mark.parametrize(
    ("values", "noted"),
    [
        ({"points": [(0.3, 0.4)]}, True),
        ({"points": [(0.3, 0.4), (1, 0.5)]}, True),
        ({"box": [0.1, 0.1, 0.5, 0.9]}, True),
        ({"box": [0, 0, 1, 1]}, True),
        ({"points": [(0.3, 0.4)], "coordinates": "normalized"}, False),
        ({"points": [(0, 1)]}, False),
        ({"points": [(0.5, 1.5)]}, False),
        ({"points": [(0.5, 0.5)], "box": [0, 0, 30, 20]}, False),
    ],
)
def test_coordinates_between_0_and_1_are_pointed_out(values: dict[str, Any], noted: bool) -> None:
    (prompt,) = make_prompts((40, 30), **values)
    assert any("coordinates='normalized'" in note for note in prompt.notes) == noted
