"""What `anymask evaluate` writes: a table, JSON, and a page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anymask
from anymask import Segmenter
from anymask.cli import main
from anymask.evaluation.matching import AREAS
from tests.support.small_datasets import coco_dataset, index_dataset

SETTINGS = ("--refine", "off", "--precision", "f32")


class Parsed(HTMLParser):
    """A page's tags, with every one that was opened closed again."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_two_settings_on_the_same_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = index_dataset(tmp_path, 2), tmp_path / "out"
    command = ["evaluate", str(folder), "--clicks", "2", *SETTINGS, "--against", "select=part", "--out", str(out)]
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (out / "evaluation.json").read_text(encoding="utf-8")
    report = json.loads(printed)
    assert report["settings"]["measured"]["select"] == "object"
    assert report["settings"]["against"]["select"] == "part"
    assert report["settings"]["against"]["precision"] == "f32"
    figures = report["figures"]
    assert figures["measured"]["objects"] == figures["against"]["objects"] == 4
    assert [each["setting"] for each in report["objects"]] == ["measured"] * 4 + ["against"] * 4
    by_name = {each["name"]: each for each in report["differences"]}
    first = by_name["first click"]
    assert first["value"] == pytest.approx(figures["measured"]["first click"] - figures["against"]["first click"])
    assert main(command) == 0  # from the record
    table = capsys.readouterr().out
    assert re.search(r"^ +select=object +select=part +difference", table, re.MULTILINE)
    assert "2 images are too few to tell" in table or "the same" in table


def test_the_page_needs_no_network_and_shows_the_worst_cases(tmp_path: Path) -> None:
    folder, out = index_dataset(tmp_path, 2), tmp_path / "out"
    assert main(["evaluate", str(folder), "--clicks", "2", *SETTINGS, "--out", str(out)]) == 0
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "$" not in re.sub(r'src="[^"]*"', "", text)
    parsed = Parsed(text)
    images = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(images) >= 4
    for attributes in images:
        address = str(attributes["src"])
        assert address.startswith("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
            assert max(image.size) == 420
        assert re.search(r"mask\d#\d of photo\d\.png: IoU \d", str(attributes["alt"]))
    assert sum(tag == "svg" for tag, _ in parsed.tags) == 3
    assert "prefers-color-scheme: dark" in text
    assert "select=official" in text


def test_an_image_shows_the_outline_of_the_truth_and_the_mask(tmp_path: Path) -> None:
    from anymask.evaluation.html_report.images import MASK, TRUTH, render_object
    from anymask.structures.rle import encode
    from anymask.visualization.overlay import INCLUDE_COLOR
    from tests.support.small_datasets import box_object

    truth = box_object(60, 60, 140, 140, (400, 300))
    wrong = np.zeros((300, 400), bool)
    wrong[60:140, 180:240] = True
    grey = np.full((300, 400, 3), 128, np.uint8)
    address = render_object(grey, truth, {"mask": encode(wrong), "clicks": [[100.0, 100.0, 1]]})
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)

    def share(color: tuple[int, int, int], reach: int) -> float:
        return float((np.abs(pixels - np.array(color)).max(axis=2) < reach).mean())

    assert share(TRUTH, 60) > 0.004
    tinted = tuple(round(0.6 * 128 + 0.4 * c) for c in MASK)
    assert share(tinted, 12) > 0.08
    assert share(INCLUDE_COLOR, 60) > 0.0004


def test_everything_mode_of_a_coco_dataset_with_a_crowd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disc = {"segmentation": [[26, 60, 45, 48, 60, 46, 75, 48, 94, 60, 94, 100, 75, 112, 60, 114, 45, 112, 26, 100]]}
    crowd = {"segmentation": [[150, 40, 230, 40, 230, 120, 150, 120]], "iscrowd": 1}
    folder = coco_dataset(tmp_path / "coco", [disc, crowd])
    options = ("--with", "points_per_side=8 sampling=grid", "--precision", "f32")
    command = ["evaluate", str(folder), "--protocol", "everything", *options, "--out", str(tmp_path / "out"), "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["figures"]["measured"]["objects"] == 1  # a crowd is no object
    assert report["figures"]["measured"]["AR@100"] > 0.5
    assert report["settings"] == {
        "measured": {**report["settings"]["measured"], "points_per_side": 8, "sampling": "grid"}
    }
    assert report["differences"] == []
    assert {name.split()[-1] for name in report["figures"]["measured"] if name.startswith("AR@1000 ")} <= set(AREAS)


def test_the_categories_of_a_dataset_are_the_text(
    tmp_path: Path, coffee_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cup = {"segmentation": [[172, 60, 230, 18, 330, 16, 400, 70, 410, 150, 380, 230, 320, 262, 230, 255, 180, 180]]}
    folder = coco_dataset(tmp_path / "coco", [cup], ("cup", "dog"), width=600, height=400)
    (folder / "val" / "a.png").write_bytes(coffee_path.read_bytes())
    out = ("--out", str(tmp_path / "out"))
    with_detector = ("--protocol", "text", "--with", "detector=coco-ssd", "--precision", "f32")
    assert main(["evaluate", str(folder), *with_detector, *out, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]["measured"]
    assert figures["covered"] > 0.6
    assert figures["AP at 0.50"] == pytest.approx(1)
    assert main(["evaluate", str(folder), *with_detector, *out, "--text", "spoon"]) == 2
    assert "the dataset has no category 'spoon': it has cup, dog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "text"], "the dataset has no categories"),
        (["--text", "dog"], "--text goes with --protocol text"),
        (["--against", "speed=high"], "has no setting 'speed'"),
        (["--against", "refine=auto"], "--against names the setting that is measured"),
        (["--model", "none"], "none"),
        (["--protocol", "hover"], "hover"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = index_dataset(tmp_path, 1)
    assert main(["evaluate", str(folder), *options, "--out", str(tmp_path / "out"), "-q"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = index_dataset(tmp_path, 1)
    (folder / "photo0.png").write_bytes(b"no image")
    assert main(["evaluate", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 2
    assert "photo0.png" in capsys.readouterr().err


def test_images_without_objects_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = coco_dataset(tmp_path / "coco", [])
    assert main(["evaluate", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 2
    assert "has no object to measure in 1 image" in capsys.readouterr().err


def test_the_python_of_the_guide_runs(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "evaluation.md"
    (code,) = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "my-images").mkdir()
    index_dataset(tmp_path / "my-images", 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(anymask, "load", lambda name: {"mobile-sam": segmenter}[name])
    exec(compile(code, str(guide), "exec"), {})
    printed = capsys.readouterr().out
    assert float(printed.split()[0]) > 0.9
    assert "jittered box, boundary " in printed
