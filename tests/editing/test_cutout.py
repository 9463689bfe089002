"""Cut-outs: full resolution, the right frame, and what they stand on."""

import io

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from anymask.editing.backgrounds import parse_color, resize_to_cover
from anymask.editing.cutout import Blur, cutout
from anymask.editing.effects import Outline, Shadow
from anymask.editing.saving import encode_image, save_image
from anymask.errors import InputError
from anymask.io.image import open_image
from tests.support.composites import hairy_disc
from tests.support.mask_shapes import disc


@pytest.fixture(scope="module")
def composite():
    return hairy_disc()


def test_a_transparent_cutout_has_the_images_size_and_its_pixels(composite):
    done = cutout(composite.pixels, composite.mask, edges="hard")
    assert done.pixels.shape == (180, 220, 4)
    assert np.array_equal(done.pixels[..., 3] == 255, composite.mask)
    assert np.array_equal(done.pixels[composite.mask][:, :3], composite.pixels[composite.mask])
    assert (done.pixels[~composite.mask] == 0).all()


def test_auto_says_what_it_did(composite, monkeypatch):
    assert cutout(composite.pixels, composite.mask).edges == "matte"
    monkeypatch.setattr("anymask.editing.cutout.can_matte", lambda: False)
    assert cutout(composite.pixels, composite.mask).edges == "smooth"


def test_crop_is_tight_and_the_margin_is_all_around(composite):
    done = cutout(composite.pixels, composite.mask, edges="hard", crop=True, margin=7)
    rows, columns = np.nonzero(done.pixels[..., 3])
    height, width = done.pixels.shape[:2]
    assert (rows.min(), columns.min(), height - 1 - rows.max(), width - 1 - columns.max()) == (7, 7, 7, 7)
    x0, y0, x1, y1 = done.box
    assert (x1 - x0, y1 - y0) == (width, height)
    assert composite.mask[y0 + 7 : y1 - 7, x0 + 7 : x1 - 7].sum() == composite.mask.sum()


def test_a_margin_may_reach_beyond_the_image(composite):
    mask = np.zeros_like(composite.mask)
    mask[:20, :20] = True
    for background in (None, (9, 8, 7), Blur(3)):
        done = cutout(composite.pixels, mask, edges="hard", crop=True, margin=10, background=background)
        assert done.pixels.shape[:2] == (40, 40)
        assert done.box == (-10, -10, 30, 30)
        assert np.array_equal(done.pixels[10:30, 10:30, :3], composite.pixels[:20, :20])


def test_on_a_colour_only_the_edge_is_mixed(composite):
    done = cutout(composite.pixels, composite.mask, edges="smooth", background=(250, 251, 252))
    inner = disc(180, 220, 45)
    assert np.array_equal(done.pixels[inner], composite.pixels[inner])
    assert (done.pixels[~disc(180, 220, 56)] == (250, 251, 252)).all()


def test_in_front_of_the_blurred_image_no_halo_of_the_object_shines():
    pixels = np.full((200, 300, 3), 40, np.uint8)
    mask = disc(200, 300, 50)
    pixels[mask] = 250
    done = cutout(pixels, mask, edges="hard", background=Blur(12))
    around = disc(200, 300, 70) & ~disc(200, 300, 53)
    assert done.pixels[around].max() <= 60  # without care the blurred white disc would make it 140
    assert np.array_equal(done.pixels[mask], pixels[mask])


def test_an_image_behind_covers_everything_unsquashed():
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[:, 50:] = 200
    covered = resize_to_cover(picture, (80, 80))
    assert covered.shape == (80, 80, 3)
    assert covered[:, :36].max() == 0
    assert covered[:, 44:].min() == 200


def test_a_sticker_has_a_rim_of_its_width_all_around(composite):
    done = cutout(composite.pixels, composite.mask, edges="hard", outline=Outline(8, (255, 255, 255)))
    y, x = np.indices(composite.mask.shape)
    away = np.hypot(x - 110, y - 90)
    rim = done.pixels[(away > 52) & (away < 56)]
    assert (rim == 255).all()
    assert (done.pixels[(away > 61)][:, 3] == 0).all()


