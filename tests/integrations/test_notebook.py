"""The widget without a page; `test_jupyter.py` has it in JupyterLab."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import anymask
from anymask import EncodedImage, Segmenter
from anymask.errors import AnymaskError
from anymask.formats import masks_json
from anymask.integrations.prompter_widget import Prompter

SAUCER = {"points": [[110, 300]], "labels": [1], "box": None}
SPOON = {"points": [], "labels": [], "box": [480, 10, 599, 390]}


def test_masks_follow_the_prompts(coffee: EncodedImage) -> None:
    widget = anymask.notebook.prompter(coffee)
    assert len(widget.masks) == 0
    widget.prompts = [SAUCER]
    first = widget.masks[0]
    widget.prompts = [SAUCER, SPOON]
    assert widget.masks[0].array is first.array, "only what is new is segmented"
    own = coffee.segment(box=SPOON["box"])[0]
    assert np.array_equal(widget.masks[1].array, own.array)
    assert [masks_json.prompt_to_dict(prompt)["box"] for prompt in widget.masks.prompts][1] == SPOON["box"]
    assert len(widget.outlines) == 2
    assert all(outline.startswith("M") for outline in widget.outlines)
    widget.prompts = []
    assert len(widget.masks) == 0
    assert widget.outlines == []


def test_a_prompt_that_cannot_be_used_is_one_line_and_changes_nothing(coffee: EncodedImage) -> None:
    widget = Prompter(coffee)
    widget.prompts = [SAUCER]
    widget.prompts = [{"points": [[9999, 1]], "labels": [1], "box": None}]
    assert "9999" in widget.error
    assert len(widget.masks) == 1
    widget.prompts = [SPOON]
    assert widget.error == ""


def test_it_opens_an_image_with_a_model(segmenter: Segmenter, coffee_path: Path) -> None:
    widget = anymask.notebook.prompter(coffee_path, segmenter)
    assert widget.size == [600, 400]
    assert widget.picture.startswith(b"\xff\xd8")


def test_without_anywidget_the_error_says_how_to_get_it(coffee: EncodedImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anymask.integrations.prompter_widget", None)
    with pytest.raises(AnymaskError, match=r"pip install 'anymask\[notebook\]'"):
        anymask.notebook.prompter(coffee)


def test_a_result_is_html_with_a_switch_for_each_mask(coffee: EncodedImage) -> None:
    result = coffee.segment(boxes=[[170, 14, 412, 264], [480, 10, 600, 390]])
    result = result.replace([result[0].replace(label="a <cup> & more"), result[1]])
    page = result._repr_html_()
    root = ElementTree.fromstring(page.replace("checked>", 'checked="">').replace('checked="">', 'checked=""/>'))
    assert len(root.findall("input")) == len(root.findall("label")) == 2
    assert len(root.findall("svg/g/path")) == 2
    assert root.findall("label")[0].text.startswith("■ a <cup> & more 0.")
    names = [each.get("id") for each in root.findall("input")]
    assert [each.get("class") for each in root.findall("svg/g")] == names
    assert all(f"#{name}:not(:checked) ~ svg .{name}" in page for name in names)
    assert result._repr_html_() != page, "two cells with one result have switches of their own"
    assert result[:0]._repr_html_().count("<path") == 0


def test_hundreds_of_masks_share_a_switch_from_the_hundredth_on(coffee: EncodedImage) -> None:
    mask = coffee.segment(box=[170, 14, 412, 264])[0]
    page = coffee.segment(boxes=[]).replace([mask] * 130)._repr_html_()
    assert page.count("<input") == 101
    assert page.count("<path") == 130
    assert re.search(r"■ 30 more<", page)
