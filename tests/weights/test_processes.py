"""Several processes, an interrupted one, and a full disk."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anymask import weights
from anymask.errors import WeightsError
from tests.support.loopback_server import LoopbackServer
from tests.support.small_models import SmallModel, add_to_catalogue, noise, toml_model

PULL = [sys.executable, "-m", "anymask", "models", "pull", "small"]


@pytest.mark.slow
def test_ten_processes_at_once_make_one_download(small_model: SmallModel, server: LoopbackServer) -> None:
    server.delay = 1.0
    command = [sys.executable, "-c", "from anymask import weights; print(*weights.ensure('small').values())"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    printed = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 10
    assert printed == [[str(small_model.cached(name)) for name in small_model.content]] * 10
    assert server.requests == {"/encoder.onnx": 1, "/decoder.onnx": 1}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_interrupted_download_leaves_a_part_and_is_continued(small_model: SmallModel, server: LoopbackServer) -> None:
    server.stall_after = 200_000
    process = subprocess.Popen(PULL, stderr=subprocess.PIPE, text=True)
    part = small_model.cached("encoder.onnx.part")
    assert server.stalled.wait(20)
    wait_for_size(part, 100_000)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1].splitlines()[-1] == "anymask: interrupted"
    assert process.returncode == 130
    assert small_model.left_behind() == ["encoder.onnx.part"]
    here = part.stat().st_size
    server.released.set()
    server.stall_after = None
    assert weights.ensure("small")["encoder.onnx"].read_bytes() == small_model.content["encoder.onnx"]
    assert server.ranges == ["", f"bytes={here}-", ""]


def wait_for_size(path: Path, size: int) -> None:
    for _ in range(200):
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} did not grow to {size} bytes")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit a process's file size")
def test_full_disk_is_one_clear_line_and_leaves_nothing(small_model: SmallModel, server: LoopbackServer) -> None:
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); "
        "from anymask.cli import main; sys.exit(main(['models', 'pull', 'small']))"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("anymask: small: no room for 0.4 MB in ")
    assert "Traceback" not in done.stderr
    assert small_model.left_behind() == []


def test_model_larger_than_the_disk_is_refused_before_it_is_asked_for(server: LoopbackServer, tmp_path: Path) -> None:
    content = {"net.onnx": noise(10, 1)}
    server.content["/net.onnx"] = content["net.onnx"]
    text = toml_model("huge", content, [{"kind": "https", "files": {"net.onnx": server.url("/net.onnx")}}])
    add_to_catalogue(tmp_path, text.replace("size = 10", f"size = {10**18}"))
    with pytest.raises(WeightsError, match=r"no room for 1,000,000,000,000\.0 MB"):
        weights.ensure("huge")
    assert not server.requests


def test_cache_that_cannot_be_written_is_named(
    small_model: SmallModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "a file"))
    with pytest.raises(WeightsError, match=r"a file.models.small cannot be written .*; set ANYMASK_CACHE"):
        weights.ensure("small")


def test_leftovers_of_a_killed_process_are_cleared(small_model: SmallModel, server: LoopbackServer) -> None:
    scratch = small_model.folder / ".fetching-killed"
    scratch.mkdir(parents=True)
    (scratch / "package.tgz").write_bytes(b"half")
    weights.ensure("small")
    assert small_model.left_behind() == ["decoder.onnx", "encoder.onnx"]
