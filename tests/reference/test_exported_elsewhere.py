"""Exported networks in the programs that they are for: the examples, onnxruntime-web, transformers.js, X-AnyLabeling.

Their packages are installed once, beside the cache of the tests. Without npm or a C++ compiler the tests fail.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.export import ExportOptions, export_model
from anymask.models.sam2 import hiera
from anymask.structures.overlap import iou
from tests.conftest import CACHE, EXAMPLES
from tests.support.small_hiera import SMALL, WIDTH, sam2_parameters

pytestmark = [pytest.mark.reference, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "examples" / "export"
CLICK = (110, 300)
NPM = ("onnxruntime-web@^1.24", "@huggingface/transformers@^4.3", "sharp@^0.34")


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def node() -> Path:
    """A folder with the npm packages."""
    folder = CACHE / "export-node"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM, cwd=folder)
        (folder / "installed").touch()
    return folder


@pytest.fixture(scope="module")
def x_anylabeling() -> Path:
    """The Python of an environment with X-AnyLabeling."""
    folder = CACHE / "x-anylabeling"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        run(python, "-m", "pip", "install", "--quiet", "x-anylabeling-cvhub==4.2.1", "onnxruntime>=1.20")
        (folder / "installed").touch()
    return python


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single") / "onnx"
    export_model("mobile-sam", folder, ExportOptions(masks="single"))
    return folder


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The best of the three masks of the click, bool [H, W]."""
    image = anymask.load("mobile-sam", precision="f32", store=False).encode(EXAMPLES / "coffee.jpg")
    candidates = image.predict(points=[CLICK], labels=[1])
    return candidates.masks[candidates.scores.argmax()]


@pytest.mark.parametrize("name", ["segment.py", "segment.mjs", "segment.cpp"])
def test_examples_have_less_than_sixty_lines(name: str) -> None:
    assert len((SCRIPTS / name).read_text("utf-8").splitlines()) < 60


