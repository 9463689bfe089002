"""Each recipe of `docs/contributing/extending.md` works as written: added to a copy of the package, and then used."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest

from tests.support.import_graph import circles, is_back, read_imports
from tests.support.recipe_blocks import PAGE, ROOT, copy_with_recipes, recipe_blocks

Run = Callable[..., subprocess.CompletedProcess[str]]
SQUARE = (200, 100, 400, 300)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a copy of the package that has every recipe of the page."""
    return copy_with_recipes(tmp_path_factory.mktemp("extended"))


@pytest.fixture
def run(extended: Path, tmp_path: Path) -> Run:
    """Run Python with the extended package, where two images are: `run(*arguments, **environment)`."""
    for name in ("one", "two"):
        image = PIL.Image.new("RGB", (600, 400), "white")
        PIL.ImageDraw.Draw(image).rectangle(SQUARE, fill="red")
        (tmp_path / "images").mkdir(exist_ok=True)
        image.save(tmp_path / "images" / f"{name}.png")

    def call(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(extended), **environment},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done

    return call


@pytest.fixture
def color_toy(run: Run, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which the weights of the new family are."""
    environment = {"ANYMASK_CACHE": str(tmp_path / "cache"), "ANYMASK_DATA": str(tmp_path / "user")}
    (tmp_path / "tolerance.txt").write_text("0.6\n", "utf-8")
    put = (
        "import shutil, anymask.weights as weights\n"
        "(state,) = weights.inspect_files(weights.find_model('color-toy'))\n"
        "state.path.parent.mkdir(parents=True)\n"
        "shutil.copy('tolerance.txt', state.path)\n"
    )
    run("-c", put, **environment)
    return environment


@pytest.mark.parametrize(
    "page", [*sorted(PAGE.parent.glob("*.md")), ROOT / "docs" / "guides" / "models.md"], ids=lambda page: page.stem
)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.(?:py|toml|md))`", page.read_text("utf-8"))
    assert [each for each in named if not any((ROOT / base / each).exists() for base in ("", "src/anymask"))] == []


def test_the_image_of_the_folders_is_that_of_the_imports() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "rooms.py"))
    image = (ROOT / "docs" / "images" / "rooms.svg").read_text("utf-8")
    assert script["draw"](script["imports"]()) == image, "run: python docs/rooms.py"


def test_every_kind_of_thing_has_its_recipe() -> None:
    rooms = [block.path.split("/")[2] for block in recipe_blocks()]
    assert set(rooms) == {"formats", "models", "weights", "engines", "cli", "automatic"}


def test_what_is_added_keeps_to_the_order_of_the_folders(extended: Path) -> None:
    imports = read_imports(extended / "anymask")
    new = {block.path.removeprefix("src/anymask/").removesuffix(".py").replace("/", ".") for block in recipe_blocks()}
    assert [str(each) for each in imports if is_back(each) and each.importer in new] == []
    edges = {(each.importer, each.imported) for each in imports if each.importer != each.imported and each.importer}
    assert [each for each in circles(edges) if new & set(each)] == []


FAMILY_IN_PYTHON = """
import anymask

segmenter = anymask.load("color-toy", store=False)
image = segmenter.encode("images/one.png")
square = image.segment(points=[(300, 200)])[0]
assert abs(square.area - 200 * 200) < 4000 and square.follows_prompt, square.area
assert image.segment(box=[200, 100, 400, 300])[0].array[200, 300]
assert image.segment(points=[(300, 200), (50, 50)], objects="per_point").prompts[1].points.tolist() == [[50, 50]]
for sampling in ("adaptive", "grid"):
    assert len(image.everything(points_per_side=8, sampling=sampling)) == 2
tolerant = anymask.load("color-toy", tolerance=20, store=False).encode("images/one.png")
assert tolerant.segment([(300, 200)], select="score")[0].area == 600 * 400
"""


def test_a_model_family_is_used_from_python(run: Run, color_toy: dict[str, str]) -> None:
    run("-c", FAMILY_IN_PYTHON, **color_toy)


FAMILY_IN_COMMANDS = """
import json
import shlex
from pathlib import Path

from anymask.cli import main

Path("points.csv").write_text("image,x,y\\none.png,300,200\\ntwo.png,50,50\\n", "utf-8")
for line in (
    "models list",
    "models add mine tolerance.txt --family color --licence MIT",
    "segment images/one.png --point 300,200 --model mine --out one",
    "batch images --prompts points.csv --model color-toy --workers 1 --out masks --format bare-runs",
    "replay masks",
):
    assert main(shlex.split(line)) == 0, line
(mask,) = json.loads(Path("one/masks.json").read_text("utf-8"))["masks"]
assert abs(mask["area"] - 200 * 200) < 4000, mask
assert len(list(Path("masks").rglob("*.runs"))) == 2
"""


def test_a_model_family_is_used_from_the_commands(run: Run, color_toy: dict[str, str]) -> None:
    done = run("-c", FAMILY_IN_COMMANDS, **color_toy)
    assert "color-toy" in done.stdout
    assert "2 of 2 results the same bit for bit" in done.stdout


FAMILY_IN_THE_SERVER = """
from pathlib import Path
from starlette.testclient import TestClient

import anymask
from anymask.server.app import create_app
from anymask.server.service import ServerSettings

app = create_app(anymask.load("color-toy"), ServerSettings(Path("server"), detector="coco-ssd"))
with TestClient(app, base_url="http://localhost") as client:
    about = client.get("/v1/models").json()
    assert about["model"] == "color-toy"
    assert {"name": "color-toy", "family": "color", "licence": "MIT", "here": True} in about["models"]
    assert "bare-runs" in [each["name"] for each in about["formats"]]
    files = {"file": ("one.png", Path("images/one.png").read_bytes())}
    id = client.post("/v1/images", files=files).json()["id"]
    reply = client.post(f"/v1/images/{id}/segment", json={"prompts": [{"points": [[300, 200]]}]})
    assert reply.status_code == 200, reply.text
    (mask,) = reply.json()["masks"]
    assert abs(mask["area"] - 200 * 200) < 4000, mask
    described = client.get("/openapi.json").json()["components"]["schemas"]["EverythingBody"]["properties"]
    assert described["max_masks"]["description"] == "Most masks of one image."
"""


def test_a_model_family_a_format_and_an_option_are_in_the_server(run: Run, color_toy: dict[str, str]) -> None:
    run("-c", FAMILY_IN_THE_SERVER, **color_toy)


ENGINE = """
import json
from pathlib import Path

import anymask
from anymask.cli import main

assert anymask.load("color-toy", engine="plain").encode("images/one.png").provenance.engine == "plain"
call = ["segment", "images/one.png", "--point", "300,200", "--model", "color-toy", "--out", "one", "--engine", "plain"]
assert main(call) == 0
assert json.loads(Path("one/masks.json").read_text("utf-8"))["engine"] == "plain"
assert main([*call, "--device", "cuda"]) == 1
"""


def test_an_engine_runs_a_model_in_python_and_on_the_command_line(run: Run, color_toy: dict[str, str]) -> None:
    assert run("-c", ENGINE, **color_toy).stderr.splitlines()[-1] == (
        "anymask: engine 'plain' does not run on device 'cuda': use engine 'onnxruntime' or 'auto'"
    )


DOCTOR = """
from importlib import import_module

from anymask.evaluation.doctor.known_image import Agreement

examine = import_module("anymask.evaluation.doctor.examine")
examine.load = lambda *, engine, precision, **_: (engine, precision)
examine.measure_agreement = lambda run: Agreement(*run, 1, 1.0, 1.0, 1.0, 0.1, 0.1)
report = examine.examine()
assert ("plain", "f32") in [(run["engine"], run["precision"]) for run in report["runs"]]
"""


def test_doctor_examines_a_new_engine(run: Run, color_toy: dict[str, str]) -> None:
    run("-c", DOCTOR, **color_toy)


def test_a_command_is_in_the_help_and_makes_one_line_of_bad_input(run: Run, tmp_path: Path) -> None:
    assert "Width and height of an image." in run("-m", "anymask", "--help").stdout
    assert run("-m", "anymask", "size", "images/one.png").stdout == "600 400\n"
    assert json.loads(run("-m", "anymask", "size", "images/one.png", "--json").stdout) == {"width": 600, "height": 400}
    wrong = run("-m", "anymask", "size", "nowhere.png", code=2)
    assert len(wrong.stderr.splitlines()) == 1
    assert wrong.stdout == ""
    completed = run("-m", "anymask", _ANYMASK_COMPLETE="bash_complete", COMP_WORDS="anymask si", COMP_CWORD="1")
    assert "size" in completed.stdout


OPTION = """
from anymask.automatic.options import GeneratorOptions
from anymask.errors import PromptError
from anymask.evaluation.settings import Setting

assert Setting("everything").changed("max_masks=3").options == {"max_masks": 3}
assert GeneratorOptions(max_masks=3).as_dict()["max_masks"] == 3
try:
    GeneratorOptions(max_masks=0)
except PromptError as error:
    assert "max_masks" in str(error)
else:
    raise AssertionError
"""


def test_an_option_is_on_the_command_line_and_has_its_range(run: Run) -> None:
    run("-c", OPTION)
    for command in ("everything", "batch"):
        assert "--max-masks" in run("-m", "anymask", command, "--help").stdout
    wrong = run("-m", "anymask", "everything", "images/one.png", "--max-masks", "0", code=2)
    assert "--max-masks must be at least 1, not 0" in wrong.stderr
