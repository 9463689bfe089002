"""Exported networks run without anymask and give its masks; what lies in their folder is not lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.cli import main
from anymask.errors import EngineError, InputError, ModelError
from anymask.export import ExportedModel, ExportOptions, export_model
from anymask.models.sam2 import hiera
from anymask.structures.overlap import iou
from anymask.weights.checkpoints.state_dict import read_state_dict
from tests.support.exported_sam import ExportedSam
from tests.support.small_encoders import efficientvit_parameters, high_quality_parameters
from tests.support.small_hiera import SMALL, WIDTH, sam2_parameters
from tests.support.small_vit import vit_parameters


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileSAM with all four masks."""
    folder = tmp_path_factory.mktemp("export") / "mobile-sam"
    assert main(["export", "mobile-sam", "--to", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))


def metadata(path: Path) -> dict[str, str]:
    model = onnx.load(str(path), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def test_files_alone_give_the_masks_of_points_boxes_and_masks(
    exported: Path, segmenter: anymask.Segmenter, citrus_path: Path
) -> None:
    sam, image = ExportedSam(exported, citrus_path), segmenter.encode(citrus_path)
    assert np.abs(sam.maps["image_embeddings"] - image.embedding).max() < 0.05
    point = sam([(420, 330), (0, 0)], [1, -1])
    ours = image.predict(points=[(420, 330)], labels=[1])
    assert point["masks"].shape == (1, 4, *image.pixels.shape[:2])
    assert np.allclose(point["iou_predictions"][0, 1:], ours.scores, atol=2e-3)
    assert min(map(iou, point["masks"][0, 1:] > 0, ours.masks)) > 0.99
    single = image.predict(points=[(420, 330)], labels=[1], multimask=False)
    assert iou(point["masks"][0, 0] > 0, single.masks[0]) > 0.99
    refined = sam([(420, 330), (30, 30), (0, 0)], [1, 0, -1], point["low_res_masks"][:, 3:])
    ours = image.predict(points=[(420, 330), (30, 30)], labels=[1, 0], mask_input=ours.logits[2:], multimask=False)
    assert iou(refined["masks"][0, 0] > 0, ours.masks[0]) > 0.99
    box = sam([(200, 150), (640, 560)], [2, 3])
    ours = image.predict(box=[200, 150, 640, 560], multimask=False)
    assert iou(box["masks"][0, 0] > 0, ours.masks[0]) > 0.99
    padded = sam([(200, 150), (640, 560), (0, 0)], [2, 3, -1])
    assert np.allclose(padded["low_res_masks"], box["low_res_masks"], atol=1e-3)


def test_several_prompts_at_once_are_those_one_by_one(exported: Path, coffee_path: Path) -> None:
    sam = ExportedSam(exported, coffee_path)
    prompts = [[(110, 300), (0, 0)], [(300, 200), (0, 0)]]
    one_by_one = [sam(points, [1, -1])["low_res_masks"][0] for points in prompts]
    inputs = {
        **sam.maps,
        "point_coords": np.stack([sam.to_square(points) for points in prompts]),
        "point_labels": np.array([[1, -1]] * 2, np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.array([400, 600], np.float32),
    }
    assert np.allclose(sam.decoder.run(["low_res_masks"], inputs)[0], one_by_one, atol=1e-3)


def test_readme_and_metadata_state_tensors_and_the_check(exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    assert names == {"encoder.onnx", "decoder.onnx", "README.md", "export.json"}
    text, index = (exported / "README.md").read_text("utf-8"), json.loads((exported / "export.json").read_text())
    for name in names - {"README.md", "export.json"}:
        model = onnx.load(str(exported / name))
        assert all(f"`{each.name}`" in text for each in (*model.graph.input, *model.graph.output))
        assert metadata(exported / name)["least_iou"] == f"{index['least_iou']:.4f}"
        assert metadata(exported / name)["weights_licence"] == "Apache-2.0"
    assert index["masks"] == 16
    assert index["least_iou"] > 0.99
    assert f"least {index['least_iou']:.4f}" in text
    assert "X-AnyLabeling" in text


@pytest.mark.slow
def test_single_mask_is_the_best_of_three_for_a_click_and_the_single_one_for_more(
    tmp_path: Path, exported: Path, coffee_path: Path
) -> None:
    export_model("mobile-sam", tmp_path / "single", ExportOptions(masks="single"))
    export_model("mobile-sam", tmp_path / "multi", ExportOptions(masks="multi"))
    all_masks = ExportedSam(exported, coffee_path)
    single, multi = (ExportedSam(tmp_path / name, coffee_path) for name in ("single", "multi"))
    click = ([(110, 300), (0, 0)], [1, -1])
    found, expected = single(*click), all_masks(*click)
    best = 1 + int(expected["iou_predictions"][0, 1:].argmax())
    assert best != 1, "else the test does not tell it from the first of the three"
    assert np.array_equal(found["masks"][0, 0], expected["masks"][0, best])
    more = ([(110, 300), (150, 310), (0, 0)], [1, 1, -1])
    assert np.array_equal(single(*more)["low_res_masks"][0, 0], all_masks(*more)["low_res_masks"][0, 0])
    assert np.array_equal(multi(*more)["iou_predictions"], all_masks(*more)["iou_predictions"][:, 1:])


def small_vit(folder: Path) -> Path:
    """A small random ViT before the default model's decoder."""
    decoder = read_state_dict(weights.ensure("mobile-sam").values())
    parts = {name: np.ascontiguousarray(a) for name, a in decoder.items() if name.startswith(("prompt", "mask"))}
    path = folder / "vit.safetensors"
    save_file(vit_parameters(blocks=2, everywhere=(1,)) | parts, str(path))
    return path


@pytest.mark.slow
def test_vit_keeps_its_weights_in_a_file_beside_the_network(tmp_path: Path, own_data: None, coffee_path: Path) -> None:
    weights.add_model("mine", [small_vit(tmp_path)], weights_licence="MIT")
    folder = tmp_path / "mine"
    report = export_model("mine", folder)
    assert [path.name for path in report.files][:3] == ["encoder.onnx", "encoder.onnx_data", "decoder.onnx"]
    graph = onnx.load(str(folder / "encoder.onnx"), load_external_data=False).graph
    outside = [each for each in graph.initializer if each.external_data]
    assert len(outside) == 2 * 4
    assert [each.name for each in graph.input] == ["input_image"]
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    image = anymask.load("mine", precision="f32", store=False).encode(coffee_path)
    assert np.abs(ExportedSam(moved, coffee_path).maps["image_embeddings"] - image.embedding).max() < 0.05


@pytest.mark.slow
def test_sam2_has_its_finer_features_and_object_scores(
    tmp_path: Path, own_data: None, coffee_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hiera.SHAPES, (WIDTH, sum(SMALL.stages)), SMALL)
    save_file(sam2_parameters(), str(tmp_path / "sam2.safetensors"))
    weights.add_model("mine", [tmp_path / "sam2.safetensors"], family="sam2")
    report = export_model("mine", tmp_path / "out", ExportOptions(masks="single"))
    assert report.least_iou > 0.99
    sam = ExportedSam(tmp_path / "out", coffee_path, stretched=True)
    assert {name: each.shape for name, each in sam.maps.items()} == {
        "image_embeddings": (1, 256, 64, 64),
        "high_res_feats_0": (1, 32, 256, 256),
        "high_res_feats_1": (1, 64, 128, 128),
    }
    image = anymask.load("mine", precision="f32", store=False).encode(coffee_path)
    for points, labels, prompt in (
        ([(110, 300), (0, 0)], [1, -1], {"points": [(110, 300)], "labels": [1]}),
        ([(60, 40), (300, 260), (0, 0)], [2, 3, -1], {"box": [60, 40, 300, 260]}),
    ):
        found, ours = sam(points, labels), image.predict(**prompt, multimask=False)
        assert iou(found["masks"][0, 0] > 0, ours.masks[0]) > 0.99
        assert np.abs(found["low_res_masks"]).max() <= 32
        assert 1 / (1 + np.exp(-found["object_score_logits"][0, 0])) == pytest.approx(ours.object_score, abs=1e-3)


@pytest.mark.slow
def test_openvino_prepares_a_large_image_as_pillow_does(
    tmp_path: Path, segmenter: anymask.Segmenter, citrus_path: Path
) -> None:
    import openvino

    report = export_model("mobile-sam", tmp_path / "ir", ExportOptions(format="openvino"))
    assert {path.name for path in report.files} >= {"encoder.xml", "encoder.bin", "decoder.xml", "decoder.bin"}
    core = openvino.Core()
    image = segmenter.encode(citrus_path)
    encoder = core.compile_model(str(tmp_path / "ir" / "encoder.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    embedding = encoder({"input_image": image.pixels.astype(np.float32)})["image_embeddings"]
    assert np.abs(embedding - image.embedding).max() < 0.05
    information = core.read_model(str(tmp_path / "ir" / "decoder.xml")).get_rt_info(["anymask", "least_iou"])
    assert information.astype(str) == f"{report.least_iou:.4f}"


@pytest.mark.slow
def test_transformers_js_layout_has_its_names(tmp_path: Path) -> None:
    export_model("mobile-sam", tmp_path / "js", ExportOptions(layout="transformers-js"))
    tensors = {
        name: [each.name for each in (*graph.input, *graph.output)]
        for name in ("vision_encoder", "prompt_encoder_mask_decoder")
        for graph in [onnx.load(str(tmp_path / "js" / "onnx" / f"{name}.onnx")).graph]
    }
    maps = ["image_embeddings", "image_positional_embeddings"]
    assert tensors["vision_encoder"] == ["pixel_values", *maps]
    assert set(tensors["prompt_encoder_mask_decoder"]) == {
        "input_points", "input_labels", *maps, "iou_scores", "pred_masks"
    }  # fmt: skip
    assert json.loads((tmp_path / "js" / "config.json").read_text())["model_type"] == "sam"


@pytest.mark.slow
def test_export_again_replaces_its_own_files_and_no_others(exported: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    assert main(["export", "mobile-sam", "--to", str(folder), "--quiet"]) == 2
    assert "README.md was not written by anymask" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    (folder / "README.md").unlink()
    options = ExportOptions(layout="transformers-js")
    export_model("mobile-sam", folder, options)
    (folder / "onnx" / "vision_encoder.onnx").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"onnx.vision_encoder\.onnx was not written by anymask, or has been changed"):
        export_model("mobile-sam", folder, options)
    export_model("mobile-sam", folder, ExportOptions(masks="multi"))
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"encoder.onnx", "decoder.onnx", "README.md", "export.json", "onnx/vision_encoder.onnx"}


def test_files_of_another_model_stay(exported: Path, tmp_path: Path, own_data: None) -> None:
    weights.add_model("mine", [small_vit(tmp_path)])
    before = {path: path.read_bytes() for path in exported.iterdir()}
    with pytest.raises(InputError, match="has the files of another model"):
        export_model("mine", exported)
    assert {path: path.read_bytes() for path in exported.iterdir()} == before


@pytest.mark.slow
def test_networks_that_give_other_masks_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anymask.models.sam import standalone

    def changed(p, selection="all"):
        name = "mask_decoder.mask_tokens.weight"
        return real(type(p)({**p, name: -p[name]}, p.source), selection)

    real = standalone.standalone_decoder
    monkeypatch.setattr(standalone, "standalone_decoder", changed)
    with pytest.raises(EngineError, match=r"give other masks: the lowest IoU .* nothing was written"):
        export_model("mobile-sam", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mobile-sam", "--single-mask", "--multimask"], "--single-mask and --multimask exclude each other"),
        (["mobile-sam", "--layout", "transformers-js", "--format", "openvino"], "transformers.js reads ONNX"),
        (["mobile-sam", "--layout", "transformers-js", "--single-mask"], "transformers.js always takes three masks"),
        (["mobile-sam", "--layout", "ultralytics"], "layout 'ultralytics' is for FastSAM"),
        (["mobile-samm"], "did you mean mobile-sam?"),
        (["coco-ssd"], "finds boxes and makes no masks"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path: Path, capsys, arguments: list[str], line: str) -> None:
    assert main(["export", *arguments, "--to", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def exported_small(folder: Path, additions: dict[str, np.ndarray], options: ExportOptions) -> ExportedModel:
    """Export the default model's decoder with other parameters, as the user's model "mine"."""
    decoder = read_state_dict(weights.ensure("mobile-sam").values())
    replaced = "image_encoder." if "image_encoder.norm.weight" in additions else "::"
    parameters = {name: a for name, a in decoder.items() if not name.startswith(replaced) and "::" not in name}
    arrays = {name: np.ascontiguousarray(a) for name, a in (parameters | additions).items()}
    save_file(arrays, str(folder / "m.safetensors"))
    weights.add_model("mine", [folder / "m.safetensors"], weights_licence="MIT")
    return export_model("mine", folder / "out", options)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["onnx", "openvino"])
def test_efficientvit_takes_the_image_at_half_the_size(tmp_path: Path, own_data: None, file_format: str) -> None:
    report = exported_small(tmp_path, efficientvit_parameters(), ExportOptions(format=file_format))
    assert report.least_iou > 0.98


@pytest.mark.slow
def test_high_quality_features_lie_between_encoder_and_decoder(tmp_path: Path, own_data: None) -> None:
    report = exported_small(tmp_path, high_quality_parameters(early=160), ExportOptions())
    assert report.least_iou > 0.98
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    for row in ("| output | `high_quality_features` | float [1, 32, 256, 256]", "| input | `high_quality_features`"):
        assert row in text
    assert "X-AnyLabeling" not in text
    with pytest.raises(ModelError, match=r"transformers\.js has no HQ-SAM"):
        export_model("mine", tmp_path / "js", ExportOptions(layout="transformers-js"))
