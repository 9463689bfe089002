"""Settings as people write them."""

from __future__ import annotations

import pytest

from anymask import InputError
from anymask.automatic.options import GeneratorOptions
from anymask.detection.options import DetectionOptions
from anymask.evaluation import Setting
from anymask.prediction.options import SelectionOptions
from anymask.structures.options import Options, option_fields

BASE = Setting("clicks", {"model": "mobile-sam", "precision": "auto", "select": "object", "refine": "auto"})


def test_what_is_not_named_stays() -> None:
    other = BASE.changed("refine=off precision=f32")
    assert other.values == {**BASE.values, "refine": "off", "precision": "f32"}
    assert other.runtime == {"model": "mobile-sam", "precision": "f32"}
    assert other.options == {"select": "object", "refine": "off"}
    assert (BASE.differing(other), other.differing(BASE)) == ("precision=auto refine=auto", "precision=f32 refine=off")


def test_a_runtime_value_may_be_left_to_the_default() -> None:
    assert Setting("clicks", {"model": "mobile-sam", "threads": None}).runtime["threads"] is None


def test_numbers_are_read_as_what_they_are() -> None:
    setting = Setting("everything").changed("points-per-side=64 pred_iou_thresh=0.5 sampling=grid")
    assert setting.options == {"points_per_side": 64, "pred_iou_thresh": 0.5, "sampling": "grid"}
    assert Setting("text").changed("detector='my file.onnx' zoom=2").options == {"detector": "my file.onnx", "zoom": 2}


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("everything", GeneratorOptions), ("clicks", SelectionOptions), ("text", DetectionOptions)],
)
def test_every_option_that_has_a_text_form_is_a_setting(protocol: str, options: type[Options]) -> None:
    fields = [each for each in option_fields(options) if each.kind is not None]
    if protocol == "clicks":  # ground truth is not cleaned up
        fields = [each for each in fields if each.name in ("select", "refine")]
    for each in fields:
        value = each.choices[-1] if each.choices else each.default
        if value is not None:
            assert Setting(protocol).changed(f"{each.name}={value}").options[each.name] == value


def test_the_official_habit_has_nothing_else_to_set() -> None:
    official = BASE.changed("select=official")
    assert official.official
    assert official.options == {"select": "official"}


@pytest.mark.parametrize(
    ("protocol", "text", "words"),
    [
        ("clicks", "refine", "'refine' is not NAME=VALUE"),
        ("clicks", "  ", "a setting is empty"),
        ("clicks", "points_per_side=3", "the protocol clicks has no setting 'points_per_side': it has model"),
        ("clicks", "select=best", "best"),
        ("clicks", "refine=much", "much"),
        ("clicks", "threads=two", "threads is 'two': it takes a whole number"),
        ("clicks", "refine='off", "cannot read the setting"),
        ("text", "threshold=2", "threshold must lie between 0 and 1, not 2.0"),
        ("text", "select=official", "select=official is not for text"),
        ("everything", "pred_iou_thresh=high", "it takes a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(protocol: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        Setting(protocol).changed(text)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(
        InputError,
        match="protocol must be one of clicks, boxes, instances, alternatives, everything, text, not 'words'",
    ):
        Setting("words")
