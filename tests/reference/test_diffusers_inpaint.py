"""Inpainting through a real Stable Diffusion pipeline: tiny, with random weights, otherwise what people have.

What it paints is noise; that it is asked with the right crop, mask and size, and that nothing else changes, is not.
"""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from anymask.cli import main  # noqa: E402
from anymask.editing.inpainters import load_inpainter  # noqa: E402
from anymask.editing.inpainting import inpaint  # noqa: E402
from anymask.errors import AnymaskError, EngineError, InputError  # noqa: E402
from anymask.io.image import open_image  # noqa: E402

pytestmark = pytest.mark.reference

SIDE = 64


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder as `save_pretrained` writes it: every part of the pipeline there, with a few channels each."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("inpainter")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 8, in_channels=9, out_channels=4, layers_per_block=1, block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16, attention_head_dim=8, norm_num_groups=8,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), norm_num_groups=8, latent_channels=4, sample_size=SIDE,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    letters = [
        "<|startoftext|>",
        "<|endoftext|>",
        *"abcdefghijklmnopqrstuvwxyz",
        *(c + "</w>" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    (folder / "vocab.json").write_text(json.dumps({each: index for index, each in enumerate(letters)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(letters), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=32, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
    pipeline = diffusers.StableDiffusionInpaintPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def inpainter(model):
    return load_inpainter("diffusers", str(model), prompt="a cat", steps=2, seed=7, device="cpu", threads=2)


def spoon(image):
    mask = np.zeros(image.pixels.shape[:2], bool)
    mask[230:270, 330:380] = True
    return mask


def test_the_pipeline_says_what_sizes_it_takes(inpainter):
    assert inpainter.sizes.grid == 64
    assert inpainter.sizes.min_side == SIDE
    assert inpainter.sizes.max_side == 3 * SIDE


def test_no_byte_changes_outside_and_the_hole_is_painted(inpainter, coffee_path):
    image = open_image(coffee_path)
    mask = spoon(image)
    done = inpaint(image, mask, inpainter)
    weights = done.hole.inside((0, 0, *image.size))
    assert np.array_equal(done.pixels[weights == 0], image.pixels[weights == 0])
    assert (done.pixels[mask] != image.pixels[mask]).any(axis=1).mean() > 0.9
    assert all(crop.size[0] % 64 == crop.size[1] % 64 == 0 for crop in done.crops)


def test_the_result_is_that_of_the_pipeline(inpainter, model, coffee_path):
    """The same crop and mask given to diffusers directly give the same image."""
    import torch

    image = open_image(coffee_path)
    crop = np.ascontiguousarray(image.pixels[128:256, 256:448])
    hole = np.zeros(crop.shape[:2], bool)
    hole[40:80, 50:120] = True
    direct = diffusers.StableDiffusionInpaintPipeline.from_pretrained(model, safety_checker=None)
    direct.set_progress_bar_config(disable=True)
    expected = direct(
        prompt="a cat",
        image=PIL.Image.fromarray(crop),
        mask_image=PIL.Image.fromarray(hole),
        height=128,
        width=192,
        num_inference_steps=2,
        guidance_scale=7.5,
        strength=1.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert np.abs(inpainter(crop, hole).astype(int) - np.asarray(expected)).max() <= 1


def test_a_seed_repeats_the_result_and_the_prompt_matters(model, coffee_path):
    image = open_image(coffee_path)
    mask = spoon(image)
    options = {"model": str(model), "steps": 2, "device": "cpu", "threads": 2}
    first = inpaint(image, mask, "diffusers", prompt="a cat", seed=3, **options).pixels
    again = inpaint(image, mask, "diffusers", prompt="a cat", seed=3, **options).pixels
    other = inpaint(image, mask, "diffusers", prompt="dogs dogs dogs", seed=3, **options).pixels
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_command_line_runs_it(model, coffee_path, tmp_path, capsys):
    mask = tmp_path / "mask.png"
    PIL.Image.fromarray(spoon(open_image(coffee_path))).convert("L").save(mask)
    out = tmp_path / "cat.png"
    how = ["--method", "diffusers", "--model", str(model), "--prompt", "a cat", "--denoising-steps", "2", "--seed", "1"]
    assert main(["inpaint", str(coffee_path), "--mask", str(mask), *how, "--json", "--out", str(out)]) == 0
    record = json.loads(capsys.readouterr().out)["inpainted"]
    x0, y0, x1, y1 = record["hole"]
    before, after = open_image(coffee_path).pixels, np.asarray(PIL.Image.open(out))
    outside = np.ones(before.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(before[outside], after[outside])
    assert not np.array_equal(before, after)
    assert record["method"] == "diffusers model"


def test_what_is_no_inpainting_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be loaded"):
        load_inpainter("diffusers", str(tmp_path / "empty"))


def test_an_image_withheld_by_the_safety_checker_is_an_error(inpainter, monkeypatch):
    class Output:
        images = (PIL.Image.new("RGB", (64, 64)),)
        nsfw_content_detected = (True,)

    class FakePipeline:
        def __call__(self, **_):
            return Output()

    monkeypatch.setattr(inpainter, "_pipeline", FakePipeline())
    with pytest.raises(AnymaskError, match="withheld"):
        inpainter(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool))


def test_a_gpu_that_is_not_there_is_not_swapped_for_the_cpu(model):
    import torch

    if torch.cuda.is_available():
        assert load_inpainter("diffusers", str(model), device="cuda").name
        return
    with pytest.raises(EngineError, match="cuda"):
        load_inpainter("diffusers", str(model), device="cuda")
