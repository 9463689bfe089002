"""`anymask cache`: what is on the disk is what it says, and what it removes is what anymask wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from anymask import cli, weights
from anymask.engines import graph_cache
from anymask.prediction.embedding_cache import EmbeddingStore

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the default model, and files that others put there."""
    paths = weights.ensure("mobile-sam")
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    folder = tmp_path / "cache" / "models" / "mobile-sam"
    folder.mkdir(parents=True)
    for name, path in paths.items():
        shutil.copyfile(path, folder / name)
    return tmp_path / "cache"


def segment(coffee_path: Path, out: Path) -> list[dict[str, Any]]:
    assert cli.main(["segment", str(coffee_path), "--point", "290,215", "--quiet", "--out", str(out)]) == 0
    masks: list[dict[str, Any]] = json.loads((out / "masks.json").read_text())["masks"]
    return masks


def shown(capsys: Captured, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["cache", *arguments, "--json"]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def on_disk(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len([size for size in sizes if size]), sum(sizes)


@pytest.mark.slow
def test_figures_are_those_of_the_disk_and_the_same_masks_come_after_clearing(
    cache: Path, coffee_path: Path, tmp_path: Path, capsys: Captured
) -> None:
    before = segment(coffee_path, tmp_path / "before")
    found = shown(capsys)
    assert found["root"] == str(cache)
    for name, folder in (("embeddings", "embeddings"), ("graphs", "graphs"), ("weights", "models")):
        part = found["parts"][name]
        assert (part["files"], part["bytes"]) == on_disk(cache / folder)
        assert part["path"] == str(cache / folder)
        assert part["oldest_use"].startswith("20")
    assert found["parts"]["embeddings"]["capacity"] == found["parts"]["graphs"]["capacity"] == 2 * 1024**3
    assert cli.main(["cache"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["PART", "embeddings", "graphs", "weights"]
    assert lines[2].split()[2] == f"{found['parts']['graphs']['bytes'] / 1e6:,.1f}"

    cleared = shown(capsys, "clear")
    assert {name: part["files"] for name, part in cleared.items()} == {
        name: found["parts"][name]["files"] for name in ("embeddings", "graphs")
    }
    assert on_disk(cache / "embeddings") == on_disk(cache / "graphs") == (0, 0)
    assert found["parts"]["weights"] == shown(capsys)["parts"]["weights"]
    assert segment(coffee_path, tmp_path / "after") == before


def test_files_of_others_are_shown_and_stay(cache: Path, capsys: Captured) -> None:
    EmbeddingStore(cache / "embeddings").store_cap(10**9)
    graph_cache.write_graph(graph_cache.graph_path(cache / "graphs", 1), b"graph")
    draft = cache / "graphs" / ".a1b2c3d4.tmp"
    draft.write_bytes(b"of a process that was killed")
    part = cache / "models" / "mobile-sam" / "encoder.onnx.part"
    part.write_bytes(b"of a download that was interrupted")
    mine = [
        cache / "notes.txt",
        cache / "embeddings" / "mine.npy",
        cache / "graphs" / "readme",
        cache / "models" / "mobile-sam" / "finetuned.onnx",
        cache / "models" / "of-a-friend" / "sam.onnx",
        cache / "serve" / "images" / "image",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    found = shown(capsys)["parts"]
    assert (found["other"]["files"], found["other"]["bytes"]) == (5, 20)
    assert found["server"]["files"] == 1
    assert found["embeddings"]["capacity"] == 10**9

    cleared = shown(capsys, "clear", "all", "--yes")
    assert cleared["graphs"]["files"] == 2
    assert cleared["weights"]["files"] == 3
    assert cleared["weights"]["models"] == ["mobile-sam"]
    left = {path for path in cache.rglob("*") if path.is_file() and path.stat().st_size}
    assert left == {*mine, cache / "embeddings" / "cap"}


def test_weights_are_removed_only_when_somebody_says_so(cache: Path, capsys: Captured) -> None:
    assert cli.main(["cache", "clear", "all"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "44.6 MB of weights (mobile-sam) would have to be downloaded again: to remove them, add --yes" in error
    assert weights.is_here(weights.find_model("mobile-sam"))
    assert cli.main(["cache", "clear", "weights", "--yes"]) == 0
    assert "weights: 2 files removed, 44.6 MB; mobile-sam will be downloaded again" in capsys.readouterr().out
    assert not (cache / "models" / "mobile-sam").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(("answer", "code", "here"), [(b"n\n", 1, True), (b"y\n", 0, False)])
def test_at_a_terminal_a_question_comes_first(cache: Path, answer: bytes, code: int, here: bool) -> None:
    import pty

    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "anymask", "cache", "clear", "weights"]
    process = subprocess.Popen(command, stdin=side, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(terminal, answer)
    _, error = process.communicate(timeout=60)
    os.close(terminal)
    os.close(side)
    assert process.returncode == code
    assert "44.6 MB of weights (mobile-sam) would have to be downloaded again. Remove them?" in error
    assert weights.is_here(weights.find_model("mobile-sam")) == here


def test_a_model_without_a_source_is_left_and_named(cache: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models.toml").write_text(
        f'[models.gift]\nfamily = "sam"\n[[models.gift.files]]\nname = "sam.onnx"\nsize = 4\nsha256 = "{"0" * 64}"\n'
    )
    gift = cache / "models" / "gift" / "sam.onnx"
    gift.parent.mkdir()
    gift.write_bytes(b"gift")
    assert cli.main(["cache", "clear", "weights", "--yes"]) == 1
    captured = capsys.readouterr()
    assert "gift (it has no source to be fetched from again; anymask models remove gift)" in captured.err
    assert "mobile-sam will be" in captured.out
    assert gift.exists()


def test_abandoned_drafts_and_files_of_other_versions_count_towards_the_capacity(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, cap=10_000)
    for number, name in enumerate((f"{'a' * 40}.embedding.npy", ".abcd1234.tmp")):
        (tmp_path / name).write_bytes(bytes(6_000))
        os.utime(tmp_path / name, (number, number))
    EmbeddingStore(tmp_path, cap=10_000).put(_embedding(1_000), "image")
    assert [path.name for path in tmp_path.iterdir()] == [store.path("image").name]


def _embedding(numbers: int) -> Any:
    import numpy as np

    return np.zeros(numbers, np.float32)


def test_removal_of_a_model_leaves_files_of_others(cache: Path, capsys: Captured) -> None:
    mine = cache / "models" / "mobile-sam" / "finetuned.onnx"
    mine.write_bytes(b"mine")
    assert cli.main(["models", "remove", "mobile-sam"]) == 0
    assert capsys.readouterr().out == "mobile-sam: 44.6 MB freed\n"
    assert list(mine.parent.iterdir()) == [mine]


@pytest.mark.slow
def test_commands_work_while_another_process_clears(
    cache: Path, coffee_path: Path, tmp_path: Path, capsys: Captured
) -> None:
    expected = segment(coffee_path, tmp_path / "alone")
    done = threading.Event()
    running: list[bool] = []

    def clear_again_and_again() -> None:
        clear = "from anymask.prediction.disk_cache import clear_part as c\nwhile True: c('embeddings'); c('graphs')"
        process = subprocess.Popen([sys.executable, "-c", clear])
        done.wait()
        running.append(process.poll() is None)
        process.kill()
        process.wait()

    clearing = threading.Thread(target=clear_again_and_again)
    clearing.start()
    try:
        for number in range(3):
            assert segment(coffee_path, tmp_path / f"beside{number}") == expected
    finally:
        done.set()
        clearing.join()
    assert running == [True]
    assert "Traceback" not in capsys.readouterr().err
