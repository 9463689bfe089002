"""Outside the grown and feathered mask a repainted image is the image, byte for byte; inside it is new."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from anymask.editing.inpaint_mask import Sizes, make_inpaint_mask
from anymask.editing.inpainters import load_inpainter
from anymask.editing.inpainting import crop_image, crop_mask, inpaint
from anymask.errors import EngineError, InputError
from anymask.io.image import open_image
from tests.support.small_inpainters import FILL, lama_like

NEW = np.round(np.array(FILL) * 255)


class FakeInpainter:
    """Paints everything pink, also what it was not asked to, in whatever sizes the test wants."""

    name = "pink"

    def __init__(self, sizes):
        self.sizes = sizes
        self.seen = []

    def __call__(self, pixels, hole):
        self.seen.append((pixels, hole))
        return np.full(pixels.shape, (255, 0, 128), np.uint8)


@pytest.fixture(scope="module")
def image(coffee_path):
    return open_image(coffee_path)


def block(shape, window=np.s_[120:180, 200:290]):
    mask = np.zeros(shape, bool)
    mask[window] = True
    return mask


def unchanged(done, image):
    weights = done.hole.inside((0, 0, *image.size))
    return np.array_equal(done.pixels[weights == 0], image.pixels[weights == 0])


@pytest.mark.parametrize("method", ["telea", "ns"])
def test_opencv_fills_the_hole_and_nothing_else(image, method):
    mask = block(image.pixels.shape[:2])
    done = inpaint(image, mask, method)
    assert unchanged(done, image)
    assert not np.array_equal(done.pixels[mask], image.pixels[mask])
    assert done.inpainter == method
    assert done.icc_profile == image.icc_profile


@given(
    x=st.integers(0, 440), y=st.integers(0, 290), w=st.integers(1, 90), h=st.integers(1, 90),
    sizes=st.sampled_from([Sizes(), Sizes(8), Sizes(64, 512), Sizes(64, max_side=128), Sizes(fixed=(96, 64))]),
    grow=st.floats(0, 12), feather=st.floats(0, 12), keep=st.booleans(),
)  # fmt: skip
def test_no_byte_changes_outside_whatever_the_inpainter_does(chelsea_path, x, y, w, h, sizes, grow, feather, keep):
    image = open_image(chelsea_path)
    mask = block(image.pixels.shape[:2], np.s_[y : y + h, x : x + w])
    inpainter = FakeInpainter(sizes)
    done = inpaint(image, mask, inpainter, grow=grow, feather=feather, keep=keep)
    assert unchanged(done, image)
    full = done.hole.inside((0, 0, *image.size)) == 1
    assert full[~mask if keep else mask].all()
    assert (done.pixels[full] == (255, 0, 128)).all()
    for pixels, hole in inpainter.seen:
        assert pixels.shape[:2] == hole.shape
        assert hole.shape[0] % sizes.grid == hole.shape[1] % sizes.grid == 0


def test_the_blend_runs_from_new_to_old_without_a_step(image):
    done = inpaint(np.full_like(image.pixels, 100), block((400, 600)), FakeInpainter(Sizes()), grow=5, feather=20)
    profile = done.pixels[150, 289:330, 0].astype(int)
    assert profile[0] == 255
    assert profile[-1] == 100
    assert (np.diff(profile) <= 0).all()
    assert np.abs(np.diff(profile)).max() < 25


def test_crops_have_the_images_own_scale(image):
    inpainter = FakeInpainter(Sizes(64))
    (crop,) = inpaint(image, block(image.pixels.shape[:2]), inpainter).crops
    x0, y0, x1, y1 = crop.box
    assert crop.native
    assert np.array_equal(inpainter.seen[0][0], image.pixels[y0:y1, x0:x1])


def test_beyond_a_small_image_both_image_and_mask_are_mirrored(chelsea_path):
    image = open_image(chelsea_path)
    hole = make_inpaint_mask(block(image.pixels.shape[:2], np.s_[200:, 100:200]), 4, 4)
    inpainter = FakeInpainter(Sizes(64, 512))
    (crop,) = inpaint(image, block(image.pixels.shape[:2], np.s_[200:, 100:200]), inpainter, grow=4, feather=4).crops
    assert crop.box == (0, 0, 512, 320)
    pixels, inside = crop_image(image.pixels, crop), crop_mask(hole, crop)
    assert np.array_equal(pixels[300:320, :451], image.pixels[299:279:-1])
    assert np.array_equal(inside[300:320], inside[299:279:-1])


def test_what_is_kept_stays_and_all_else_is_new(image):
    mask = block(image.pixels.shape[:2])
    done = inpaint(image, mask, FakeInpainter(Sizes(8)), keep=True, feather=3)
    assert np.array_equal(done.pixels[125:175, 205:285], image.pixels[125:175, 205:285])
    assert (done.pixels[~mask] == (255, 0, 128)).all()


# ---------------------------------------------------------------- ONNX


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"highest": 255.0},
        {"side": 256},
        {"side": 64, "highest": 255.0},
        {"channels_last": True},
        {"kind": TensorProto.UINT8},
        {"kind": TensorProto.FLOAT16},
        {"names": ("x", "y")},
    ],
)
def test_onnx_inpainters_of_every_form_paint_the_hole(image, tmp_path, form):
    model = lama_like(tmp_path / "small.onnx", **form)
    mask = block(image.pixels.shape[:2])
    done = inpaint(image, mask, "onnx", model=model, threads=1)
    assert np.abs(done.pixels[mask] - NEW).max() <= 2
    assert unchanged(done, image)
    assert done.inpainter == "onnx small.onnx"


def test_onnx_inpainters_whose_white_means_to_keep(image, tmp_path):
    model = lama_like(tmp_path / "small.onnx", white_keeps=True)
    mask = block(image.pixels.shape[:2])
    done = inpaint(image, mask, "onnx", model=model, white="keep", threads=1)
    assert np.abs(done.pixels[mask] - NEW).max() <= 2


def test_files_that_are_no_inpainters_are_refused(tmp_path):
    from onnx import helper

    (tmp_path / "words.onnx").write_text("hello")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "one.onnx").write_bytes(model.SerializeToString())
    for name, message in (("none.onnx", "no file"), ("words.onnx", "not an ONNX"), ("one.onnx", "1 input")):
        with pytest.raises(InputError, match=message):
            load_inpainter("onnx", tmp_path / name)


def test_a_device_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EngineError, match="coreml"):
        load_inpainter("onnx", lama_like(tmp_path / "small.onnx"), device="coreml")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "magic"),
        ({"method": "telea", "model": "lama.onnx"}, "no model"),
        ({"method": "onnx"}, "needs a model"),
        ({"method": "telea", "radius": 0}, "radius"),
        ({"grow": -1}, "0 or more"),
    ],
)
def test_options_that_cannot_be_used_are_refused(image, options, message):
    with pytest.raises(InputError, match=message):
        inpaint(image, block(image.pixels.shape[:2]), **options)


def test_a_mask_of_another_image_is_refused(image):
    with pytest.raises(InputError, match="belong"):
        inpaint(image, block((50, 60)))
