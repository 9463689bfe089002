"""Whatever holds numbers becomes an array; real tensors of PyTorch are in `tests/reference/test_tensors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anymask import open_image
from anymask.io.arrays import to_numpy
from anymask.structures.prompt import make_prompts


class FakeGpuTensor:
    """A tensor that is not in memory, and in a type that NumPy does not know, as PyTorch's are."""

    def __init__(
        self, values: Any, *, has_gradient: bool = True, device: str = "cuda", dtype: str = "bfloat16"
    ) -> None:
        self.values = np.asarray(values)
        self.has_gradient, self.device, self.dtype = has_gradient, device, dtype
        self.ndim = self.values.ndim

    def _changed(self, **changes: Any) -> FakeGpuTensor:
        state = {"has_gradient": self.has_gradient, "device": self.device, "dtype": self.dtype, **changes}
        return FakeGpuTensor(self.values, **state)

    def detach(self) -> FakeGpuTensor:
        return self._changed(has_gradient=False)

    def cpu(self) -> FakeGpuTensor:
        return self._changed(device="cpu")

    def float(self) -> FakeGpuTensor:
        return self._changed(dtype="float32")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.has_gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu" or self.dtype == "bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values.astype(dtype or np.float32)


class FakeCupyArray:
    """An array of CuPy, which converts on request only."""

    __cuda_array_interface__ = None

    def get(self) -> Any:
        return np.arange(4)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_tensors_that_numpy_refuses_are_read() -> None:
    assert to_numpy(FakeGpuTensor([[1, 2]])).tolist() == [[1, 2]]
    assert to_numpy([(FakeGpuTensor(1), 2), [3, FakeGpuTensor(4)]]).tolist() == [[1, 2], [3, 4]]
    assert to_numpy(FakeCupyArray()).tolist() == [0, 1, 2, 3]


def test_what_numpy_reads_is_not_copied() -> None:
    array = np.zeros(3)
    assert to_numpy(array) is array
    with pytest.raises(ValueError, match="inhomogeneous"):
        to_numpy([[1], [2, 3]])


@pytest.mark.parametrize("nested", [False, True])
def test_prompts_and_images_take_tensors(nested: bool) -> None:
    points = FakeGpuTensor([[[4, 5]]] if nested else [[4, 5]])
    (prompt,) = make_prompts((40, 30), points=points, labels=[[0]] if nested else FakeGpuTensor([0]))
    assert (prompt.points.tolist(), prompt.labels.tolist()) == ([[4, 5]], [0])
    boxes = make_prompts((40, 30), boxes=FakeGpuTensor([[1, 2, 20, 25], [2, 3, 30, 20]]))
    assert [prompt.box.tolist() for prompt in boxes if prompt.box is not None] == [[1, 2, 20, 25], [2, 3, 30, 20]]
    assert open_image(FakeGpuTensor(np.full((3, 4, 3), 255))).size == (4, 3)
