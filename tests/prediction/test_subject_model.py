"""A model that finds the subject without a prompt: its mask, its soft edges, and where it may be named."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from anymask import (
    EncodedImage,
    Mask,
    MaskSet,
    PromptCheck,
    SubjectModel,
    cutout,
    load,
    load_subject_model,
    open_image,
)
from anymask.batch.replay import Replayer
from anymask.cli import main
from anymask.engines.loading import load_engine
from anymask.errors import InputError, ModelError, WeightsError
from anymask.models.isnet import IsNet
from anymask.prediction import sharpening
from anymask.structures.prompt import make_prompt
from anymask.weights import add_model
from tests.support.small_isnet import write_red_finder


def red_square(width: int = 300, height: int = 200) -> np.ndarray:
    """A red square, half red along its right side, on blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 2] = 200
    pixels[50:150, 100:200, 0] = 255
    pixels[50:150, 200:220, 0] = 100
    return pixels


@pytest.fixture
def model(tmp_path: Path) -> SubjectModel:
    """Finds red, with the side of the real one."""
    engine = load_engine("auto", precision="f32")
    return SubjectModel("red", "key", IsNet([write_red_finder(tmp_path / "net.onnx", 1024)], "key", engine), engine, 0)


def test_the_mask_is_what_the_model_gives_more_than_half(model: SubjectModel) -> None:
    (mask,) = result = model.segment(red_square())
    assert np.array_equal(mask.array, red_square()[..., 0] > 127)
    assert mask.score is None
    assert result.prompts[0].notes == ("without a prompt: red found this subject",)
    assert (result.provenance.model, result.provenance.call.name) == ("red", "segment_subject")


def test_soft_edges_are_the_probabilities_in_full_size(model: SubjectModel) -> None:
    soft = model.segment(red_square())[0].probabilities
    assert soft is not None
    assert np.allclose(soft[55:145, 105:195], 1, atol=0.01)
    assert np.allclose(soft[55:145, 205:215], 100 / 255, atol=0.02)
    assert soft[20, 20] < 0.01


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1500, 1000)])
def test_logits_lie_as_those_of_the_other_models(
    model: SubjectModel, coffee: EncodedImage, size: tuple[int, int]
) -> None:
    (mask,) = model.segment(red_square(*size))
    assert mask.logits is not None
    rendered = coffee.transform.__class__(*size).upscale(mask.logits)
    union = (rendered | mask.array).sum()
    assert (rendered & mask.array).sum() / union > 0.97


def test_small_regions_are_removed_and_leave_no_veil_in_the_cutout(model: SubjectModel) -> None:
    pixels = red_square()
    pixels[10:16, 10:16, 0] = 255
    result = model.segment(pixels, max_island_area=100)
    assert not result[0].array[:40].any()
    cut = cutout(pixels, result, edges="soft")
    assert cut.edges == "soft"
    assert not cut.pixels[:40, :, 3].any()
    assert (cut.pixels[60:140, 110:190, 3] == 255).all()
    assert (abs(cut.pixels[60:140, 206:214, 3].astype(int) - 94) < 8).all()


def test_an_image_without_a_subject_gives_an_empty_mask(model: SubjectModel) -> None:
    (mask,) = model.segment(np.zeros((40, 60, 3), np.uint8))
    assert mask.area == 0


def test_soft_edges_need_a_mask_with_probabilities() -> None:
    with pytest.raises(InputError, match="this mask has none: use 'matte' or 'smooth'"):
        cutout(red_square(), red_square()[..., 0] > 127, edges="soft")


def inner_square() -> MaskSet:
    """A mask of the red square whose outline lies three pixels too far in."""
    array = np.zeros((200, 300), np.bool_)
    array[53:147, 103:197] = True
    prompt = make_prompt((300, 200), points=[(150, 100)])
    mask = Mask.from_array(array, score=0.9, follows_prompt=PromptCheck.of(array, prompt))
    return MaskSet([mask], image=open_image(sharp_square()), prompts=[prompt])


def sharp_square() -> np.ndarray:
    """The red square alone."""
    pixels = red_square()
    pixels[:, 200:, 0] = 0
    return pixels


def test_an_outline_near_that_of_the_model_is_sharpened(model: SubjectModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharpening, "sharpened", partial(sharpening.sharpened, band=0.012))
    before = inner_square()
    (mask,) = after = model.sharpen(before)
    assert np.array_equal(mask.array, sharp_square()[..., 0] > 127)
    assert (mask.score, mask.edits) == (0.9, ("outline sharpened with red",))
    assert mask.follows_prompt
    assert after.provenance.call.then == (("sharpen", {"model": "red"}),)


