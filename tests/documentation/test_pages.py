"""The code in README and documentation runs: Python is executed, command lines are at least parsed."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import anymask
from anymask import Segmenter, cli
from anymask.prediction.sam import SamImage
from anymask.structures.mask import Mask

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
}
"""The text of each page, by its path in the repository."""
PROGRAMS = {
    name: blocks for name, page in PAGES.items() if (blocks := re.findall(r"^```python\n(.*?)^```", page, re.S | re.M))
}
ELSEWHERE = {
    "docs/guides/server.md", "docs/guides/evaluation.md", "docs/contributing/extending.md", "docs/guides/export.md"
}  # fmt: skip
"""One talks to a server, as `tests/server/test_client.py` does; one needs ground truth, and
`tests/evaluation/test_report.py` runs it; one is recipes, and `test_contributing_recipes.py` follows them;
one exports, as `tests/export` does."""
NOT_HERE = re.compile(r'allow="agpl-3.0"|"fastsam|diffusers|conf=')
"""Weights that the tests do not have, and PyTorch."""
RUN = {"docs/guides/prompts.md": "segment", "docs/guides/text.md": "detect", "docs/guides/automatic.md": "everything"}
"""Pages whose first command of this kind is run for real."""


def command_lines() -> Iterator[Any]:
    """Every command line of the pages, one parameter each."""
    for name, page in PAGES.items():
        for block in re.findall(r"^```\w*\n(.*?)^```", page, re.S | re.M):
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                if line.startswith("anymask ") and "IN… --to FORMAT" not in line:
                    line = re.split(r"\s{2,}|\s+#\s", line)[0]
                    yield pytest.param(line, id=f"{name}: {line}")


@pytest.fixture
def folder(tmp_path: Path, citrus_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an image, and files under the names that the pages use."""
    monkeypatch.chdir(tmp_path)
    for name in ("photo", "cup", "cat", "dog", "dogs", "coffee", "beach", "sofa", "fruit", "street"):
        shutil.copy(citrus_path, f"{name}.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "frames").mkdir()
    for name in ("frame_1", "frame_2"):
        shutil.copy(citrus_path, f"frames/{name}.jpg")
    (tmp_path / "checkpoints").mkdir()
    for name in ("finetuned.pth", "model.safetensors", "encoder.onnx", "decoder.onnx", "FastSAM-mine.onnx",
                 "FastSAM-s.onnx", "edge_sam.pth", "best.onnx", "classes.txt", "boxes.json", "points.csv",
                 "painted.png", "lama.onnx"):  # fmt: skip
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.fixture
def fast_models(monkeypatch: pytest.MonkeyPatch, segmenter: Segmenter) -> None:
    """One model for all pages, few points for automatic mask generation: only the pages are tested."""
    everything = SamImage.everything

    def with_few_points(self: SamImage, *arguments: Any, **options: Any) -> Any:
        return everything(self, *arguments, **{**options, "points_per_side": 4})

    monkeypatch.setattr(SamImage, "everything", with_few_points)
    monkeypatch.setattr(anymask, "load", lambda *_, **__: segmenter, raising=False)


@pytest.mark.parametrize("page", sorted(set(PROGRAMS) - ELSEWHERE))
def test_the_python_on_a_page_runs_from_top_to_bottom(
    page: str, folder: Path, fast_models: None, segmenter: Segmenter, coffee_path: Path
) -> None:
    if page == "docs/guides/automatic.md":  # a smaller one has fewer crops and tiles
        shutil.copy(coffee_path, "photo.jpg")
    image = segmenter.encode("photo.jpg")
    known: dict[str, Any] = {
        "anymask": anymask, "np": np, "segmenter": segmenter, "image": image,
        "result": image.segment(points=[(300, 200)]),
    }  # fmt: skip
    known |= {"mask": known["result"][0], "results": [known["result"]] * 2, "names": ["a", "b"], "Path": Path}
    ran = 0
    for block in PROGRAMS[page]:
        statements = [line for line in block.split("\n") if not NOT_HERE.search(line)]
        if len(statements) < len(block.split("\n")):
            statements = [line for line in statements if "..." not in line]
        code = "\n".join(statements).replace("boxes=[...]", "boxes=[[60, 90, 300, 400], [530, 180, 780, 600]]")
        exec(compile(code, f"{page}, block {ran + 1}", "exec"), known)
        ran += 1
    assert ran == len(PROGRAMS[page])
    assert isinstance(known["mask"], Mask)


@pytest.mark.parametrize("line", list(command_lines()))
def test_each_command_line_is_accepted_by_its_command(line: str, folder: Path) -> None:
    words = shlex.split(line)[1:]
    command: Any = cli.group
    context = click.Context(command, info_name="anymask")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        subcommand = command.get_command(context, name)
        assert subcommand is not None, name
        command, context = subcommand, click.Context(subcommand, info_name=name, parent=context)
    command.make_context(context.info_name, words, parent=context.parent).close()


@pytest.mark.parametrize(("page", "kind"), RUN.items())
def test_the_first_command_of_a_guide_does_what_it_says(page: str, kind: str, folder: Path, coffee_path: Path) -> None:
    shutil.copy(coffee_path, "photo.jpg")
    line = next(line for line in PAGES[page].splitlines() if line.startswith(f"anymask {kind} photo.jpg"))
    more = {"everything": ["--points-per-side", "4"]}.get(kind, [])
    words = [*shlex.split(line)[1:], "--quiet", *more]
    words = ["110,300" if word in ("350,450", "400,220") else word for word in words]
    assert cli.main(words if kind != "segment" else [*words[:4], "--quiet"]) == 0


def test_every_image_of_a_page_exists() -> None:
    for name, page in PAGES.items():
        for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page):
            assert ((ROOT / name).parent / image).is_file(), (name, image)


def test_the_lines_of_pip_are_true_while_anymask_is_in_no_index() -> None:
    notebooks = {path.name: path.read_text("utf-8") for path in ROOT.glob("examples/**/*.ipynb")}
    for name, page in {**PAGES, **notebooks}.items():
        page = page.replace("Messages name an extra as `pip install 'anymask[video]'`", "")
        assert not re.search(r"pip install [^`\n]*\banymask\b", page), name


def test_the_first_page_has_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"^\| `([\w-]+)` \|", PAGES["docs/index.md"], re.M)
    assert sorted(extras) == sorted(project["optional-dependencies"])


def test_the_readme_is_short_and_its_figures_stand_where_they_were_measured() -> None:
    readme = PAGES["README.md"]
    assert len(readme.split()) < 700
    measured = PAGES["docs/explanation/speed.md"] + PAGES["docs/explanation/quality.md"]
    figures = re.findall(
        r"\b0\.\d{3}\b|[\d.,]+ (?:ms|s)\b|[\d.]+×(?!\d)", readme.split("## Speed and quality")[1].split("## ")[0]
    )
    assert len(figures) == 16
    assert [figure for figure in figures if figure not in measured] == []
