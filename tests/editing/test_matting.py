"""Soft edges follow what the image shows, hair included, and nothing else of it changes."""

import cv2
import numpy as np
import pytest

from anymask.editing import matting
from anymask.editing.edges import hard_edges, smooth_edges
from anymask.editing.matting import Band, matte
from anymask.errors import AnymaskError, InputError
from tests.support.composites import BACKGROUND, FOREGROUND, hairy_disc


def whole(output, shape):
    x0, y0, x1, y1 = output.box
    alpha = np.zeros(shape, np.float32)
    alpha[y0:y1, x0:x1] = output.alpha
    return alpha


@pytest.fixture(scope="module")
def encoded():
    return hairy_disc()


@pytest.fixture(scope="module")
def matted(encoded):
    return matte(encoded.pixels, encoded.mask, Band(6, 30))


def test_alpha_is_that_of_the_image_far_better_than_the_mask(encoded, matted):
    shape = encoded.mask.shape
    error = np.abs(whole(matted, shape) - encoded.alpha).mean()
    assert error < 0.3 * np.abs(whole(hard_edges(encoded.pixels, encoded.mask), shape) - encoded.alpha).mean()
    assert error < 0.3 * np.abs(whole(smooth_edges(encoded.pixels, encoded.mask), shape) - encoded.alpha).mean()


def test_hair_that_the_mask_missed_comes_with_the_object(encoded, matted):
    hair = (encoded.alpha > 0.6) & ~encoded.mask
    assert hair.sum() > 300
    assert (whole(matted, encoded.mask.shape)[hair] > 0.4).mean() > 0.9


def test_the_background_between_hairs_stays_out(encoded, matted):
    y, x = np.indices(encoded.mask.shape)
    ring = np.hypot(x - 110, y - 90)
    between = (encoded.alpha < 0.01) & (ring < 70)
    assert (whole(matted, encoded.mask.shape)[between] < 0.15).mean() > 0.95


def test_colours_at_the_edge_are_those_of_the_object_alone(matted):
    edge = (matted.alpha > 0.3) & (matted.alpha < 0.9)
    to_object = np.abs(matted.colors[edge].astype(int) - FOREGROUND).mean()
    to_background = np.abs(matted.colors[edge].astype(int) - BACKGROUND).mean()
    assert to_object < 25
    assert to_background > 80


def test_the_middle_keeps_its_pixels_and_nothing_of_the_background_travels_along(encoded, matted):
    x0, y0, x1, y1 = matted.box
    image = encoded.pixels[y0:y1, x0:x1]
    opaque = matted.alpha == 1
    assert opaque.sum() > 5000
    assert np.array_equal(matted.colors[opaque], image[opaque])
    near = cv2.dilate((matted.alpha > 0).view(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert (~near).sum() > 5000
    assert (matted.colors[~near] == 0).all()


def test_tiles_leave_no_seams(encoded, matted, monkeypatch):
    monkeypatch.setattr(matting, "TILE", 48)
    tiled = matte(encoded.pixels, encoded.mask, Band(6, 30))
    assert tiled.box == matted.box
    difference = np.abs(tiled.alpha - matted.alpha)
    assert difference.mean() < 0.01
    assert (difference > 0.25).mean() < 0.005


def test_a_line_thinner_than_the_band_is_not_lost():
    pixels = np.full((60, 90, 3), BACKGROUND, np.uint8)
    mask = np.zeros((60, 90), bool)
    mask[28:32, 10:80] = True
    pixels[mask] = FOREGROUND
    output = matte(pixels, mask, Band(8, 8))
    assert whole(output, mask.shape)[mask].mean() > 0.9
    assert whole(output, mask.shape)[~mask].mean() < 0.02


@pytest.mark.parametrize("name", ["full", "one pixel", "ring", "at the border"])
def test_every_shape_gets_finite_alpha_without_a_word(name, capfd):
    mask = np.zeros((40, 50), bool)
    mask[
        {"full": np.s_[:, :], "one pixel": np.s_[20, 20], "ring": np.s_[5:35, 5:45], "at the border": np.s_[:, :9]}[
            name
        ]
    ] = 1
    if name == "ring":
        mask[12:28, 12:38] = False
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    output = matte(pixels, mask)
    assert np.isfinite(output.alpha).all()
    assert output.alpha.min() >= 0
    assert capfd.readouterr().out == ""
    assert output.alpha.max() <= 1


def test_an_empty_mask_is_refused():
    with pytest.raises(InputError, match="empty"):
        matte(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool))


def test_without_pymatting_the_line_says_what_to_install(monkeypatch, encoded):
    monkeypatch.setattr(matting, "can_matte", lambda: False)
    with pytest.raises(AnymaskError, match=r"anymask\[edit\]"):
        matte(encoded.pixels, encoded.mask)


@pytest.mark.parametrize("widths", [(-1, 5), (0, 0), (float("nan"), 3)])
def test_a_band_without_width_is_refused(widths):
    with pytest.raises(InputError, match="band"):
        Band(*widths)


def test_an_image_that_says_nothing_leaves_it_to_the_mask(capfd):
    flat = np.full((120, 160, 3), 90, np.uint8)
    mask = np.zeros((120, 160), bool)
    mask[40:80, 50:110] = True
    output = whole(matte(flat, mask, Band(8, 12)), mask.shape)
    assert output[60, 80] == 1
    assert output[5, 5] == 0
    assert np.abs(output - mask).mean() < 0.06
    assert capfd.readouterr().out == ""
