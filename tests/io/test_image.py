"""The decoded-image contract: one source or another, the same upright RGB pixels, or one clear line."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from anymask.errors import AnymaskError, ImageError, InputError
from anymask.io.image import Image, open_image
from tests.support.images import BLUE, GREEN, RED, YELLOW, corners, encoded, quarters
from tests.support.stored_orientation import stored_array

# ---------------------------------------------------------------- sources


def every_source(path: Path) -> dict[str, Any]:
    """One image in every form that open_image takes."""
    with PIL.Image.open(path) as picture:
        picture.load()
    raw = path.read_bytes()
    pixels = np.asarray(picture)
    return {
        "str": str(path),
        "Path": path,
        "bytes": raw,
        "bytearray": bytearray(raw),
        "memoryview": memoryview(raw),
        "file": io.BytesIO(raw),
        "Pillow": picture,
        "array": pixels,
        "view": np.repeat(pixels, 2, axis=1)[:, ::2],
        "Fortran order": np.asfortranarray(pixels),
        "read-only": np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape),
        "RGBA array": np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
        "float array": pixels / 255,
        "float32 array": (pixels / 255).astype(np.float32),
        "uint16 array": pixels.astype(np.uint16) << 8,
        "Image": open_image(path),
    }


def test_every_source_gives_the_same_image(chelsea_path: Path) -> None:
    sources = every_source(chelsea_path)
    hashes = {name: open_image(source).pixel_hash for name, source in sources.items()}
    assert set(hashes.values()) == {hashes["Path"]}, hashes


def test_pixels_are_rgb_bytes_contiguous_and_read_only(chelsea_path: Path) -> None:
    for name, source in every_source(chelsea_path).items():
        pixels = open_image(source).pixels
        assert (pixels.dtype, pixels.shape) == (np.uint8, (300, 451, 3)), name
        assert pixels.flags.c_contiguous, name
        with pytest.raises(ValueError, match="read-only"):
            pixels[0, 0, 0] = 1


def test_the_result_says_where_it_came_from(chelsea_path: Path) -> None:
    image = open_image(str(chelsea_path))
    assert image.path == str(chelsea_path)
    assert image.file_sha256 == hashlib.sha256(chelsea_path.read_bytes()).hexdigest()
    assert (image.size, image.stored_size, image.orientation, image.notes) == ((451, 300), (451, 300), 1, ())
    from_bytes = open_image(chelsea_path.read_bytes())
    assert (from_bytes.path, from_bytes.file_sha256) == (None, image.file_sha256)
    from_array = open_image(image.pixels)
    assert (from_array.path, from_array.file_sha256) == (None, None)


def test_an_opened_image_is_returned_as_it_is(chelsea_path: Path) -> None:
    image = open_image(chelsea_path)
    assert open_image(image) is image


def test_later_changes_to_an_array_do_not_reach_the_image() -> None:
    for array in (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 1), np.uint8)):
        image = open_image(array)
        array[:] = 255
        assert not image.pixels.any()


def test_a_file_object_is_read_from_its_beginning_and_left_open() -> None:
    file = io.BytesIO(encoded(corners(), "PNG"))
    file.read()
    assert quarters(open_image(file)) == [RED, GREEN, BLUE, YELLOW]
    assert not file.closed


def test_what_offers_itself_as_an_array_is_taken_as_one() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.asarray(corners())

    assert quarters(open_image(Tensor())) == [RED, GREEN, BLUE, YELLOW]


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(corners(), "PNG"))
    assert quarters(open_image(path)) == [RED, GREEN, BLUE, YELLOW]


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        assert os.name == "nt"
        return
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(encoded(corners(), "PNG")))
    writer.start()
    image = open_image(pipe)
    writer.join()
    assert quarters(image) == [RED, GREEN, BLUE, YELLOW]


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_grey_arrays_become_equal_channels(shape: tuple[int, ...]) -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    assert (open_image(grey).pixels == grey.reshape(2, 3, 1)).all()


def test_a_bool_array_is_black_and_white() -> None:
    assert open_image(np.array([[True, False]])).pixels[0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_arrays_are_composited(channels: int, dtype: type) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    array = np.full((1, 2, channels), full, dtype)
    array[:, :, :-1] = 0
    array[0, 0, -1] = 0
    assert open_image(array, background=(10, 20, 30)).pixels[0].tolist() == [[10, 20, 30], [0, 0, 0]]


def test_red_and_blue_change_places_only_with_channels_bgr() -> None:
    """Trap T3 of older tools: OpenCV's blue-green-red taken for red-green-blue."""
    rgb = np.asarray(corners())
    bgr = cv2.imdecode(np.frombuffer(encoded(corners(), "PNG"), np.uint8), cv2.IMREAD_COLOR)
    right, swapped = open_image(bgr, channels="bgr"), open_image(bgr)
    np.testing.assert_array_equal(right.pixels, rgb)
    assert right.pixel_hash == open_image(rgb).pixel_hash != swapped.pixel_hash
    bgra = np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(open_image(bgra, channels="bgr").pixels, rgb)
    grey = rgb[:, :, 0]
    assert open_image(grey, channels="bgr").pixel_hash == open_image(grey).pixel_hash


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_phone_image_is_the_same_image_from_every_source(orientation: int, tmp_path: Path) -> None:
    """Traps T5 and T6: two readers of one image, of which one applies the orientation tag."""
    upright = np.asarray(corners())
    stored = PIL.Image.fromarray(np.ascontiguousarray(stored_array(upright, orientation)))
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "phone.png"
    stored.save(path, exif=exif)
    with PIL.Image.open(path) as picture:
        for source in (path, path.read_bytes(), picture):
            image = open_image(source)
            np.testing.assert_array_equal(image.pixels, upright)
            assert image.orientation == orientation