def test_a_shadow_falls_where_it_is_sent_and_under_the_object(composite):
    done = cutout(composite.pixels, composite.mask, edges="hard", shadow=Shadow((20, 10), 2, 0.5))
    assert np.array_equal(done.pixels[composite.mask][:, :3], composite.pixels[composite.mask])
    assert abs(int(done.pixels[105, 171, 3]) - 128) <= 2
    assert (done.pixels[105, 171, :3] == 0).all()
    assert done.pixels[70, 45, 3] == 0


def test_crop_with_shadow_and_rim_loses_nothing_of_them(composite):
    done = cutout(
        composite.pixels, composite.mask, edges="hard", crop=True, shadow=Shadow((300, 0), 4, 0.9), outline=Outline(5)
    )
    assert done.pixels.shape[1] > 300 + 100
    assert done.pixels[:, -1, 3].max() < 40


def phone_photo(orientation, profile):
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[10:30, 20:40] = (250, 120, 10)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG", exif=exif, icc_profile=profile)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
def test_colour_profile_and_orientation_survive(ending, tmp_path):
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    image = open_image(phone_photo(6, profile))
    assert image.size == (60, 90)
    mask = image.pixels[..., 0] > 128
    path = cutout(image, mask, edges="hard").save(tmp_path / f"cut{ending}")
    with PIL.Image.open(path) as picture:
        assert picture.size == (60, 90)
        assert picture.info["icc_profile"] == profile
        assert picture.getexif().get(0x0112, 1) == 1
        assert np.array_equal(np.asarray(picture)[..., 3] == 255, mask)
        assert (np.asarray(picture)[mask] == (250, 120, 10, 255)).all()


def test_a_background_image_comes_in_the_images_colours():
    srgb = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    image = open_image(phone_photo(1, srgb))
    plain = open_image(np.full((30, 30, 3), 90, np.uint8))
    done = cutout(image, image.pixels[..., 0] > 128, edges="hard", background=plain)
    assert np.abs(done.pixels[0, 0].astype(int) - 90).max() <= 1
    assert done.icc_profile == srgb


def test_jpeg_without_background_is_refused(composite, tmp_path):
    with pytest.raises(InputError, match="transparency"):
        cutout(composite.pixels, composite.mask, edges="hard").save(tmp_path / "cut.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "message"), [("cut.bmp", ".bmp"), ("cut", "format"), ("folder.png", "directory")])
def test_files_that_cannot_be_written_are_refused(composite, tmp_path, name, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match=message):
        cutout(composite.pixels, composite.mask, edges="hard").save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_a_side_that_webp_cannot_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match="16383"):
        save_image(tmp_path / "long.webp", np.zeros((2, 16384, 3), np.uint8))


@pytest.mark.parametrize(("kind", "quality"), [("PNG", None), ("TIFF", None), ("WEBP", None)])
def test_exact_formats_are_exact_also_under_transparency(kind, quality):
    pixels = np.random.default_rng(3).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    back = np.asarray(PIL.Image.open(io.BytesIO(encode_image(pixels, kind, None, quality))))
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -1}, "margin"),
        ({"edges": "fuzzy"}, "fuzzy"),
        ({"background": (1, 2, 300)}, "300"),
        ({"background": Blur(0)}, "blur"),
    ],
)
def test_options_that_make_no_sense_are_refused(composite, options, message):
    with pytest.raises(InputError, match=message):
        cutout(composite.pixels, composite.mask, **{"edges": "hard", **options})


def test_masks_that_make_no_sense_are_refused(composite):
    with pytest.raises(InputError, match="empty"):
        cutout(composite.pixels, np.zeros_like(composite.mask))
    with pytest.raises(InputError, match="belong"):
        cutout(composite.pixels, composite.mask[:-1])
    with pytest.raises(InputError, match="bool"):
        cutout(composite.pixels, composite.mask.astype(float))


def test_colours_as_style_sheets_write_them():
    assert parse_color("#f80") == (255, 136, 0)
    assert parse_color(" white ") == (255, 255, 255)
    with pytest.raises(InputError, match="nocolor"):
        parse_color("nocolor")
