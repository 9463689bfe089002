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
    with pytest.warns(UserWarning, match="damaged and is made again"), pytest.raises(OSError, match="not as it was"):
        read_graph(path)
