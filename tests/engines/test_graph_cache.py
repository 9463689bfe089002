"""Graphs on disk are used only as they were written."""

from pathlib import Path

import pytest

from anymask.engines.graph_cache import graph_path, read_graph, write_graph


@pytest.mark.parametrize("position", [0, 1_000, 4_095, 4_096, -1])
def test_graph_with_one_flipped_byte_is_refused_with_a_remark(tmp_path: Path, position: int) -> None:
    path = graph_path(tmp_path, "a graph")
    content = bytes(range(256)) * 16
    write_graph(path, content)
    assert read_graph(path) == content

    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)
    with (
        pytest.warns(UserWarning, match="a compiled graph is made again"),
        pytest.raises(OSError, match="has changed since it was"),
    ):
        read_graph(path)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    path = graph_path(tmp_path / "graphs", "a graph")
    write_graph(path, b"content")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(mode)
    with pytest.warns(UserWarning, match="other users can write"), pytest.raises(OSError, match="other users"):
        read_graph(path)