def test_python_example_runs_without_anymask(single: Path, expected: np.ndarray, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['anymask'] = None; import runpy; sys.argv = sys.argv[1:]; "
    code = f"{blocked} runpy.run_path(sys.argv[0], run_name='__main__')"
    run(sys.executable, "-c", code, SCRIPTS / "segment.py", single, EXAMPLES / "coffee.jpg", *CLICK, tmp_path / "m.png")
    assert iou(np.asarray(Image.open(tmp_path / "m.png")) > 0, expected) > 0.995


def test_javascript_example_runs_in_onnxruntime_web(
    single: Path, expected: np.ndarray, tmp_path: Path, node: Path
) -> None:
    script = node / "segment.mjs"
    script.write_text((SCRIPTS / "segment.mjs").read_text("utf-8"), encoding="utf-8")  # packages lie beside it
    run("node", script, single, EXAMPLES / "coffee.jpg", *CLICK, tmp_path / "m.png")
    assert iou(np.asarray(Image.open(tmp_path / "m.png").convert("L")) > 0, expected) > 0.99


def test_cpp_example_compiles_and_runs(expected: np.ndarray, tmp_path: Path) -> None:
    import openvino

    home = Path(openvino.__file__).parent
    library = next((home / "libs").glob("libopenvino.so.*"))
    program = tmp_path / "segment"
    paths = ["-isystem", home / "include", library, f"-Wl,-rpath,{home / 'libs'}"]
    run("g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", SCRIPTS / "segment.cpp", "-o", program, *paths)
    export_model("mobile-sam", tmp_path / "ir", ExportOptions(format="openvino", masks="single"))
    Image.open(EXAMPLES / "coffee.jpg").convert("RGB").save(tmp_path / "coffee.ppm")
    run(program, tmp_path / "ir", tmp_path / "coffee.ppm", *CLICK, tmp_path / "m.pgm")
    assert iou(np.asarray(Image.open(tmp_path / "m.pgm")) > 0, expected) > 0.99


TRANSFORMERS_JS = """
import { writeFileSync } from 'node:fs';
import { AutoProcessor, RawImage, SamModel, Sam2Model, env } from '@huggingface/transformers';
env.allowRemoteModels = false;
env.localModelPath = '/';
const [kind, folder, file, prompt, out] = process.argv.slice(2);
const model = await (kind === 'sam2' ? Sam2Model : SamModel).from_pretrained(folder, { dtype: 'fp32' });
const processor = await AutoProcessor.from_pretrained(folder);
const inputs = await processor(await RawImage.read(file), JSON.parse(prompt));
const { pred_masks, iou_scores } = await model(inputs);
const [masks] = await processor.post_process_masks(pred_masks, inputs.original_sizes, inputs.reshaped_input_sizes);
writeFileSync(out, masks.data);
console.log(JSON.stringify({ dims: masks.dims, scores: Array.from(iou_scores.data) }));
"""


def in_transformers_js(node: Path, kind: str, folder: Path, prompt: dict, out: Path) -> tuple[np.ndarray, list[float]]:
    """Masks, bool [P, 3, H, W], and their scores."""
    (node / "transformers.mjs").write_text(TRANSFORMERS_JS)
    printed = run("node", "transformers.mjs", kind, folder, EXAMPLES / "coffee.jpg", json.dumps(prompt), out, cwd=node)
    found = json.loads(re.findall(r"^\{.*\}$", printed, re.M)[-1])
    return np.fromfile(out, np.uint8).reshape(found["dims"]).astype(bool), found["scores"]


def test_transformers_js_loads_sam(tmp_path: Path, node: Path) -> None:
    export_model("mobile-sam", tmp_path / "js", ExportOptions(layout="transformers-js"))
    image = anymask.load("mobile-sam", precision="f32", store=False).encode(EXAMPLES / "coffee.jpg")
    box = {"input_points": [[[170, 14], [412, 264]]], "input_labels": [[2, 3]]}
    for prompt, ours in (
        ({"input_points": [[list(CLICK)]]}, image.predict(points=[CLICK], labels=[1])),
        (box, image.predict(box=[170, 14, 412, 264])),
    ):
        masks, scores = in_transformers_js(node, "sam", tmp_path / "js", prompt, tmp_path / "masks")
        # Its own resize of the image (sharp) is not Pillow's.
        assert np.allclose(scores, ours.scores, atol=0.05)
        best = ours.scores.argmax()
        assert iou(masks.reshape(-1, *masks.shape[-2:])[best], ours.masks[best]) > 0.97


def test_transformers_js_loads_sam2_with_points_and_with_boxes(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(hiera.SHAPES, (WIDTH, sum(SMALL.stages)), SMALL)
    save_file(sam2_parameters(), str(tmp_path / "sam2.safetensors"))
    weights.add_model("small", [tmp_path / "sam2.safetensors"], family="sam2")
    export_model("small", tmp_path / "js", ExportOptions(layout="transformers-js"))
    image = anymask.load("small", precision="f32", store=False).encode(EXAMPLES / "coffee.jpg")
    clicks = [CLICK, (300, 200)]
    boxes = [[60, 40, 300, 260], [170, 14, 412, 264]]
    prompts = (
        ({"input_points": [[[list(each)] for each in clicks]]}, [{"points": [each], "labels": [1]} for each in clicks]),
        ({"input_boxes": [boxes]}, [{"box": box} for box in boxes]),
    )  # fmt: skip
    for prompt, ours in prompts:
        _, scores = in_transformers_js(node, "sam2", tmp_path / "js", prompt, tmp_path / "masks")
        expected = [image.predict(**each).scores for each in ours]
        assert np.allclose(np.reshape(scores, (2, 3)), expected, atol=0.05)


X_ANYLABELING = """
import json, sys
import numpy as np
from PIL import Image
from anylabeling.services.auto_labeling.sam_onnx import SegmentAnythingONNX
model = SegmentAnythingONNX(sys.argv[1] + "/encoder.onnx", sys.argv[1] + "/decoder.onnx")
embedding = model.encode(np.array(Image.open(sys.argv[2]).convert("RGB")))
masks = [model.predict_masks(embedding, [mark])[0][0] > 0 for mark in json.loads(sys.argv[3])]
np.save(sys.argv[4], np.array(masks))
"""


def test_x_anylabelings_own_loader_runs_them(single: Path, x_anylabeling: Path, tmp_path: Path) -> None:
    points, boxes = [CLICK, (300, 200)], [[170, 14, 412, 264]]
    marks = [{"type": "point", "data": point, "label": 1} for point in points]
    marks += [{"type": "rectangle", "data": box} for box in boxes]
    (tmp_path / "client.py").write_text(X_ANYLABELING)
    run(x_anylabeling, "client.py", single, EXAMPLES / "coffee.jpg", json.dumps(marks), "masks.npy", cwd=tmp_path)
    masks = np.load(tmp_path / "masks.npy")
    image = anymask.load("mobile-sam", precision="f32", store=False).encode(EXAMPLES / "coffee.jpg")
    for found, point in zip(masks, points, strict=False):
        candidates = image.predict(points=[point], labels=[1])
        assert iou(found, candidates.masks[candidates.scores.argmax()]) > 0.97
    for found, box in zip(masks[len(points) :], boxes, strict=True):  # it pads boxes, which the decoder ignores
        assert iou(found, image.predict(box=box, multimask=False).masks[0]) > 0.985
