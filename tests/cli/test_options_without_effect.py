"""An option that would change nothing is refused in one line, before any model is loaded."""

from pathlib import Path

import pytest

from anymask.cli import main
from anymask.errors import quantity_of

TEXT_IS_MISSING = "is about --text, which is missing"


@pytest.mark.parametrize(
    ("arguments", "option", "reason"),
    [
        ("segment a.png --point 1,1 --detector coco-ssd", "--detector", TEXT_IS_MISSING),
        ("segment a.png --point 1,1 --zoom 2", "--zoom", TEXT_IS_MISSING),
        ("cutout a.png --box 1,1,5,5 --threshold 0.5", "--threshold", TEXT_IS_MISSING),
        ("everything a.png --classes names.txt", "--classes", TEXT_IS_MISSING),
        ("segment a.png --prompt-log {} --select part", "--select", "does not go with --prompt-log"),
        ("batch . --out out --embed-only --format coco", "--format", "does not go with --embed-only"),
        ("batch . --out out --embed-only --refine max", "--refine", "does not go with --embed-only"),
        ("batch . --out out --everything --select part", "--select", "does not go with --everything"),
        ("batch . --out out --text dog --points-per-side 8", "--points-per-side", "does not go with --text"),
        ("draw out --style contour --prompt 1", "--prompt", "the style is contour"),
        ("draw out --columns 2", "--columns", "is about a contact sheet"),
        ("mcp --port 9000", "--port", "is about --http, which is missing"),
        ("inpaint --paste-back pair painted.png --point 1,1", "--point", "does not go with --paste-back"),
    ],
)
def test_it_is_named_with_the_reason(
    arguments: str, option: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    assert main(arguments.split()) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"anymask: {option} "), line
    assert reason in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "one"),
    [
        ("boxes without masks", "box without masks"),
        ("crowd flags", "crowd flag"),
        ("stabilities", "stability"),
        ("classes of other inputs", "class of other inputs"),
        ("polygons as they were drawn", "polygon as it was drawn"),
    ],
)
def test_counts_agree_with_their_nouns(words: str, one: str) -> None:
    assert quantity_of(1, words) == f"1 {one}"
    assert quantity_of(1200, words) == f"1,200 {words}"