@given(
    npst.arrays(
        st.sampled_from(
            [np.dtype(name) for name in ("u1", "?", "<u2", ">u2", "f4", "f8", "i4", "c8", "U1", "O", "M8[s]")]
        ),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_any_array_is_an_image_or_an_image_error(array: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = open_image(array)
        except ImageError:
            return
    assert image.pixels.shape == (*array.shape[:2], 3)


# ---------------------------------------------------------------- hash


def test_the_hash_is_of_shape_and_pixels_and_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    image = open_image(flat)
    assert image.pixel_hash == open_image(flat.copy()).pixel_hash
    assert image.pixel_hash != open_image(flat.reshape(6, 2, 3)).pixel_hash
    changed = flat.copy()
    changed[1, 5, 2] = 1
    assert image.pixel_hash != open_image(changed).pixel_hash
    known = image.pixel_hash
    monkeypatch.setattr(hashlib, "sha256", None)
    assert image.pixel_hash == known


def test_a_file_saved_again_has_another_file_hash_and_the_same_pixel_hash() -> None:
    first = open_image(encoded(corners(), "PNG"))
    second = open_image(encoded(corners(), "PNG", compress_level=0))
    assert first.pixel_hash == second.pixel_hash
    assert first.file_sha256 != second.file_sha256


# ---------------------------------------------------------------- refusals


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything; step down to nobody for as long as the test needs."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(corners(), "PNG"))
    path.chmod(0)
    if os.name == "nt":
        return
    with without_privileges(), pytest.raises(ImageError, match=r"secret\.png: no permission to read it"):
        open_image(path)


def refused_paths(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "empty.jpg").touch()
    (folder / "notes.jpg").write_text("just words")
    (folder / "folder.png").mkdir()
    (folder / "cut.png").write_bytes(encoded(corners(), "PNG")[:90])
    (folder / "broken").symlink_to(folder / "gone.png")
    (folder / "loop").symlink_to(folder / "loop")
    return {
        "missing": (folder / "gone.png", "gone.png: no such file"),
        "empty": (folder / "empty.jpg", "empty.jpg: is empty (0 bytes)"),
        "text": (
            folder / "notes.jpg",
            'notes.jpg: not an image that can be read: it begins with the text "just words"',
        ),
        "directory": (folder / "folder.png", "folder.png: is a folder"),
        "truncated": (folder / "cut.png", "cut.png: the image is truncated or damaged"),
        "broken link": (folder / "broken", "broken: no such file"),
        "loop of links": (folder / "loop", "loop: cannot be opened"),
        "under a file": (folder / "empty.jpg" / "x.png", "x.png: cannot be opened"),
        "name too long": (folder / ("x" * 4000), "cannot be opened"),
    }


def test_a_path_that_holds_no_image_is_one_line(tmp_path: Path) -> None:
    for kind, (path, says) in refused_paths(tmp_path).items():
        with pytest.raises(ImageError) as caught:
            open_image(path)
        assert says in str(caught.value), kind
        assert "\n" not in str(caught.value), kind
        assert len(str(caught.value)) < 400, kind


def test_a_device_is_not_read() -> None:
    if not Path("/dev/zero").exists():
        assert os.name == "nt"
        return
    with pytest.raises(ImageError, match="is a device or socket"):
        open_image("/dev/zero")


class FailingFile(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError("peer went away")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "'': the path is empty"),
        ("a\0b.png", "a?b.png: cannot be opened"),
        ("two\nlines.png", "two?lines.png: no such file"),
        ("https://example.org/dog.jpg", "is a URL: download"),
        (b"", "image of 0 bytes: is empty"),
        (None, "image from NoneType: give a path"),
        (7, "image from int: give a path"),
        ([[1, 2], [3, 4]], "image from list: give a path"),
        (io.StringIO("x"), "is open in text mode"),
        (FailingFile(b"x"), "cannot be read (peer went away)"),
        (np.zeros((0, 5, 3), np.uint8), "array: the image is 5x0 and has no pixels"),
        (np.zeros((5, 0), np.uint8), "array: the image is 0x5 and has no pixels"),
        (np.zeros(7, np.uint8), "shape is (7,)"),
        (np.zeros((3, 480, 640), np.uint8), "channels come last: np.moveaxis(array, 0, -1)"),
        (np.zeros((1, 4, 5, 3), np.uint8), "one image at a time"),
        (np.zeros((4, 5, 5), np.uint8), "shape is (4, 5, 5)"),
        (np.full((4, 5), np.nan), "20 of 20 values are NaN or infinite"),
        (np.zeros((5, 6, 7)), "of 7 bands choose three: bands=(3, 2, 1)"),
        (np.zeros((4, 5, 3), complex), "complex128"),
        (PIL.Image.new("RGB", (0, 4)), "Pillow image: the image is 0x4"),
    ],
)
def test_what_is_no_image_is_one_line(source: Any, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(source)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pillow_image_whose_file_is_gone_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    path.write_bytes(encoded(corners(), "PNG"))
    picture = PIL.Image.open(path)
    picture.close()
    with pytest.raises(ImageError, match="Pillow image: the image is truncated or damaged"):
        open_image(picture)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": "BGR"}, "channels is 'BGR': it takes 'rgb' or 'bgr'"),
        ({"background": (0, 0)}, "background is (0, 0)"),
        ({"background": "white"}, "background is 'white'"),
        ({"background": (0, 0, 256)}, "each of red, green, blue is 0 to 255"),
        ({"window": (5, 1)}, "low must be less than high"),
        ({"window": 5}, "it takes two numbers"),
        ({"max_pixels": 0}, "max_pixels is 0"),
        ({"max_pixels": 1e6}, "max_pixels is 1000000.0"),
        ({"max_pixels": 11}, "4x3 = 12 pixels: the limit is 11"),
    ],
)
def test_wrong_options_are_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(np.zeros((3, 4), np.uint8), **options)
    assert says in str(caught.value)


def test_bgr_is_for_arrays_only(chelsea_path: Path) -> None:
    with pytest.raises(ImageError, match="channels='bgr' is for arrays"):
        open_image(chelsea_path, channels="bgr")


def test_a_stream_without_end_is_cut_off_at_what_the_limit_can_need() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size < 100_000_000
            self.given += size
            return bytes(size)

    with pytest.raises(ImageError, match="more than max_pixels=1,000 can need"):
        open_image(Endless(), max_pixels=1000)


def test_an_image_error_is_an_input_error_and_a_value_error() -> None:
    assert issubclass(ImageError, InputError)
    assert issubclass(ImageError, AnymaskError)
    assert issubclass(ImageError, ValueError)


def test_opening_leaves_no_file_open(tmp_path: Path, chelsea_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    shutil.copy(chelsea_path, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        image = open_image(path)
        (tmp_path / "notes.txt").write_text("words")
        with pytest.raises(ImageError):
            open_image(tmp_path / "notes.txt")
    path.unlink()
    assert isinstance(image, Image)
    assert image.pixels.any()
