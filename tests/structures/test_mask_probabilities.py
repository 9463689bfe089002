"""Probabilities: the soft side of a mask, never at odds with the mask itself."""

import pickle

import numpy as np
import PIL.Image
from hypothesis import given
from hypothesis import strategies as st

from anymask.cli import main
from anymask.formats import png
from anymask.structures.mask import Mask
from anymask.structures.probabilities import probabilities
from anymask.structures.transforms import ResizeLongestSide

BOX = [170, 14, 412, 264]


@given(st.integers(0, 2**32 - 1), st.floats(0, 1e4), st.booleans())
def test_probabilities_are_above_half_exactly_inside_the_mask(seed, scale, own):
    """Also for logits as large as they come, and for a mask that was changed since."""
    random = np.random.default_rng(seed)
    logits = (random.normal(size=(7, 9)) * scale).astype(np.float32)
    mask = logits > 0 if own else random.random((7, 9)) > 0.5
    soft = probabilities(logits.copy(), mask)
    assert soft.dtype == np.float32
    assert np.array_equal(soft > 0.5, mask)
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert np.array_equal(np.asarray(PIL.Image.open(_file(png.encode_soft(soft)))) >= 128, mask)


def _file(content):
    from io import BytesIO

    return BytesIO(content)


@given(st.integers(20, 700), st.integers(20, 700), st.integers(0, 2**32 - 1))
def test_full_size_logits_are_what_the_mask_is_cut_from(width, height, seed):
    frame = ResizeLongestSide(width, height)
    logits = np.random.default_rng(seed).normal(size=(256, 256)).astype(np.float32)
    differ = (frame.interpolate(logits) > 0) != frame.upscale(logits)
    assert np.abs(frame.interpolate(logits)[differ]).max(initial=0) < 1e-5


def test_a_soft_mask_is_made_from_the_logits_and_confident_in_its_middle(coffee):
    mask = coffee.segment(box=BOX)[0]
    soft = mask.probabilities
    assert soft.shape == mask.array.shape
    assert np.array_equal(soft > 0.5, mask.array)
    assert soft[mask.array].mean() > 0.9
    assert soft[5, 5] < 0.01
    assert 0.001 < ((soft > 0.1) & (soft < 0.9)).mean() < 0.1
    cleaned = mask.remove_small_regions(holes=10_000, islands=100)
    assert np.array_equal(cleaned.probabilities > 0.5, cleaned.array)
    assert np.array_equal(pickle.loads(pickle.dumps(mask)).probabilities > 0.5, mask.array)


def test_a_mask_that_no_model_made_has_no_probabilities():
    assert Mask.from_array(np.ones((4, 5), bool)).probabilities is None


def test_soft_masks_on_the_command_line_are_removed_without_the_option(coffee_path, tmp_path):
    asked = ["segment", str(coffee_path), "--box", "170,14,412,264", "--out", str(tmp_path), "--quiet"]
    assert main([*asked, "--soft"]) == 0
    soft, mask = (np.asarray(PIL.Image.open(tmp_path / f"{name}_000.png")) for name in ("soft", "mask"))
    assert np.array_equal(soft >= 128, mask == 255)
    assert len(np.unique(soft)) > 50
    assert main(asked) == 0
    assert not (tmp_path / "soft_000.png").exists()
