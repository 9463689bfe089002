"""Truncated, corrupted, oversized and foreign files: refused in one line, never half decoded, never a bomb."""

from __future__ import annotations

import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ImageError
from anymask.io.image import Image, open_image
from tests.support.images import corners, encoded, png, png_chunk

# ---------------------------------------------------------------- damage


def damaged_formats() -> Iterator[tuple[str, bytes]]:
    photo = PIL.Image.effect_mandelbrot((61, 43), (-2, -1.2, 1, 1.2), 50)
    colour = PIL.Image.merge("RGB", [photo, photo.rotate(180), PIL.ImageOps.mirror(photo)])
    frames: dict[str, Any] = {"save_all": True, "append_images": [colour.rotate(90)]}
    for name, kind, picture, options in [
        ("baseline JPEG", "JPEG", colour, {}),
        ("progressive JPEG", "JPEG", colour, {"progressive": True}),
        ("CMYK JPEG", "JPEG", colour.convert("CMYK"), {}),
        ("PNG", "PNG", colour, {}),
        ("palette PNG", "PNG", colour.quantize(16), {}),
        ("animated PNG", "PNG", colour, frames),
        ("GIF", "GIF", colour, {}),
        ("animated GIF", "GIF", colour, frames),
        ("BMP", "BMP", colour, {}),
        ("PPM", "PPM", colour, {}),
        ("raw TIFF", "TIFF", colour, {}),
        ("LZW TIFF", "TIFF", colour, {"compression": "tiff_lzw"}),
        ("fax TIFF", "TIFF", colour.convert("1"), {"compression": "group4"}),
        ("WebP", "WEBP", colour, {}),
        ("lossless WebP", "WEBP", colour, {"lossless": True}),
        ("AVIF", "AVIF", colour, {}),
        ("JPEG 2000", "JPEG2000", colour, {}),
        ("MPO", "MPO", colour, frames),
    ]:
        yield name, encoded(picture, kind, **options)


DAMAGED = dict(damaged_formats())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", DAMAGED)
def test_a_truncated_file_is_refused_or_whole_but_never_half(name: str) -> None:
    whole = DAMAGED[name]
    pixels = open_image(whole).pixels
    cuts = {*range(0, len(whole), max(1, len(whole) // 150)), *range(len(whole) - 12, len(whole))}
    refused = 0
    for cut in sorted(cuts):
        try:
            image = open_image(whole[:cut])
        except ImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(image.pixels, pixels, err_msg=f"{name} cut at {cut} of {len(whole)}")
    assert refused >= len(cuts) // 3


def test_lenient_decoding_set_in_pillow_has_no_effect_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = DAMAGED["baseline JPEG"]
    with pytest.raises(ImageError, match="truncated"):
        open_image(whole[: len(whole) * 2 // 3])
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True


def opened_or_told(encoded: bytes | bytearray) -> Image | str:
    try:
        return open_image(encoded, max_pixels=1_000_000)
    except ImageError as problem:
        return str(problem)


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(sorted(DAMAGED)), st.data())
def test_flipped_bytes_raise_nothing_but_image_errors(name: str, data: st.DataObject) -> None:
    damaged = bytearray(DAMAGED[name])
    places = st.integers(0, len(damaged) - 1) | st.integers(0, 64)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[place] = value
    result = opened_or_told(damaged)
    assert isinstance(result, Image) or "\n" not in result


@pytest.mark.filterwarnings("ignore")
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"P6", b"P4 ", b"II*\0", b"MM\0*", b"RIFF"]
    )
    | st.just(b"\0\0\0\x18ftypavif"),
    st.binary(max_size=300),
)
def test_random_bytes_raise_nothing_but_image_errors(start: bytes, rest: bytes) -> None:
    result = opened_or_told(start + rest)
    assert isinstance(result, Image) or "\n" not in result


# ---------------------------------------------------------------- size limits


def tiny_png_claiming(width: int, height: int) -> bytes:
    return png(width, height, 8, png_chunk(b"IDAT", zlib.compress(bytes(1000))))


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = tiny_png_claiming(60000, 60000)
    with pytest.raises(ImageError, match=r"60000x60000 = 3,600,000,000 pixels: the limit is 200,000,000"):
        open_image(bomb)


def test_a_bomb_costs_no_memory() -> None:
    script = (
        "import resource, sys; from anymask.io.image import open_image\n"
        "data = sys.stdin.buffer.read(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: open_image(data)\n"
        "except ValueError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    bomb = tiny_png_claiming(60000, 60000)
    done = subprocess.run([sys.executable, "-c", script], input=bomb, capture_output=True, check=True)
    assert int(done.stdout) < 20_000 * (1024 if sys.platform == "darwin" else 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_the_limit_holds_for_every_format_to_the_pixel(kind: str) -> None:
    file = encoded(corners(40, 30), kind)
    assert open_image(file, max_pixels=1200).size == (40, 30)
    with pytest.raises(ImageError, match=r"40x30 = 1,200 pixels: the limit is 1,199; raise max_pixels"):
        open_image(file, max_pixels=1199)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_pillows_own_limit_does_not_interfere(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    image = open_image(encoded(corners(), kind), max_pixels=48 * 32)
    assert image.size == (48, 32)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(ImageError, match="raise max_pixels"):
        open_image(encoded(corners(), kind), max_pixels=48 * 32 - 1)


def test_pillows_switches_are_put_back_after_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(corners(), "TIFF")
    wrong: list[str] = []

    def work() -> None:
        for _ in range(20):
            if open_image(whole).size != (48, 32):
                wrong.append("size")
            try:
                open_image(whole[:-40])
                wrong.append("half an image was accepted")
            except ImageError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert PIL.Image.MAX_IMAGE_PIXELS == 100
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (
            b"just some text",
            'not an image that can be read: it begins with the text "just some text"; readable are JPEG',
        ),
        (b"hi\n", 'not an image that can be read: it begins with the text "hi"; readable are JPEG, PNG'),
        (
            bytes(range(1, 6)),
            "not an image that can be read: it begins with the bytes 01 02 03 04 05; readable are JPEG",
        ),
        (b"II*\0\x08", "header is damaged or cut off (it ends too early)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
        (b"\0\0\x01\0\x01\0", "not an image"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "it is a video; extract its frames, one a second, with: ffmpeg -i"),
        (b"P6 is not a header", "header is damaged"),
        (b"P", "not an image"),
    ],
)
def test_a_file_that_is_no_image_gets_another_message_than_a_damaged_one(start: bytes, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(start)
    assert says in str(caught.value)
