"""Our functions in the hands of cvat-cli: its loader, and the drivers of its agent."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cvat_sdk.auto_annotation as cvataa
import numpy as np
import PIL.Image
import pytest
from cvat_cli._internal import agent_driver
from cvat_cli._internal.agent_driver_detection import AgentDetectionFunctionDriver
from cvat_cli._internal.agent_driver_interaction import AgentInteractionFunctionDriver
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk import models
from cvat_sdk.masks import decode_mask

import anymask.integrations.cvat as ours
from anymask import EncodedImage, Segmenter
from anymask.errors import PromptError
from anymask.structures.polygons import polygons_to_mask


class SameProcess:
    """Runs what the agent runs in its worker process."""

    def submit(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    def result(self, value: Any) -> Any:
        return value


@pytest.fixture
def load_function(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function as cvat-cli loads it, with the model that is loaded already."""
    monkeypatch.setattr(ours, "load", lambda *_, **__: segmenter)

    def load(**parameters: Any) -> Any:
        function = FunctionLoader("anymask.integrations.cvat", None, parameters).load()
        agent_driver.set_worker_current_function(function)
        return function

    return load


def interact(function: Any, image: Path, monkeypatch: pytest.MonkeyPatch, **prompts: Any) -> list[dict[str, Any]]:
    """What the agent sends to CVAT for an interactive request."""
    driver = AgentInteractionFunctionDriver(SimpleNamespace(), SameProcess(), function.spec)
    AgentInteractionFunctionDriver.init_worker(None)
    sample = SimpleNamespace(media=SimpleNamespace(load_image=lambda: PIL.Image.open(image)))
    monkeypatch.setattr(driver, "_get_sample_from_ar_params", lambda _: (sample, []))
    request = {"type": "interact", "task": 1, "frame": 0, "pos_points": [], "neg_points": [], "obj_bbox": [], **prompts}
    return driver.calculate_result_for_ar(request, lambda **_: None)["shapes"]


def test_its_agent_sends_clicks_and_boxes(
    load_function: Any, coffee: EncodedImage, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function()
    fields = AgentInteractionFunctionDriver.get_remote_function_fields(function.spec)
    assert fields == {"min_pos_points": 0, "min_neg_points": 0, "startswith_box_optional": True}
    for prompts, own in (
        ({"pos_points": [[110, 300]], "neg_points": [[300, 120]]}, ([(110, 300), (300, 120)], [1, 0], None)),
        ({"obj_bbox": [[170, 14], [412, 264]]}, (None, None, [170, 14, 412, 264])),
    ):
        (shape,) = interact(function, coffee_path, monkeypatch, **prompts)
        drawn = decode_mask(shape["points"], image_width=600, image_height=400)
        expected = coffee.segment(own[0], own[1], box=own[2])[0].array
        assert shape["type"] == "mask"
        assert (drawn & expected).sum() / (drawn | expected).sum() > 0.98
        assert 0 <= float(shape["attributes"][0]["value"]) <= 1


def test_an_excluded_point_alone_gives_nothing(
    load_function: Any, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert interact(load_function(), coffee_path, monkeypatch, neg_points=[[110, 300]]) == []


def annotate(function: Any, image: Path, threshold: float | None, polygons: bool) -> list[models.LabeledShapeRequest]:
    """What `cvat-cli task auto-annotate` uploads for one frame, after its own checks."""
    driver = AgentDetectionFunctionDriver(SimpleNamespace(logger=None), SameProcess(), function.spec)
    kind = "polygon" if polygons else "mask"
    labels = [models.Label(name=each.name, id=50 + index, type=kind, attributes=[], sublabels=[])
              for index, each in enumerate(function.spec.labels)]  # fmt: skip
    request = {
        "mapping": {each.name: {"name": each.name, "attributes": {}} for each in function.spec.labels},
        "threshold": threshold, "conv_mask_to_poly": polygons,
    }  # fmt: skip
    mapper = driver._create_annotation_mapper_for_detection_ar(request, labels)
    context = driver._create_detection_function_context(request, "coffee.jpg")
    _, shapes = mapper.validate_and_remap(function.detect(context, PIL.Image.open(image)), 0)
    return shapes


@pytest.mark.slow
def test_whole_tasks_from_text(load_function: Any, coffee: EncodedImage, coffee_path: Path) -> None:
    function = load_function(text="Cup, spoon", detector="coco-ssd")
    assert [label.name for label in function.spec.labels] == ["Cup", "spoon"]
    own = coffee.segment_text("cup, spoon", detector="coco-ssd")
    shapes = annotate(function, coffee_path, None, polygons=False)
    assert len(shapes) == len(own) > 0
    for shape, mask in zip(shapes, own, strict=True):
        assert shape.label_id == {"cup": 50, "spoon": 51}[mask.label]
        drawn = decode_mask(shape.points, image_width=600, image_height=400)
        assert (drawn & mask.array).sum() / (drawn | mask.array).sum() > 0.98
    assert annotate(function, coffee_path, 0.999, polygons=False) == []


def test_polygons_where_the_task_has_them(load_function: Any, coffee: EncodedImage, coffee_path: Path) -> None:
    function = load_function(text="cup", detector="coco-ssd")
    shapes = annotate(function, coffee_path, None, polygons=True)
    rings = [[np.array(shape.points).reshape(-1, 2)] for shape in shapes]
    own = coffee.segment_text("cup", detector="coco-ssd").union()
    drawn = polygons_to_mask(rings, (600, 400))
    assert (drawn & own).sum() / (drawn | own).sum() > 0.95


@pytest.mark.slow
def test_whole_tasks_from_everything(load_function: Any, coffee_path: Path) -> None:
    function = load_function(everything="object")
    shapes = annotate(function, coffee_path, 0.5, polygons=False)
    assert len(shapes) > 3
    assert {shape.label_id for shape in shapes} == {50}


def test_text_and_everything_together_are_refused(load_function: Any) -> None:
    with pytest.raises(PromptError, match="not both"):
        load_function(text="cup", everything="object")
    assert isinstance(load_function().spec, cvataa.InteractionFunctionSpec)
