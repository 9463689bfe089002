"""Read the tensors of a PyTorch checkpoint (`.pth`, `.pt`, `.bin`) without PyTorch and without running its code.

Such a file is a zip archive: `data.pkl`, a pickle that describes the tensors, and one uncompressed member with the
numbers of each storage (`torch/serialization.py`, the format since PyTorch 1.6). A pickle can name any Python
function and have it called, so this one is read by an unpickler that knows a handful of names and refuses any other.

The numbers are mapped from the file, not read: a tensor costs memory when it is used, and the system can take that
memory back.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError
from anymask.weights.checkpoints.dtypes import DTYPES, memory_map, to_float32

_MAX_PICKLE_BYTES = 64 * 1024**2
_NESTED = ("state_dict", "model_state_dict", "model", "ema", "net")
"""Under these keys training programs keep the tensors, beside an optimizer's state and the like."""

_STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}


def read_pth(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a checkpoint's tensors by the names it gives them.

    Args:
        path: a `state_dict` saved by `torch.save`, or a dict that holds one.

    Returns:
        float32 arrays; those that are float32 in the file are mapped from it.

    Raises:
        WeightsError: the file is no such checkpoint, is damaged, or wants code to be run.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            loaded = _Unpickler(_Storages(path, archive)).load()
        return {name: tensor.array() for name, tensor in _tensors(loaded, path)}
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path} is no PyTorch checkpoint: {_kind_of(path)}") from error
    except Exception as error:  # a damaged pickle makes the unpickler raise almost anything
        raise WeightsError(f"{path} is no PyTorch checkpoint, or a damaged one ({error})") from error


class _Storages:
    """The members of the archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._members = {info.filename: info for info in archive.infolist()}
        self._bytes = memory_map(path)
        roots = [name.removesuffix("data.pkl") for name in self._members if name.split("/")[-1] == "data.pkl"]
        if len(roots) != 1:
            raise WeightsError(f"{path} is a zip archive but no PyTorch checkpoint: it has no data.pkl")
        self._root = roots[0]
        if bytes(self._member("byteorder") if f"{self._root}byteorder" in self._members else b"little") != b"little":
            raise WeightsError(f"{path} was saved on a big-endian machine; save it again on a little-endian one")

    def description(self) -> bytes:
        """Return the pickle that describes the tensors."""
        content = self._member("data.pkl")
        if content.size > _MAX_PICKLE_BYTES:
            raise WeightsError(f"{self.path} describes its tensors in {content.size:,} bytes; that cannot be right")
        return content.tobytes()

    def numbers(self, key: str, dtype: str, count: int) -> NDArray[Any]:
        """Return the numbers of one storage, [count] of `DTYPES[dtype]`, mapped from the file."""
        if count < 0:
            raise pickle.UnpicklingError(f"a storage of {count} numbers")
        numbers: NDArray[Any] = np.frombuffer(self._member(f"data/{key}"), DTYPES[dtype], count)
        return numbers

    def _member(self, name: str) -> NDArray[np.uint8]:
        """Return uint8 [bytes] of an uncompressed member, from behind its local header (APPNOTE.TXT, 4.3.7)."""
        info = self._members[f"{self._root}{name}"]
        if info.compress_type != zipfile.ZIP_STORED:
            raise WeightsError(f"{self.path} was compressed after it was saved; unpack it and torch.save it again")
        header = self._bytes[info.header_offset : info.header_offset + 30]
        lengths = header[26:30].view("<u2")
        start = info.header_offset + 30 + int(lengths.sum())
        content = self._bytes[start : start + info.file_size]
        if header[:4].tobytes() != b"PK\x03\x04" or content.size != info.file_size:
            raise WeightsError(f"{self.path} is damaged: {info.filename} is not where the archive says")
        return content


class _Unpickler(pickle.Unpickler):
    """Knows what a state dict is made of, and nothing else."""

    def __init__(self, storages: _Storages) -> None:
        super().__init__(io.BytesIO(storages.description()))
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a global name; a new one each time, for a pickle can change what it is given."""
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _RebuildTensor()
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _RebuildParameter()
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        raise WeightsError(
            f"{self._storages.path} is refused: it asks for {module}.{name}, and a checkpoint that holds more than "
            "tensors can run any code; save the model's state_dict() alone"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage: `("storage", type, member, device, count)`."""
        kind, storage_type, key, _, count = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or not isinstance(key, str):
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        return _Storage(self._storages.numbers(key, storage_type.dtype, index(count)), storage_type.dtype)


@dataclass(frozen=True)
class _StorageType:
    """Stands for `torch.FloatStorage` and its like. Not callable."""

    dtype: str


@dataclass(frozen=True)
class _Storage:
    """A run of numbers in the file, and what they mean."""

    numbers: NDArray[Any]
    dtype: str


class _RebuildTensor:
    """Stands for `torch._utils._rebuild_tensor_v2`."""

    __slots__ = ()

    def __call__(self, storage: _Storage, offset: int, size: Any, stride: Any, *_: Any) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor has no storage")
        return _Tensor(storage, index(offset), tuple(map(index, size)), tuple(map(index, stride)))


class _RebuildParameter:
    """Stands for `torch._utils._rebuild_parameter`: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, tensor: _Tensor, *_: Any) -> _Tensor:
        return tensor


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage. Offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> NDArray[np.float32]:
        """Return the numbers as float32 of the tensor's shape.

        Raises:
            ValueError: the tensor reaches outside its storage.
        """
        numbers = self.storage.numbers
        if min((self.offset, *self.shape, *self.strides)) < 0 or np.prod(self.shape, dtype=object) > numbers.size:
            raise ValueError(f"a tensor of shape {self.shape} in a storage of {numbers.size} numbers")
        offset, strides = self.offset * numbers.itemsize, tuple(step * numbers.itemsize for step in self.strides)
        # NumPy itself refuses a view that reaches outside its buffer.
        view: NDArray[Any] = np.ndarray(self.shape, numbers.dtype, numbers.data, offset, strides)
        return to_float32(view, self.storage.dtype)


def _tensors(loaded: Any, path: Path) -> Iterator[tuple[str, _Tensor]]:
    """Find the state dict in what was loaded, and go through its tensors."""
    if isinstance(loaded, dict):
        for candidate in (*(dict.get(loaded, key) for key in _NESTED), loaded):
            tensors = [
                (name, value)
                for name, value in (dict.items(candidate) if isinstance(candidate, dict) else ())
                if isinstance(name, str) and isinstance(value, _Tensor)
            ]
            if tensors:
                return iter(tensors)
    raise WeightsError(f"{path} holds no state_dict: a dict of tensors by name, itself or under {', '.join(_NESTED)}")


def _kind_of(path: Path) -> str:
    """Say what a file that is no zip archive seems to be."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"\x80"):
        return "it is in the format from before PyTorch 1.6; load it there and torch.save it again"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself; 'git lfs pull' fetches that"
    return "it is no zip archive; was it downloaded whole?"
