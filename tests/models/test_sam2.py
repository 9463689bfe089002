"""SAM 2's model around the encoder: what differs from SAM, each with a test of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import anymask
from anymask import weights
from anymask.automatic.options import GeneratorOptions
from anymask.cli import main
from anymask.errors import ModelError
from anymask.formats import masks_json
from anymask.models.sam2 import hiera
from anymask.models.sam2.hiera import HieraShape
from anymask.models.sam2.model import replace_unstable, stretch
from anymask.structures.transforms import ResizeLongestSide, StretchToSquare, bilinear_taps
from anymask.weights.catalogue import built_in_models
from tests.support.checkpoint_files import tensor, write_checkpoint
from tests.support.small_hiera import sam2_parameters

SMALL = HieraShape(heads=1, stages=(1, 1, 2, 1), everywhere=(3,))
WIDTH = 8


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(hiera.SHAPES, (WIDTH, sum(SMALL.stages)), SMALL)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A `.pt` as the official code writes it, with a parameter of the memory for videos."""
    parameters = sam2_parameters(WIDTH, SMALL) | {"maskmem_tpos_enc": np.ones((7, 1, 1, 64), np.float32)}
    return write_checkpoint(tmp_path / "mine.pt", {"model": {name: tensor(a) for name, a in parameters.items()}})


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (120, 200, 3), np.uint8)


def loaded(path: Path, **options: object) -> anymask.Segmenter:
    weights.add_model("mine", [path], family="sam2")
    return anymask.load("mine", device="cpu", threads=2, **{"engine": "onnxruntime", "precision": "f32", **options})


def test_image_is_stretched_as_numbers_of_type_float(pixels: np.ndarray) -> None:
    square = stretch(pixels)
    low, high, share = bilinear_taps(1024, 200)
    rows_low, rows_high, rows_share = bilinear_taps(1024, 120)
    plane = pixels[..., 1].astype(float)
    along_x = plane[:, low] * (1 - share) + plane[:, high] * share
    expected = along_x[rows_low] * (1 - rows_share)[:, None] + along_x[rows_high] * rows_share[:, None]
    assert square.shape == (1, 3, 1024, 1024)
    # Normalised by the mean first; rounding to whole levels in between would be off by up to 0.5 / 57.
    assert np.abs(square[0, 1] - (expected - 116.28) / 57.12).max() < 1e-5
    assert np.array_equal(stretch(pixels, threads=3), square)


def test_stretched_frame_has_no_padding_and_enlarges_in_one_step() -> None:
    frame = StretchToSquare(200, 120)
    assert frame.valid_logits() == (256, 256)
    assert np.allclose(frame.to_model(np.array([[200, 120], [50, 60]])), [[1024, 1024], [256, 512]])
    logits = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    low, high, share = bilinear_taps(200, 256)
    along_x = logits[:, low] * (1 - share) + logits[:, high] * share
    low, high, share = bilinear_taps(120, 256)
    expected = along_x[low] * (1 - share)[:, None] + along_x[high] * share[:, None]
    assert np.abs(frame.interpolate(logits) - expected).max() < 1e-5
    assert np.array_equal(frame.upscale(logits), frame.interpolate(logits) > 0)
    assert frame.measured is frame
    assert StretchToSquare(8192, 64).measured == StretchToSquare(4096, 32)
    assert StretchToSquare(8, 8) != ResizeLongestSide(8, 8)


def test_unstable_single_mask_gives_way_to_the_best_of_three() -> None:
    logits = np.full((3, 4, 256, 256), -1.0, np.float32)
    logits[:, :, :100] = 1.0
    logits[0, 0, 100:103] = 0.01  # 100 rows of 103: a stability of 0.971
    logits[1, 0, 100:102] = 0.01  # 0.9804
    logits[2, 0] = -1.0  # empty, which counts as stable
    logits[:, 2] = 2.0
    scores = np.array([[0.9, 0.5, 0.7, 0.6]] * 3, np.float32)
    replace_unstable(logits, scores)
    assert scores[:, 0] == pytest.approx([0.7, 0.9, 0.9])
    assert (logits[0, 0] == 2.0).all()
    assert logits[1, 0].min() == logits[2, 0].min() == -1.0


def test_box_is_two_points_and_padding(checkpoint: Path, pixels: np.ndarray) -> None:
    from anymask.structures.prompt import make_prompt

    model = loaded(checkpoint).network
    frame = StretchToSquare(200, 120)
    prompts = {
        "box": make_prompt((200, 120), box=[0, 0, 100, 60]),
        "both": make_prompt((200, 120), box=[0, 0, 100, 60], points=[(10, 10)], labels=[0]),
        "point": make_prompt((200, 120), points=[(10, 10)]),
    }
    labels = {name: model._sparse_prompt(frame, prompt)[1].tolist() for name, prompt in prompts.items()}
    assert labels == {"box": [2, 3, -1], "both": [2, 3, 0, -1], "point": [1, -1]}


