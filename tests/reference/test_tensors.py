"""Prompts, masks and images as tensors of PyTorch: of any type, with a gradient, inside lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anymask import open_image
from anymask.errors import PromptError
from anymask.structures.mask_input import as_mask_input
from anymask.structures.prompt import make_prompts

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.reference

SIZE = (400, 300)
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64")


def points_of(values: Any) -> list[list[float]]:
    (prompt,) = make_prompts(SIZE, points=values)
    return prompt.points.tolist()


@pytest.mark.parametrize("name", [*INTEGERS, *FLOATS])
def test_points_and_boxes_of_any_type(name: str) -> None:
    dtype = getattr(torch, name)
    assert points_of(torch.tensor([[40, 50]], dtype=dtype)) == [[40, 50]]
    (prompt,) = make_prompts(SIZE, boxes=torch.tensor([[1, 2, 30, 40]], dtype=dtype))
    assert prompt.box is not None
    assert prompt.box.tolist() == [1, 2, 30, 40]
    assert make_prompts(SIZE, boxes=torch.zeros((0, 4), dtype=dtype)) == []


@pytest.mark.parametrize("name", FLOATS)
def test_points_with_a_gradient_also_inside_lists(name: str) -> None:
    point = torch.tensor([40.0, 50.0], dtype=getattr(torch, name), requires_grad=True)
    for values in (point, point[None], [point], [(point[0], point[1])], [[point]]):
        assert points_of(values) == [[40, 50]]


@pytest.mark.parametrize("name", ["bool", *INTEGERS, *FLOATS])
def test_labels_of_any_type(name: str) -> None:
    labels = torch.tensor([1, 0], dtype=getattr(torch, name))
    (prompt,) = make_prompts(SIZE, points=[(4, 5), (6, 7)], labels=labels)
    assert prompt.labels.tolist() == [1, 0]


@pytest.mark.parametrize("name", FLOATS)
def test_logits_with_a_gradient(name: str) -> None:
    logits = torch.linspace(-8, 8, 256 * 256, dtype=getattr(torch, name)).reshape(1, 256, 256).requires_grad_()
    assert np.array_equal(as_mask_input(logits, SIZE), logits.detach().float().numpy()[0])


@pytest.mark.parametrize("name", FLOATS)
def test_images_of_any_type(name: str) -> None:
    image = torch.zeros((30, 40, 3), dtype=getattr(torch, name), requires_grad=True)
    assert open_image(image).size == (40, 30)


def test_a_tensor_without_values_is_refused_in_one_line() -> None:
    with pytest.raises(PromptError, match="it takes pairs of x and y") as refused:
        points_of(torch.tensor([[40.0, 50.0]], device="meta"))
    assert "\n" not in str(refused.value)
