"""Every format and mode that Pillow can write comes back as the pixels a person sees."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from anymask.errors import ImageError
from anymask.io.image import open_image
from tests.support.images import BLUE, GREEN, RED, YELLOW, assert_quarters, corners, encoded, png, png_chunk, quarters

# ---------------------------------------------------------------- orientation

TAG = 0x0112
# The quarters as displayed (top left, top right, bottom left, bottom right) of a file whose STORED quarters are
# red green / blue yellow, worked out by hand from the EXIF definition.
AS_DISPLAYED = {
    1: (RED, GREEN, BLUE, YELLOW),
    2: (GREEN, RED, YELLOW, BLUE),
    3: (YELLOW, BLUE, GREEN, RED),
    4: (BLUE, YELLOW, RED, GREEN),
    5: (RED, BLUE, GREEN, YELLOW),
    6: (BLUE, RED, YELLOW, GREEN),
    7: (YELLOW, GREEN, BLUE, RED),
    8: (GREEN, YELLOW, RED, BLUE),
}


@pytest.mark.parametrize("orientation", AS_DISPLAYED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_is_turned_upright_once(kind: str, orientation: int) -> None:
    picture = corners()
    exif = picture.getexif()
    exif[TAG] = orientation
    image = open_image(encoded(picture, kind, exif=exif, quality=95))
    assert_quarters(image, *AS_DISPLAYED[orientation], within=20)
    assert image.orientation == orientation
    assert image.stored_size == (48, 32)
    assert image.size == ((48, 32) if orientation < 5 else (32, 48))


@pytest.mark.parametrize("orientation", AS_DISPLAYED)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("loaded", [True, False])
def test_a_pillow_image_is_turned_as_its_file_is(kind: str, orientation: int, loaded: bool) -> None:
    picture = corners()
    exif = picture.getexif()
    exif[TAG] = orientation
    again = PIL.Image.open(io.BytesIO(encoded(picture, kind, exif=exif)))
    if loaded:
        again.load()
    assert_quarters(open_image(again), *AS_DISPLAYED[orientation], within=20)


@pytest.mark.parametrize("orientation", AS_DISPLAYED)
def test_deep_samples_are_turned_too(orientation: int) -> None:
    samples = np.zeros((32, 48), np.uint16)
    samples[:16, :24] = 65535
    picture = PIL.Image.fromarray(samples)
    exif = picture.getexif()
    exif[TAG] = orientation
    image = open_image(encoded(picture, "PNG", exif=exif))
    white = [colour == RED for colour in AS_DISPLAYED[orientation]]
    assert [colour == (255, 255, 255) for colour in quarters(image)] == white


@pytest.mark.parametrize("tag", [0, 9, 65535])
def test_a_nonsense_orientation_is_no_orientation(tag: int) -> None:
    picture = corners()
    exif = picture.getexif()
    exif[TAG] = tag
    image = open_image(encoded(picture, "JPEG", exif=exif))
    assert image.orientation == 1
    assert_quarters(image, *AS_DISPLAYED[1])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_image_with_broken_metadata_is_read() -> None:
    image = open_image(encoded(corners(), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff broken"))
    assert_quarters(image, *AS_DISPLAYED[1])


def test_a_pillow_image_is_not_changed() -> None:
    picture = corners()
    picture.getexif()[TAG] = 6
    before = picture.tobytes()
    open_image(picture)
    assert picture.size == (48, 32)
    assert picture.tobytes() == before
    assert picture.getexif()[TAG] == 6


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "JPEG"),
        ("LAB", "TIFF"),
        ("P", "PNG"),
        ("P", "GIF"),
    ],
)
def test_colour_modes_keep_their_colours(mode: str, kind: str) -> None:
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(corners())
    else:
        picture = corners().quantize(4) if mode == "P" else corners().convert(mode)
    assert picture.mode == mode
    assert_quarters(open_image(encoded(picture, kind)), RED, GREEN, BLUE, YELLOW, within=20)
    assert_quarters(open_image(picture), RED, GREEN, BLUE, YELLOW, within=20)


def test_hsv_pillow_images_keep_their_colours() -> None:
    assert_quarters(open_image(corners().convert("HSV")), RED, GREEN, BLUE, YELLOW)


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("1", "TIFF"), ("L", "PPM")])
def test_grey_becomes_equal_channels(mode: str, kind: str) -> None:
    picture = corners().convert("L").point(lambda level: 255 if level > 100 else 0).convert(mode)
    image = open_image(encoded(picture, kind))
    assert (image.pixels == image.pixels[:, :, :1]).all()
    assert_quarters(image, (0,) * 3, (255,) * 3, (0,) * 3, (255,) * 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "La", "RGBa"])
def test_alpha_is_composited_on_the_background(mode: str) -> None:
    picture = corners().convert("RGBA")
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :24] = 0
    picture.putalpha(PIL.Image.fromarray(alpha))
    if mode == "PA":
        picture = corners().quantize(4).convert("PA")
        picture.putalpha(PIL.Image.fromarray(alpha))
    elif mode != "RGBA":
        picture = picture.convert("LA").convert(mode) if mode == "La" else picture.convert(mode)
    assert picture.mode == mode
    on_white, on_teal = open_image(picture), open_image(picture, background=(0, 128, 128))
    assert quarters(on_white)[0] == (255, 255, 255)
    assert quarters(on_teal)[0] == (0, 128, 128)
    assert quarters(on_white)[1:] == quarters(on_teal)[1:]
    assert "background (0, 128, 128)" in on_teal.notes[0]


def test_half_transparent_mixes_half_and_half() -> None:
    picture = PIL.Image.new("RGBA", (4, 4), (200, 0, 100, 128))
    image = open_image(encoded(picture, "PNG"), background=(0, 0, 0))
    assert np.abs(image.pixels[0, 0].astype(int) - [100, 0, 50]).max() <= 1


def test_an_opaque_alpha_channel_is_not_worth_a_note() -> None:
    image = open_image(encoded(corners().convert("RGBA"), "PNG"))
    assert image.notes == ()
    assert quarters(image) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_shows_the_background(kind: str) -> None:
    picture = corners().quantize(4)
    index = picture.getpixel((2, 2))
    image = open_image(encoded(picture, kind, transparency=index), background=(1, 2, 3))
    assert quarters(image)[0] == (1, 2, 3)
    assert_quarters(image, (1, 2, 3), GREEN, BLUE, YELLOW)


def test_a_transparent_colour_key_shows_the_background() -> None:
    image = open_image(encoded(corners(), "PNG", transparency=RED), background=(1, 2, 3))
    assert quarters(image) == [(1, 2, 3), GREEN, BLUE, YELLOW]


def test_a_transparent_16_bit_grey_shows_the_background() -> None:
    picture = PIL.Image.fromarray(np.array([[1000, 40000]], np.uint16))
    image = open_image(encoded(picture, "PNG", transparency=1000), background=(9, 8, 7))
    assert image.pixels.tolist() == [[[9, 8, 7], [156, 156, 156]]]


# ---------------------------------------------------------------- 16 bits and floats

DEEP = np.array([[0, 256, 1000], [4095, 40000, 65535]], np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_shows_its_high_byte_and_says_so(kind: str) -> None:
    image = open_image(encoded(PIL.Image.fromarray(DEEP), kind))
    assert image.pixels[:, :, 0].tolist() == (DEEP >> 8).tolist()
    assert "0 to 65535" in image.notes[0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_takes_a_window(kind: str) -> None:
    image = open_image(encoded(PIL.Image.fromarray(DEEP), kind), window=(0, 4095))
    assert image.pixels[:, :, 2].tolist() == [[0, 16, 62], [255, 255, 255]]
    assert image.notes == ()


@pytest.mark.parametrize("byte_order", ["I;16", "I;16B", "I;16L"])
def test_16_bit_pillow_images_of_either_byte_order(byte_order: str) -> None:
    raw = DEEP.astype(">u2" if byte_order.endswith("B") else "<u2").tobytes()
    picture = PIL.Image.frombytes(byte_order, (3, 2), raw)
    assert open_image(picture, window=(0, 65535)).pixels[:, :, 0].tolist() == np.rint(DEEP / 257).astype(int).tolist()


@pytest.mark.parametrize("extension", [".png", ".tif", ".ppm"])
def test_16_bit_colour_takes_a_window_or_chooses_one(extension: str) -> None:
    rgb = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=2)
    file = cv2.imencode(extension, rgb[:, :, ::-1])[1].tobytes()
    plain, windowed = open_image(file), open_image(file, window=(0, 4095))
    assert np.abs(plain.pixels.astype(int) - (rgb >> 8)).max() <= 1
    assert "0,65535 is shown as black,white (the full scale)" in plain.notes[0]
    assert windowed.pixels.tolist() == open_image(rgb, window=(0, 4095)).pixels.tolist()


def test_a_window_leaves_16_bit_alpha_alone() -> None:
    rgba = np.zeros((2, 3, 4), np.uint16)
    rgba[:, :, :3] = DEEP[:, :, None]
    rgba[:, :, 3] = [65535, 0, 65535]
    file = cv2.imencode(".png", rgba)[1].tobytes()
    image = open_image(file, window=(0, 4095), background=(5, 5, 5))
    assert image.pixels[:, :, 0].tolist() == [[0, 5, 62], [255, 5, 255]]


def test_a_16_bit_colour_key_does_not_break_the_image() -> None:
    key = png_chunk(b"tRNS", struct.pack(">HHH", 40000, 1, 2))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">6H", 40000, 1, 2, 30000, 20000, 10000)))
    image = open_image(png(2, 1, 16, key + body))
    assert image.pixels[0, 1].tolist() == [117, 78, 39]


def test_32_bit_integers_are_shown_in_a_window() -> None:
    file = encoded(PIL.Image.fromarray(np.array([[0, 100000]], np.int32)), "TIFF")
    image = open_image(file)
    assert image.pixels[0, :, 0].tolist() == [0, 255]
    assert image.notes[0].startswith("int32 values 0 to 100000: 0,100000 is shown as black,white (all values)")
    assert open_image(file, window=(0, 200000)).pixels[0, :, 0].tolist() == [0, 128]


def test_floats_are_zero_to_one_or_shown_in_a_window() -> None:
    unit = encoded(PIL.Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF")
    wide = encoded(PIL.Image.fromarray(np.array([[-100, 0, 300]], np.float32)), "TIFF")
    assert open_image(unit).pixels[0, :, 0].tolist() == [0, 128, 255]
    assert open_image(wide).pixels[0, :, 0].tolist() == [0, 64, 255]
    assert open_image(wide).notes[0].startswith("float32 values -100 to 300: -100,300 is shown")
    assert open_image(wide, window=(0, 200)).pixels[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("picture", [corners(), corners().convert("L"), corners().quantize(4)])
def test_a_window_over_8_bits_is_refused(picture: PIL.Image.Image) -> None:
    with pytest.raises(ImageError, match="8 bits per channel"):
        open_image(encoded(picture, "PNG"), window=(0, 4095))


# ---------------------------------------------------------------- frames and profiles


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "AVIF", "MPO"])
def test_of_several_frames_the_first_is_taken_and_said_so(kind: str) -> None:
    others = [PIL.ImageOps.invert(corners()), PIL.ImageOps.mirror(corners())]
    file = encoded(corners(), kind, save_all=True, append_images=others)
    image = open_image(file)
    assert_quarters(image, RED, GREEN, BLUE, YELLOW, within=20)
    assert image.notes == ("first of 3 pages; another page can be chosen",)


def test_a_pillow_image_at_a_later_frame_gives_that_frame() -> None:
    file = encoded(corners(), "TIFF", save_all=True, append_images=[PIL.ImageOps.mirror(corners())])
    picture = PIL.Image.open(io.BytesIO(file))
    picture.seek(1)
    image = open_image(picture)
    assert_quarters(image, GREEN, RED, YELLOW, BLUE)
    assert image.notes == ("page 2 of 2; another page can be chosen",)


def test_an_rgb_profile_stays_and_a_cmyk_one_does_not() -> None:
    from PIL import ImageCms

    rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_image(encoded(corners(), "JPEG", icc_profile=rgb)).icc_profile == rgb
    cmyk = rgb[:16] + b"CMYK" + rgb[20:]
    assert open_image(encoded(corners().convert("CMYK"), "JPEG", icc_profile=cmyk)).icc_profile is None
