"""FastSAM in the layout of ultralytics; `tests/reference/test_official_fastsam.py` loads the files with it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from PIL import Image

import anymask
from anymask import weights
from anymask.cli import main
from anymask.errors import EngineError
from anymask.export import ExportOptions, export_model, fastsam
from tests.support.fake_fastsam import fake_fastsam

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "export" / "fastsam.py"
SEGMENTS = [(0.9, (8, 28, 152, 132)), (0.85, (24, 40, 64, 80)), (0.8, (100, 52, 120, 72)), (0.5, (8, 28, 152, 128))]
METADATA = {"task": "segment", "stride": 32, "batch": 1, "channels": 3, "imgsz": [160, 160], "names": {0: "object"}}


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))


def added(folder: Path, segments=SEGMENTS) -> Path:
    """Make a network that finds these segments the model "mine"; returns the folder for its export."""
    weights.add_model("mine", [fake_fastsam(folder / "mine.onnx", segments)], family="fastsam", weights_licence="MIT")
    return folder / "out"


def metadata(path: Path) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load(str(path)).metadata_props}


def test_example_selects_the_segment_at_a_point_without_anymask(tmp_path: Path, monkeypatch) -> None:
    folder = added(tmp_path)
    assert main(["export", "mine", "--to", str(folder), "--quiet"]) == 0
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    image = anymask.load("mine", engine="onnxruntime", device="cpu", threads=1).encode(pixels)
    assert "anymask" not in EXAMPLE.read_text("utf-8").split("import sys")[1]
    for point in ((30, 30), (110, 40), (80, 60)):
        monkeypatch.setattr(sys, "argv", ["", str(folder), "image.png", *map(str, point), str(tmp_path / "mask.png")])
        monkeypatch.chdir(tmp_path)
        runpy.run_path(str(EXAMPLE), run_name="__main__")
        mask = np.asarray(Image.open(tmp_path / "mask.png"))
        assert np.array_equal(mask, image.segment(points=[point])[0].array)
    monkeypatch.setattr(sys, "argv", ["", str(folder), "image.png", "2", "2", str(tmp_path / "mask.png")])
    with pytest.raises(SystemExit, match=r"no segment of sufficient confidence lies at \(2, 2\)"):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 60


def test_file_has_the_metadata_of_ultralytics_and_the_check(tmp_path: Path) -> None:
    folder = added(tmp_path)
    report = export_model("mine", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "export.json", "fastsam.onnx"]
    assert (report.least_iou, report.masks) == (1, 3)  # the fourth segment is suppressed
    found = metadata(folder / "fastsam.onnx")
    assert {name: found[name] for name in METADATA} == {name: str(value) for name, value in METADATA.items()}
    assert (found["anymask_least_iou"], found["anymask_layout"]) == ("1.0000", "ultralytics")
    assert "model" not in found, "ultralytics makes it an attribute of its loader"
    text = (folder / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in ("images", "output0", "output1"))
    assert 'FastSAM("fastsam.onnx")' in text


def test_an_export_can_be_added_and_exported_again(tmp_path: Path) -> None:
    export_model("mine", added(tmp_path))
    weights.add_model("again", [tmp_path / "out" / "fastsam.onnx"], family="fastsam", weights_licence="MIT")
    export_model("again", tmp_path / "second")
    found = onnx.load(str(tmp_path / "second" / "fastsam.onnx")).metadata_props
    assert len({each.key for each in found}) == len(found)
    assert metadata(tmp_path / "second" / "fastsam.onnx")["anymask_model"] == "again"


def test_openvino_has_its_metadata_beside_it(tmp_path: Path) -> None:
    import openvino

    report = export_model("mine", added(tmp_path), ExportOptions(format="openvino"))
    folder = tmp_path / "out" / "fastsam_openvino_model"
    assert sorted(path.name for path in folder.iterdir()) == ["fastsam.bin", "fastsam.xml", "metadata.yaml"]
    found = yaml.safe_load((folder / "metadata.yaml").read_text("utf-8"))
    assert {name: found[name] for name in METADATA} == METADATA
    model = openvino.Core().read_model(str(folder / "fastsam.xml"))
    assert [each.get_any_name() for each in (*model.inputs, *model.outputs)] == ["images", "output0", "output1"]
    assert model.get_rt_info(["anymask", "least_iou"]).astype(str) == f"{report.least_iou:.4f}" == "1.0000"


def test_a_network_that_is_not_sure_of_anything_is_compared_by_its_best_segments(tmp_path: Path) -> None:
    unsure = [(score / 10, box) for score, box in SEGMENTS]
    assert export_model("mine", added(tmp_path, unsure)).masks == 3


def test_what_cannot_be_compared_or_gives_other_masks_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(model) -> onnx.ModelProto:
        other = fake_fastsam(tmp_path / "other.onnx", [(score, (8, 28, 40, 132)) for score, _ in SEGMENTS])
        return onnx.load(str(other))

    added(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fastsam, "network", changed)
        with pytest.raises(EngineError, match=r"give other masks: the lowest IoU .* nothing was written"):
            export_model("mine", tmp_path / "out")
    weights.add_model("blind", [fake_fastsam(tmp_path / "blind.onnx", [])], family="fastsam", weights_licence="MIT")
    with pytest.raises(EngineError, match="finds nothing in the known image, so its masks cannot be compared"):
        export_model("blind", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--layout", "segment-anything"], "FastSAM is one network without prompts: its layout is 'ultralytics'"),
        (["--layout", "transformers-js"], "its layout is 'ultralytics', not 'transformers-js'"),
        (["--single-mask"], "FastSAM finds all segments at once: leave out the choice of masks"),
    ],
)
def test_options_of_prompted_networks_are_one_line(tmp_path: Path, capsys, arguments: list[str], line: str) -> None:
    assert main(["export", "mine", "--to", str(added(tmp_path)), *arguments]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
