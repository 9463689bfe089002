"""Environments of tools: made by the real pip, from a package index that is a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from anymask.errors import InputError
from benchmarks.peers import environment
from benchmarks.peers.environment import PeerError, folder_size, is_prepared, prepare
from benchmarks.peers.peers import OWN, PEERS, Peer, find_peers, find_tasks

TINY = Peer("tiny", "nothing", "tiny", packages=("tinytool==1.5",))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, which is all that pip can reach, and a cache of its own."""
    folder = tmp_path / "index"
    folder.mkdir()
    about = "tinytool-1.5.dist-info"
    with zipfile.ZipFile(folder / "tinytool-1.5-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinytool.py", "ANSWER = 42\n")
        wheel.writestr("tinytool_weights.onnx", b"0" * 5000)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: TinyTool\nVersion: 1.5\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.mark.reference
def test_a_tool_is_installed_once_and_apart_from_us(index: Path) -> None:
    assert not is_prepared(TINY)
    made = prepare(TINY)
    assert is_prepared(TINY)
    assert made.versions == {"tinytool": "1.5"}
    (index / "tinytool-1.5-py3-none-any.whl").unlink()
    assert prepare(TINY) == made

    def found(module: str) -> str:
        code = f"import importlib.util; print(importlib.util.find_spec({module!r}) is not None)"
        command = [str(made.python), "-c", code]
        return subprocess.run(command, env=made.variables(TINY), capture_output=True, text=True, check=True).stdout

    assert found("tinytool").strip() == "True"
    assert found("anymask").strip() == "False"
    assert made.variables(TINY)["HOME"] == made.folder


@pytest.mark.reference
def test_a_tool_that_cannot_be_installed_is_reported_in_one_line_and_tried_again(index: Path) -> None:
    absent = replace(TINY, packages=("tinytool==9.9",))
    for _ in range(2):
        with pytest.raises(PeerError, match=r"^it cannot be installed: .*tinytool==9\.9") as told:
            prepare(absent)
        assert "\n" not in str(told.value)
    assert not is_prepared(absent)


def test_a_tool_for_node_needs_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(PeerError, match="node is not on the PATH"):
        prepare(replace(TINY, worker="tiny.mjs"))


def test_size_leaves_out_weights_and_folders_that_do_not_count(tmp_path: Path) -> None:
    for name, size in (("a.py", 10), ("deep/b.so", 100), ("pip/c.py", 1000), ("weights.onnx", 10_000)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"0" * size)
    assert folder_size(tmp_path, ("pip",)) == 110


def test_anymask_runs_where_it_is_and_counts_what_it_needs() -> None:
    own = prepare(OWN)
    assert own.python == sys.executable
    assert {"openvino", "onnxruntime", "numpy"} <= set(own.versions)
    assert own.size > folder_size(Path(environment.__file__).parent.parent) + 50_000_000  # OpenVINO alone is more


def test_peers_and_tasks_are_looked_up_by_name_in_their_own_order() -> None:
    assert [peer.name for peer in find_peers(["osam", "official"])] == ["anymask", "official", "osam"]
    assert find_tasks(["click", "encode"]) == ["encode", "click"]
    with pytest.raises(InputError, match="no peer is called 'sam'; there are anymask, "):
        find_peers(["sam"])
    with pytest.raises(InputError, match="no task is called 'fly'; there are encode, "):
        find_tasks(["fly"])


def test_every_worker_is_in_the_package() -> None:
    workers = Path(environment.__file__).parent / "workers"
    files = [workers / (peer.worker if peer.worker.endswith(".mjs") else f"{peer.worker}.py") for peer in PEERS]
    assert [path.name for path in files if not path.is_file()] == []
