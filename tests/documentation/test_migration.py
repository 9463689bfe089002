"""The calls of anymask in docs/guides/migration.md run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import anymask
from anymask import Segmenter

PAGE = Path(__file__).parent.parent.parent / "docs" / "guides" / "migration.md"
SECTIONS = re.findall(r"^## From ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def ours(section: str) -> list[str]:
    """The code in the right column of a section's table, row by row."""
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition(" | ")[2])]


@pytest.mark.slow
@pytest.mark.parametrize(("peer", "section"), SECTIONS, ids=[peer for peer, _ in SECTIONS])
def test_each_call_named_beside_a_peers_runs(
    peer: str, section: str, segmenter: Segmenter, coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(anymask, "load", lambda name: {"mobile-sam": segmenter}[name], raising=False)
    shutil.copy(coffee_path, "photo.jpg")
    cup, spoon = [170, 14, 412, 264], [315, 65, 430, 330]
    known: dict[str, Any] = {
        "anymask": anymask, "axes": Figure().subplots(), "box": cup, "boxes": [cup, spoon],
        "points": [(290, 140), (110, 300)], "labels": [1, 0],
    }  # fmt: skip
    codes = ours(section)
    assert len(codes) > 10
    for code in codes:
        exec(code, known)
    masks = [known["result"][0].array] if "result" in known else []
    masks += list(known["c"].masks) if "c" in known else []
    assert masks
    assert all(mask.dtype == np.bool_ and mask.shape == (400, 600) and mask.any() for mask in masks)


def test_there_is_a_table_for_each_peer() -> None:
    assert [peer for peer, _ in SECTIONS] == ["segment-anything", "ultralytics", "transformers"]
