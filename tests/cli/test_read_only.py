"""Every command where home, packages and cache are read-only, as in a container: it works and says what it costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anymask import Client, cli, weights
from tests.support.read_only import read_only_command
from tests.support.server_process import Server
from tests.support.small_datasets import index_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems have no namespaces of mounts"),
]

POINT = ("--point", "290,215")
CACHE_REMARK = "new results are not stored, and are computed again each time"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, coffee_path: Path) -> Path:
    """The folder that can be written, with an image, its masks and a dataset; beside it a cache with weights only."""
    folder = tmp_path_factory.mktemp("machine")
    writable, cache = folder / "writable", folder / "cache"
    writable.mkdir()
    for model in ("mobile-sam", "coco-ssd"):
        for name, path in weights.ensure(model).items():
            (cache / "models" / model).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, cache / "models" / model / name)
    for number in range(2):
        (writable / "images").mkdir(exist_ok=True)
        shutil.copyfile(coffee_path, writable / "images" / f"coffee{number}.jpg")
    shutil.copyfile(coffee_path, writable / "coffee.jpg")
    assert cli.main(["segment", str(writable / "coffee.jpg"), *POINT, "--quiet", "--out", str(writable / "masks")]) == 0
    (writable / "dataset").mkdir()
    index_dataset(writable / "dataset", 1)
    return writable


def environment(machine: Path) -> dict[str, str]:
    """As for a new user, outside of a CI: libraries look for its variable."""
    others = ("CI", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in others}
    path = os.pathsep.join(filter(None, sys.path))
    return {**variables, "ANYMASK_CACHE": str(machine.parent / "cache"), "PYTHONPATH": path}


def run(machine: Path, *arguments: str) -> tuple[str, list[str]]:
    """Standard output, and the lines of standard error, of a command that must succeed."""
    command = read_only_command(machine, sys.executable, "-m", "anymask", *arguments)
    done = subprocess.run(command, env=environment(machine), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (("segment", "coffee.jpg", *POINT, "--out", "segment"), "segment/masks.json"),
        (("segment", "coffee.jpg", *POINT, "--engine", "onnxruntime", "--out", "onnx"), "onnx/masks.json"),
        (("segment", "coffee.jpg", "--text", "cup", "--out", "text"), "text/masks.json"),
        (("everything", "coffee.jpg", "--points-per-side", "4", "--out", "every", "--quiet"), "every/masks.json"),
        (("inpaint", "coffee.jpg", *POINT, "--out", "inpainted.png"), "inpainted.png"),
        (("replay", "masks/masks.json"), None),
        (("batch", "images", "--text", "cup", "--out", "batch"), "batch/manifest.sqlite"),
        (("batch", "images", "--text", "cup", "--workers", "2", "--out", "two"), "two/manifest.sqlite"),
        (("evaluate", "dataset", "--protocol", "boxes", "--against", "none", "--out", "eval"), "eval/report.html"),
    ],
    ids=lambda value: "-".join(value[:1] + value[2:4]) if isinstance(value, tuple) else "",
)
def test_commands_with_networks(machine: Path, arguments: tuple[str, ...], result: str | None) -> None:
    _, errors = run(machine, *arguments)
    assert result is None or (machine / result).is_file()
    remarks = [line for line in errors if line.startswith("anymask: ") and CACHE_REMARK in line]
    assert len(remarks) == ("--quiet" not in arguments)
    assert [line for line in errors if "WARN" in line.upper() or "Traceback" in line] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("detect", "coffee.jpg", "--text", "cup", "--out", "detect"),
        ("draw", "masks/masks.json", "--out", "drawn.png"),
        ("convert", "masks/masks.json", "--to", "coco", "--out", "coco.json"),
        ("cache",),
        ("models", "list"),
        ("models", "verify"),
        ("models", "pull", "mobile-sam", "--to", "bundle"),
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_commands_that_have_no_use_for_the_cache_say_nothing(machine: Path, arguments: tuple[str, ...]) -> None:
    _, errors = run(machine, *arguments)
    assert [line for line in errors if not line.startswith(("manual: ", "-: not measured"))] == []  # legends


def test_cutout_compiles_its_code_anew_and_says_so(machine: Path) -> None:
    _, errors = run(machine, "cutout", "coffee.jpg", *POINT, "--out", "cutout.png")
    assert (machine / "cutout.png").is_file()
    assert len([line for line in errors if "NUMBA_CACHE_DIR" in line]) == 1
    assert len(errors) == 2
    assert list((machine / "tmp").iterdir()) == []


def test_batch_to_an_address_continues_from_the_manifest_beside_its_results(machine: Path) -> None:
    arguments = ("batch", "images", "--text", "cup", "--out", f"file://{machine}/address", "--json")
    _, errors = run(machine, *arguments)
    assert len([line for line in errors if "manifest" in line]) == 1
    output, _ = run(machine, *arguments)
    assert json.loads(output)["now"] == 0
    assert list((machine / "tmp").iterdir()) == []


def test_doctor_finds_nothing_wrong(machine: Path) -> None:
    output, _ = run(machine, "doctor", "--json")
    report = json.loads(output)
    assert report["wrong"] == []
    assert report["advice"][0].startswith(f"{machine.parent / 'cache'} cannot be written")


def test_what_only_fills_the_cache_is_refused_in_one_line(machine: Path) -> None:
    for arguments, code in (
        (("batch", "images", "--embed-only", "--out", "embeddings"), 2),
        (("models", "remove", "coco-ssd"), 1),
        (("cache", "clear", "weights", "--yes"), 1),
        (("serve", "--data", "/nowhere"), 2),
    ):
        command = read_only_command(machine, sys.executable, "-m", "anymask", *arguments)
        done = subprocess.run(command, env=environment(machine), capture_output=True, text=True, timeout=100)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert "cannot be written" in done.stderr


def test_clearing_removes_nothing_and_says_so_once(machine: Path) -> None:
    graphs = machine.parent / "cache" / "graphs"
    graphs.mkdir()
    for name in "ab":
        (graphs / f"{name * 32}.graph").write_bytes(b"graph")
    command = read_only_command(machine, sys.executable, "-m", "anymask", "cache", "clear")
    done = subprocess.run(command, env=environment(machine), capture_output=True, text=True, timeout=100)
    shutil.rmtree(graphs)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["embeddings: 0 files removed, 0.0 MB", "graphs: 0 files removed, 0.0 MB"]
    assert (
        done.stderr
        == f"anymask: graphs: not removed: {graphs / ('a' * 32)}.graph (read-only file system), and 1 more\n"
    )


def test_a_user_without_a_home_reads_which_variables_to_set(machine: Path) -> None:
    """`docker run --user 12345` in an image that does not know this user."""

    def run_as_stranger(**more: str) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in environment(machine).items() if name != "HOME"}
        del variables["ANYMASK_CACHE"], variables["ANYMASK_DATA"]
        command = ["unshare", "--map-user=12345", sys.executable, "-m", "anymask", "models", "list", "--json"]
        return subprocess.run(command, env={**variables, **more}, cwd=machine, capture_output=True, text=True)

    for known in ({}, {"ANYMASK_CACHE": str(machine / "c")}, {"ANYMASK_DATA": str(machine / "d")}):
        done = run_as_stranger(**known)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "has to name a folder, since this user has no home" in done.stderr
    done = run_as_stranger(ANYMASK_CACHE=str(machine / "c"), ANYMASK_DATA=str(machine / "d"))
    assert (done.returncode, done.stderr) == (0, "")


def test_damaged_weights_are_named_before_the_cache_that_cannot_be_written(machine: Path) -> None:
    cache = machine.parent / "damaged"
    shutil.copytree(machine.parent / "cache", cache)
    path = cache / "models" / "mobile-sam" / "sam.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    command = read_only_command(machine, sys.executable, "-m", "anymask", "segment", "coffee.jpg", *POINT)
    variables = {**environment(machine), "ANYMASK_CACHE": str(cache)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert f"{path} is refused, since its sha256 is" in done.stderr
    assert "cannot be written" in done.stderr


def test_the_server_stores_images_in_a_temporary_folder(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(machine).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CI", raising=False)
    server = Server(machine, prefix=read_only_command(machine))
    server.start()
    try:
        mask = Client(server.address).encode(machine / "coffee.jpg").segment(points=[(290, 215)])[0]
        assert mask.area > 1000
        assert len(list((machine / "tmp").iterdir())) == 1
    finally:
        server.stop()
    lines = (machine / "server.log").read_text().splitlines()
    assert len([line for line in lines if "images of clients are removed when the server ends" in line]) == 1
    assert list((machine / "tmp").iterdir()) == []
