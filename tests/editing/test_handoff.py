"""What is handed to another program comes back to its place, and only there."""

import json

import numpy as np
import PIL.Image
import pytest

from anymask.editing.handoff import paste_back, read_pair, write_pair
from anymask.editing.inpaint_mask import Sizes, make_inpaint_mask
from anymask.errors import InputError
from anymask.io.image import open_image


@pytest.fixture
def photo(coffee_path):
    return open_image(coffee_path)


@pytest.fixture
def hole(photo):
    mask = np.zeros(photo.pixels.shape[:2], bool)
    mask[150:200, 30:90] = True
    return make_inpaint_mask(mask, 6, 6)


def test_a_pair_that_is_there_stays(tmp_path, photo, hole):
    write_pair(tmp_path, photo, hole)
    (tmp_path / "pair.json").unlink()
    (tmp_path / "image.png").write_bytes(b"painted")
    with pytest.raises(InputError, match=r"image\.png already exists: give a new folder"):
        write_pair(tmp_path, photo, hole)
    assert (tmp_path / "image.png").read_bytes() == b"painted"


def test_the_pair_is_what_every_stable_diffusion_interface_takes(tmp_path, photo, hole):
    files = write_pair(tmp_path / "pair", photo, hole)
    assert [path.name for path in files] == ["image.png", "mask.png", "blend.png", "pair.json"]
    with PIL.Image.open(files[0]) as picture, PIL.Image.open(files[1]) as mask:
        assert picture.mode == "RGB"
        assert mask.mode == "L"
        assert picture.size == mask.size
        assert picture.width % 64 == picture.height % 64 == 0
        assert min(picture.size) >= 400
        white = np.asarray(mask)
        assert set(np.unique(white)) == {0, 255}
    note = json.loads(files[3].read_text())
    x0, y0, _, _ = note["crop"]
    assert white[175 - y0, 60 - x0] == 255
    assert white[175 - y0, 120 - x0] == 0


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_an_answer_of_any_scale_is_pasted_only_into_the_hole(tmp_path, photo, hole, scale):
    write_pair(tmp_path, photo, hole)
    pair = read_pair(tmp_path)
    size = round(pair.crop.size[1] * scale), round(pair.crop.size[0] * scale)
    done = paste_back(pair, photo, np.full((*size, 3), (0, 200, 0), np.uint8))
    weights = hole.inside((0, 0, *photo.size))
    assert np.array_equal(done.pixels[weights == 0], photo.pixels[weights == 0])
    assert (done.pixels[weights == 1] == (0, 200, 0)).all()


def test_the_handed_off_crop_itself_changes_nothing(tmp_path, photo, hole):
    write_pair(tmp_path, photo, hole, Sizes(8))
    assert np.array_equal(paste_back(read_pair(tmp_path), photo, tmp_path / "image.png").pixels, photo.pixels)


def test_a_copy_of_the_image_in_another_format_is_the_same_image(tmp_path, photo, hole):
    write_pair(tmp_path, photo, hole)
    PIL.Image.fromarray(photo.pixels).save(tmp_path / "copy.png")
    paste_back(read_pair(tmp_path), tmp_path / "copy.png", tmp_path / "image.png")


def test_another_image_or_other_proportions_are_refused(tmp_path, photo, hole, chelsea_path):
    write_pair(tmp_path, photo, hole)
    pair = read_pair(tmp_path)
    with pytest.raises(InputError, match="not the image"):
        paste_back(pair, chelsea_path, tmp_path / "image.png")
    with pytest.raises(InputError, match="proportions"):
        paste_back(pair, photo, np.zeros((300, 900, 3), np.uint8))


@pytest.mark.parametrize("damage", ["missing", "no json", "no crop", "crop", "no blend", "blend"])
def test_damaged_notes_are_refused_in_one_line(tmp_path, photo, hole, damage):
    write_pair(tmp_path, photo, hole)
    note = tmp_path / "pair.json"
    about = json.loads(note.read_text())
    if damage == "missing":
        note.unlink()
    elif damage == "no json":
        note.write_text("{")
    elif damage == "no blend":
        (tmp_path / "blend.png").unlink()
    elif damage == "blend":
        PIL.Image.new("L", (5, 5)).save(tmp_path / "blend.png")
    else:
        about = (
            {k: v for k, v in about.items() if k != "crop"} if damage == "no crop" else {**about, "crop": [5, 5, 1, 9]}
        )
        note.write_text(json.dumps(about))
    with pytest.raises(InputError) as refused:
        read_pair(tmp_path)
    assert "\n" not in str(refused.value)
