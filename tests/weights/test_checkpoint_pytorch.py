"""PyTorch checkpoints without PyTorch: every tensor right, no code run, no damage undetected, little memory."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import WeightsError
from anymask.weights.checkpoints.pytorch import read_pth
from tests.support.checkpoint_files import (
    FakeCall,
    FakeTensor,
    as_bfloat16,
    tensor,
    write_archive,
    write_checkpoint,
    write_state_dict,
)

CHANCE = np.random.default_rng(0)
MATRIX = CHANCE.standard_normal((3, 5)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pth"


def test_state_dict_comes_back_as_it_was_saved(path: Path) -> None:
    saved = {"a.weight": MATRIX, "a.bias": MATRIX[0], "counter": np.array(7), "empty": np.zeros((0, 4), np.float32)}
    found = read_pth(write_state_dict(path, saved))
    assert list(found) == list(saved)
    for name, array in saved.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (MATRIX.astype(np.float64), MATRIX),
        (MATRIX.astype(np.float16), MATRIX.astype(np.float16).astype(np.float32)),
        (as_bfloat16(MATRIX), (MATRIX.view(np.uint32) & 0xFFFF0000).view(np.float32)),
        (np.arange(-3, 3), np.arange(-3, 3, dtype=np.float32)),
        (np.array([True, False]), np.array([1, 0], np.float32)),
    ],
    ids=["f64", "f16", "bf16", "i64", "bool"],
)
def test_every_number_format_is_widened_to_float32(path: Path, stored: np.ndarray, expected: np.ndarray) -> None:
    found = read_pth(write_state_dict(path, {"x": stored}))["x"]
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


def test_views_share_a_storage(path: Path) -> None:
    storage = np.arange(12, dtype=np.float32)
    content = OrderedDict(
        whole=FakeTensor(storage, (3, 4), (4, 1)),
        transposed=FakeTensor(storage, (4, 3), (1, 4)),
        column=FakeTensor(storage, (3,), (4,), offset=2),
        last=FakeTensor(storage, (), (), offset=11),
    )
    found = read_pth(write_checkpoint(path, content))
    whole = storage.reshape(3, 4)
    for name, expected in {"whole": whole, "transposed": whole.T, "column": whole[:, 2], "last": whole[2, 3]}.items():
        assert np.array_equal(found[name], expected), name


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_tensors_inside_a_training_checkpoint_are_found(path: Path, key: str) -> None:
    content = {"epoch": 3, "lr": 1e-4, "step": tensor(np.array(5)), key: OrderedDict(w=tensor(MATRIX)), "notes": ["x"]}
    found = read_pth(write_checkpoint(path, content))
    assert list(found) == ["w"]
    assert np.array_equal(found["w"], MATRIX)


def test_parameters_are_their_tensors(path: Path) -> None:
    content = {"w": FakeCall("torch._utils", "_rebuild_parameter", (tensor(MATRIX), True, OrderedDict()))}
    assert np.array_equal(read_pth(write_checkpoint(path, content))["w"], MATRIX)


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("os", "system", ("touch {}",)),
        ("builtins", "eval", ("open({!r}, 'w')",)),
        ("builtins", "exec", ("open({!r}, 'w')",)),
        ("subprocess", "check_output", (["touch", "{}"],)),
        ("builtins", "getattr", (1, "real")),
        ("pickle", "loads", (pickle.dumps(1),)),
        ("operator", "attrgetter", ("__class__",)),
        ("numpy", "dtype", ("f4",)),
    ],
)
def test_code_in_a_checkpoint_is_refused_and_does_not_run(
    path: Path, tmp_path: Path, module: str, name: str, arguments: tuple[object, ...]
) -> None:
    proof = tmp_path / "it ran"
    arguments = tuple(each.format(str(proof)) if isinstance(each, str) else each for each in arguments)
    write_checkpoint(path, {"w": tensor(MATRIX), "x": FakeCall(module, name, arguments)})
    with pytest.raises(WeightsError, match="is refused: it asks for") as raised:
        read_pth(path)
    assert f".{name}," in str(raised.value)
    assert "state_dict() alone" in str(raised.value)
    assert not proof.exists()


GLOBAL_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
GLOBAL_STORAGE = b"ctorch\nFloatStorage\n"


@pytest.mark.parametrize(
    "description",
    [
        GLOBAL_STORAGE + b"(tR.",  # a storage type called like a function
        GLOBAL_TENSOR + b"(I1\nI2\nI3\nI4\ntR.",  # a tensor of plain numbers
        GLOBAL_TENSOR + b"}X\x08\x00\x00\x00__code__I1\nsb.",  # an attribute set on a stand-in
        GLOBAL_STORAGE + b"}X\x05\x00\x00\x00dtypeX\x03\x00\x00\x00F64sb0.",  # a stand-in made to lie, then dropped
        b"(X\x03\x00\x00\x00filetQ.",  # a reference to something that is no storage
        b"I1\n.",
        b"].",
        b"}.",
        b"",
        b"\x80\x02garbage",
    ],
)
def test_pickles_made_to_confuse_are_refused(path: Path, description: bytes) -> None:
    write_archive(path, description, [MATRIX])
    with pytest.raises(WeightsError):
        read_pth(path)
    good = read_pth(write_state_dict(path, {"w": MATRIX}))
    assert np.array_equal(good["w"], MATRIX), "an earlier file changed how this one is read"


@pytest.mark.parametrize(
    "wrong",
    [
        FakeTensor(MATRIX.reshape(-1), (4, 5), (5, 1)),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (5, 1), offset=1),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (5, 1), offset=-1),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (-5, 1)),
        FakeTensor(MATRIX.reshape(-1), (100_000, 100_000), (0, 0)),
        FakeTensor(MATRIX.reshape(-1), (2**62, 4), (0, 0)),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (5,)),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (5, 1), count=1000),
        FakeTensor(MATRIX.reshape(-1), (3, 5), (5, 1), count=-1),
    ],
)
def test_tensors_that_reach_outside_their_storage_are_refused(path: Path, wrong: FakeTensor) -> None:
    write_checkpoint(path, {"w": wrong})
    with pytest.raises(WeightsError, match=r"model\.pth"):
        read_pth(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no zip archive; was it downloaded whole?"),
        (b"<!DOCTYPE html><html>", "no zip archive; was it downloaded whole?"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "before PyTorch 1.6"),
    ],
)
def test_files_of_another_kind_say_what_they_are(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as raised:
        read_pth(path)
    assert "\n" not in str(raised.value)


def test_absent_files_and_folders_are_one_clear_line(path: Path, tmp_path: Path) -> None:
    for place in (path, tmp_path):
        with pytest.raises(WeightsError, match="cannot be read"):
            read_pth(place)


def test_archives_of_another_kind_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read_pth(path)
    write_checkpoint(path, {"w": tensor(np.zeros(1000, np.float32))}, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed"):
        read_pth(path)


def test_truncated_checkpoint_is_refused(path: Path) -> None:
    whole = write_state_dict(path, {"w": MATRIX, "v": MATRIX}).read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            read_pth(path)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_changed_byte_never_gets_further_than_an_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "model.pth"
    content = bytearray(write_state_dict(path, {"a.weight": MATRIX, "a.bias": MATRIX[0]}).read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    with contextlib.suppress(WeightsError):
        assert all(array.dtype == np.float32 for array in read_pth(path).values())


MEASURE = """
import sys
from pathlib import Path
from anymask.weights.checkpoints.state_dict import read_state_dict

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

parameters = read_state_dict([Path(sys.argv[1])])
opened = peak()
total = sum(float(array.sum()) for array in parameters.values())
print(opened, peak(), total)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of resident memory is read from /proc")
def test_opening_a_checkpoint_reads_none_of_it_and_using_all_of_it_stays_below_twice_its_size(path: Path) -> None:
    block = np.full((1024, 1024), 0.5, np.float32)
    size = write_state_dict(path, {f"image_encoder.blocks.{i}.w": block + i for i in range(64)}).stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    opened, used, total = map(float, done.stdout.split())
    assert total == sum((0.5 + i) * 1024**2 for i in range(64))
    assert opened < 0.5 * size
    assert used < 2 * size
