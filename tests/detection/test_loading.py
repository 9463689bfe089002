"""Names, files and functions that stand for detectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from anymask import ModelError, WeightsError, weights
from anymask.detection.coco_ssd import CocoSsd
from anymask.detection.loading import auto_detector, load_detector
from anymask.weights import Progress


class RecordedNotes(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of its own for models that a test adds."""
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("ANYMASK_MODELS", raising=False)
    return tmp_path


def add_zero_shot(folder: Path, name: str, family: str) -> None:
    files = [folder / name / "model.onnx", folder / name / "tokenizer.json"]
    files[0].parent.mkdir()
    for file in files:
        file.write_text(name)
    weights.add_model(name, files, family=family, weights_licence="Apache-2.0")


def test_auto_is_the_offline_detector_where_no_other_is_here(own_catalogue: Path) -> None:
    assert auto_detector().name == "coco-ssd"
    assert isinstance(load_detector(), CocoSsd)


def test_auto_takes_a_zero_shot_detector_that_is_here_the_better_one_first(own_catalogue: Path) -> None:
    add_zero_shot(own_catalogue, "first", "owlvit")
    assert auto_detector().name == "first"
    add_zero_shot(own_catalogue, "second", "owlv2")
    assert auto_detector().name == "second"
    (own_catalogue / "second" / "model.onnx").unlink()
    assert auto_detector().name == "first"


def test_auto_says_what_a_zero_shot_detector_needs(own_catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_zero_shot(own_catalogue, "first", "owlvit")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    notes = RecordedNotes()
    assert auto_detector(notes).name == "coco-ssd"
    assert notes.lines == ["first is here, but needs: pip install 'anymask[detect]'"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mobile-sam", "mobile-sam segments and does not detect; detectors here are coco-ssd"),
        ("owl", r"unknown detector 'owl'; there are coco-ssd, owlv2-base, owlvit-base"),
        ("owlv2-base", "owlv2-base must be downloaded manually"),
        (7, "detector is 7"),
        (None, "detector is None"),
        ("there/is/none.onnx", "there is no detector file"),
    ],
)
def test_what_is_no_detector_is_refused(own_catalogue: Path, name: object, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_detector(name)


def test_licences_can_be_refused() -> None:
    with pytest.raises(WeightsError, match="coco-ssd"):
        load_detector("coco-ssd", allow="mit")


def test_files_that_are_no_zero_shot_export_are_refused(own_catalogue: Path) -> None:
    add_zero_shot(own_catalogue, "first", "owlvit")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        load_detector("first")