@pytest.mark.slow
def test_prompts_of_all_kinds_and_what_the_result_says(checkpoint: Path, pixels: np.ndarray, tmp_path: Path) -> None:
    encoded = loaded(checkpoint).encode(pixels)
    assert encoded.nbytes == weights.family_embedding_bytes("sam2") == 4096 * 1024 * 4  # 16.8 MB
    assert weights.family_embedding_bytes("sam") == 4096 * 256 * 4
    assert encoded.embedding.shape == (1, 256, 64, 64)
    raw = encoded.predict(points=[(50, 60)])
    assert raw.logits.shape == (3, 256, 256)
    assert np.abs(raw.logits).max() <= 32
    assert ((raw.scores >= 0) & (raw.scores <= 1)).all()
    again = encoded.predict(mask_input=raw.logits[:1], multimask=False)
    assert again.object_score is not None
    assert again.object_score != raw.object_score
    first = encoded.segment(points=[(50, 60)], refine="off")
    assert first[0].object_score == pytest.approx(raw.object_score, abs=1e-5)
    corrected = encoded.segment(points=[(50, 60), (150, 30)], labels=[1, 0], previous=first[0], refine="off")
    assert 0 < corrected[0].object_score < 1
    boxes = encoded.segment(boxes=[[10, 10, 90, 90], [60, 5, 190, 110]])
    assert [mask.array.shape for mask in boxes] == [(120, 200)] * 2
    boxes.save(tmp_path / "masks.json")
    read = masks_json.read(tmp_path / "masks.json")
    assert [mask.object_score for mask in read] == pytest.approx([mask.object_score for mask in boxes], abs=1e-5)


def test_mask_image_as_prompt_is_stretched_like_the_image(checkpoint: Path, pixels: np.ndarray) -> None:
    inside = np.zeros((120, 200), bool)
    inside[60:, 100:] = True
    (mask,) = loaded(checkpoint).encode(pixels).segment(mask_input=inside).prompts
    assert mask.mask_input is not None
    assert (mask.mask_input[129:, 129:] > 0).all()
    assert (mask.mask_input[:127] < 0).all()


@pytest.mark.slow
def test_everything_and_other_files_of_the_same_model(checkpoint: Path, pixels: np.ndarray, tmp_path: Path) -> None:
    encoded = loaded(checkpoint).encode(pixels)
    options = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    by_default = encoded.everything(points_per_side=1)
    assert by_default.provenance.call.options["pred_iou_thresh"] == by_default.thresholds.pred_iou_thresh == 0.8
    assert by_default.provenance.call.options["sampling"] == "grid"
    assert GeneratorOptions().thresholds.pred_iou_thresh == 0.88
    for sampling in ("grid", "adaptive"):
        found = encoded.everything(sampling=sampling, **options)
        assert all(mask.array.shape == (120, 200) for mask in found)
        for mask in found[:1]:  # masks of everything keep the score of their point, and are not filtered by it
            raw = encoded.predict(points=found.prompts[mask.prompt_index].points)
            assert mask.object_score == pytest.approx(raw.object_score, abs=1e-4)
    found.save(tmp_path / "masks.json")
    saved = [mask.object_score for mask in masks_json.read(tmp_path / "masks.json")]
    assert saved == pytest.approx([mask.object_score for mask in found], abs=1e-5)
    fewer = found.refilter(pred_iou_thresh=0.5)
    assert all(mask.object_score is not None for mask in fewer)
    assert all(mask.object_score is None for mask in encoded.everything(max_seconds=1e-9, **options))
    weights.remove("mine")
    save_file(sam2_parameters(WIDTH, SMALL), tmp_path / "mine.safetensors")
    twin = loaded(tmp_path / "mine.safetensors", engine="openvino").encode(pixels)
    assert np.abs(twin.embedding - encoded.embedding).max() < 1e-3


def test_checkpoint_of_another_family_is_one_clear_line(checkpoint: Path) -> None:
    weights.add_model("mine", [checkpoint])
    with pytest.raises(ModelError, match=r"mine\.pt is a model of family 'sam2': add it with --family sam2"):
        anymask.load("mine")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("sam2", "sam2.1-tiny"),
        ("SAM2-tiny", "sam2.1-tiny"),
        ("sam2.1_hiera_tiny", "sam2.1-tiny"),
        ("facebook/sam2.1-hiera-small", "sam2.1-small"),
        ("sam2.1_hiera_base_plus", "sam2.1-base-plus"),
        ("sam2.1_b+", "sam2.1-base-plus"),
        ("sam2-large", "sam2.1-large"),
    ],
)
def test_names_that_people_type(typed: str, name: str) -> None:
    assert weights.find_model(typed).name == name


def test_aliases_are_unique_and_no_names() -> None:
    models = built_in_models().values()
    aliases = [alias for entry in models for alias in entry.aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & {entry.name for entry in models}
    assert all(alias == alias.lower() for alias in aliases)


@pytest.mark.slow
def test_command_line_states_the_object_score(
    checkpoint: Path, chelsea_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "add", "mine", str(checkpoint), "--family", "sam2", "--quiet"]) == 0
    options = ["--model", "mine", "--box", "50,50,300,250", "--device", "cpu", "--json", "--precision", "f32"]
    assert main(["segment", str(chelsea_path), *options, "--out", str(tmp_path / "out")]) == 0
    assert '"object_score": 0.' in capsys.readouterr().out