def test_beyond_the_band_the_mask_decides(model: SubjectModel) -> None:
    array = sharp_square()[..., 0] > 127
    array[90:110, 140:160] = False  # a hole that the model does not know
    (mask,) = model.sharpen(MaskSet([Mask.from_array(array)], image=open_image(sharp_square())))
    assert not mask.array[95:105, 145:155].any()


def test_where_the_model_sees_another_object_the_mask_stays(model: SubjectModel) -> None:
    array = np.zeros((200, 300), np.bool_)
    array[10:40, 240:290] = True
    mask = Mask.from_array(array)
    half = Mask.from_array(np.pad(np.ones((100, 40), np.bool_), ((50, 50), (100, 160))))
    result = model.sharpen(MaskSet([mask, half], image=open_image(sharp_square())))
    assert [np.array_equal(each.array, own.array) for each, own in zip(result, (mask, half), strict=True)] == [True] * 2
    assert result[0].edits == ()


def test_an_excluded_point_is_not_lost_to_a_sharper_outline(model: SubjectModel) -> None:
    before = inner_square()
    prompt = make_prompt((300, 200), points=[(150, 100), (101.5, 100)], labels=[1, 0])
    mask = before[0].replace(follows_prompt=PromptCheck.of(before[0].array, prompt))
    assert mask.follows_prompt
    (after,) = model.sharpen(MaskSet([mask], image=before.image, prompts=[prompt]))
    assert np.array_equal(after.array, mask.array)


@pytest.fixture
def red_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same model as one of the user's own, under a licence that needs no consent."""
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    path = write_red_finder(tmp_path / "red.onnx", 1024)
    add_model("red-finder", [path], family="isnet", weights_licence="MIT", code_licence="MIT")
    return "red-finder"


def test_an_encoded_image_takes_a_model_or_its_name(
    model: SubjectModel, red_finder: str, coffee: EncodedImage, coffee_path: Path, tmp_path: Path
) -> None:
    by_model = coffee.segment_subject(model=model)[0]
    result = coffee.segment_subject(model=red_finder, max_hole_area=500)
    assert (result[0].array & ~by_model.array).sum() < 0.2 * by_model.area
    assert result.provenance.model == red_finder
    (path,) = result.save(tmp_path / "masks.json")
    again = Replayer(image=coffee_path)(path)
    assert again.same


def mask_file(folder: Path) -> Path:
    """The square of `inner_square`, two pixels larger to each side, as a mask image."""
    import PIL.Image

    array = np.zeros((200, 300), np.uint8)
    array[52:148, 102:198] = 255
    PIL.Image.fromarray(array).save(folder / "mask.png")
    return folder / "mask.png"


def test_the_command_cuts_the_subject_out_without_the_default_model(
    red_finder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import PIL.Image

    image, out = tmp_path / "square.png", tmp_path / "cut.png"
    PIL.Image.fromarray(red_square()).save(image)
    assert main(["cutout", str(image), "--subject-model", red_finder, "--out", str(out)]) == 0
    assert "edges: soft" in capsys.readouterr().out
    alpha = np.asarray(PIL.Image.open(out))[..., 3]
    again = ["cutout", str(image), "--mask", str(mask_file(tmp_path)), "--sharpen", red_finder]
    assert main([*again, "--edges", "hard", "--out", str(tmp_path / "sharp.png")]) == 0
    assert (np.asarray(PIL.Image.open(tmp_path / "sharp.png"))[52:148, 102:198, 3] == 255).all()
    assert (alpha[60:140, 110:190] == 255).all()
    assert not alpha[:40].any()
    assert not (tmp_path / "cache" / "models" / "mobile-sam").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--subject-model", "isnet"], "allow it by name: --allow agpl-3.0,dis5k-terms,apache-2.0"),
        (["--subject-model", "isnet", "--allow", "apache-2.0"], "only apache-2.0 may be used"),
        (["--subject-model", "mobile-sam"], "mobile-sam does not find subjects without a prompt; these do: isnet"),
        (["--subject-model", "isnet", "--point", "3,4"], "it cannot be combined with a prompt"),
        (["--subject-model", "isnet", "--mask", "mask.png"], "it does not go with --subject-model"),
    ],
)
def test_what_a_subject_model_does_not_go_with_is_said(
    arguments: list[str], reason: str, coffee_path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["cutout", str(coffee_path), *arguments, "--out", str(tmp_path / "cut.png")]) != 0
    assert reason in capsys.readouterr().err


def test_models_of_subjects_and_of_prompts_are_told_apart() -> None:
    with pytest.raises(ModelError, match="isnet takes no prompts"):
        load("isnet")
    with pytest.raises(ModelError, match="coco-ssd does not find subjects"):
        load_subject_model("coco-ssd")
    with pytest.raises(WeightsError, match=r"its weights are under AGPL-3\.0"):
        load_subject_model("isnet")
