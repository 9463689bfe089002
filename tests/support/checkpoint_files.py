"""Writes PyTorch checkpoints without PyTorch, good ones and bad ones: the zip archive that `torch.save` makes."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

STORAGE_TYPES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "uint16": "BFloat16Storage",  # the upper halves of float32 numbers
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclass(frozen=True)
class FakeTensor:
    """A tensor as its pickle describes it: a view of one storage, counted in numbers."""

    storage: np.ndarray
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    count: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        function = sys.modules["torch._utils"]._rebuild_tensor_v2
        return function, (_Reference(self), self.offset, self.shape, self.strides, False, OrderedDict())


@dataclass(frozen=True)
class _Reference:
    tensor: FakeTensor


@dataclass(frozen=True)
class FakeCall:
    """Unpickles to whatever `module.name(*arguments)` returns, for an unpickler that lets it."""

    module: str
    name: str
    arguments: tuple[Any, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr(sys.modules[self.module], self.name), self.arguments


def tensor(array: np.ndarray) -> FakeTensor:
    """A contiguous tensor with a storage of its own."""
    array = np.asarray(array, order="C")
    strides = tuple(step // array.itemsize for step in array.strides)
    return FakeTensor(array.reshape(-1), array.shape, strides)


def as_bfloat16(array: np.ndarray) -> np.ndarray:
    """Float32 numbers cut to their upper halves, uint16."""
    return (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def write_state_dict(path: Path, parameters: Mapping[str, np.ndarray]) -> Path:
    """A checkpoint as `torch.save(model.state_dict(), path)` writes it."""
    return write_checkpoint(path, OrderedDict((name, tensor(array)) for name, array in parameters.items()))


def write_checkpoint(path: Path, content: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    """A checkpoint of anything, tensors in it given as `FakeTensor`."""
    storages: list[np.ndarray] = []
    with _fake_torch():
        description = io.BytesIO()
        _Pickler(description, storages).dump(content)
    return write_archive(path, description.getvalue(), storages, compression)


def write_archive(
    path: Path, description: bytes, storages: list[np.ndarray], compression: int = zipfile.ZIP_STORED
) -> Path:
    """The archive around a pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{path.stem}/data.pkl", description)
        archive.writestr(f"{path.stem}/byteorder", "little")
        for i, storage in enumerate(storages):
            archive.writestr(f"{path.stem}/data/{i}", storage.tobytes())
        archive.writestr(f"{path.stem}/version", "3\n")
    return path


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, storages: list[np.ndarray]) -> None:
        super().__init__(file, protocol=2)
        self._storages = storages

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Reference):
            return None
        storage = obj.tensor.storage
        indices = [i for i, each in enumerate(self._storages) if each is storage]
        if not indices:
            self._storages.append(storage)
        key = str(indices[0] if indices else len(self._storages) - 1)
        kind = getattr(sys.modules["torch"], STORAGE_TYPES[str(storage.dtype)])
        return "storage", kind, key, "cpu", storage.size if obj.tensor.count is None else obj.tensor.count


@contextmanager
def _fake_torch():
    """Modules under PyTorch's names, so that pickling writes those names."""
    names = {"torch": STORAGE_TYPES.values(), "torch._utils": ["_rebuild_tensor_v2", "_rebuild_parameter"]}
    before = {name: sys.modules.get(name) for name in names}
    for name, attributes in names.items():
        module = ModuleType(name)
        for attribute in attributes:
            setattr(module, attribute, type(attribute, (), {"__module__": name}))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name, module_before in before.items():
            if module_before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module_before
