"""TIFF files of any type, number of bands and layout are read as their own libraries read them, or refused."""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import rasterio
import skimage.io
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.errors import ImageError
from anymask.io import tiff_codecs
from anymask.io.image import open_image, page_count
from anymask.io.samples import Samples
from anymask.io.stored_values import stored_values
from anymask.io.tiff import TiffReader

HEIGHT, WIDTH = 37, 51
DTYPES = ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def noise(bands: int, dtype: str, seed: int = 0) -> np.ndarray:
    """[H, W, C], over the whole range of an 8-bit or 16-bit type, 0 to 1 for floats."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.random((HEIGHT, WIDTH, bands)).astype(dtype)
    top = min(np.iinfo(dtype).max, 65535)
    return rng.integers(0, top + 1, (HEIGHT, WIDTH, bands)).astype(dtype)


def written(array: np.ndarray, *, planar: bool = False, **options: Any) -> bytes:
    """An array [H, W, C] as a TIFF by tifffile."""
    file = io.BytesIO()
    if planar and array.shape[2] > 1:
        tifffile.imwrite(file, np.moveaxis(array, -1, 0), planarconfig="separate", **options)
    elif array.shape[2] > 1:
        tifffile.imwrite(file, array, planarconfig="contig", **options)
    else:
        tifffile.imwrite(file, array[:, :, 0], **options)
    return file.getvalue()


def written_by_gdal(array: np.ndarray, path: Path, **options: Any) -> bytes:
    height, width, count = array.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", driver="GTiff", width=width, height=height, count=count, dtype=array.dtype, **options
        ) as target:
            target.write(np.moveaxis(array, -1, 0))
    return path.read_bytes()


def samples_of(content: bytes) -> Samples:
    return TiffReader(io.BytesIO(content), 10**6).read(1).samples


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """Make libraries look as if they were not installed."""
    monkeypatch.setattr(tiff_codecs, "find_spec", lambda name: None if name in missing else find_spec(name))


# ---------------------------------------------------------------- layouts


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    bands=st.integers(1, 7),
    planar=st.booleans(),
    compression=st.sampled_from([None, "zlib", "lzma"]),
    predictor=st.booleans(),
    tile=st.sampled_from([None, (16, 16), (32, 48)]),
    rowsperstrip=st.sampled_from([None, 1, 5]),
    byteorder=st.sampled_from("<>"),
    bigtiff=st.booleans(),
    photometric=st.sampled_from(["minisblack", "rgb"]),
)
def test_every_layout_of_tifffile_is_read(
    dtype: str, bands: int, planar: bool, compression: str | None, predictor: bool, tile: tuple[int, int] | None,
    rowsperstrip: int | None, byteorder: str, bigtiff: bool, photometric: str,
) -> None:  # fmt: skip
    array = noise(bands, dtype)
    if photometric == "rgb" and bands < 3:
        photometric = "minisblack"
    extra = bands - (3 if photometric == "rgb" else 1)
    content = written(
        array, planar=planar, compression=compression, tile=tile, rowsperstrip=None if tile else rowsperstrip,
        predictor=2 if predictor and compression and not dtype.startswith("float") else None, byteorder=byteorder,
        bigtiff=bigtiff, photometric=photometric, extrasamples=["unspecified"] * extra,
    )  # fmt: skip
    samples = samples_of(content)
    np.testing.assert_array_equal(samples.bands, array)
    assert samples.alpha is None
    read = tifffile.imread(io.BytesIO(content))
    np.testing.assert_array_equal(
        np.moveaxis(read, 0, -1) if planar and bands > 1 else read.reshape(array.shape), array
    )
    chosen = array[:, :, [0, 1, 2] if bands >= 3 else [0, 0, 0]]
    if dtype in ("uint8", "uint16"):
        window = None if dtype == "uint8" else (0, 65535)
        expected = chosen if dtype == "uint8" else np.rint(chosen / 257)
        np.testing.assert_array_equal(open_image(content, window=window).pixels, expected)


GDAL_CODECS = ["none", "lzw", "deflate", "packbits", "zstd", "lzma", "lerc"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    bands=st.integers(1, 5),
    interleave=st.sampled_from(["pixel", "band"]),
    compress=st.sampled_from(GDAL_CODECS),
    predictor=st.integers(1, 3),
    tiled=st.booleans(),
    photometric=st.sampled_from(["minisblack", "rgb"]),
)
def test_every_layout_of_gdal_is_read(
    dtype: str,
    bands: int,
    interleave: str,
    compress: str,
    predictor: int,
    tiled: bool,
    photometric: str,
    tmp_path: Path,
) -> None:
    is_float = dtype.startswith("float")
    if compress not in ("lzw", "deflate", "zstd") or (predictor == 3 and not is_float) or (predictor == 2 and is_float):
        predictor = 1
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    array = noise(bands, dtype)
    content = written_by_gdal(
        array, tmp_path / "gdal.tif", interleave=interleave, compress=compress, predictor=predictor, **layout,
        photometric=photometric if bands >= 3 else "minisblack", alpha="no",
    )  # fmt: skip
    np.testing.assert_array_equal(samples_of(content).bands, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("compress", ["lzw", "zstd"])
def test_without_the_codec_a_file_is_read_rightly_or_refused(
    dtype: str, interleave: str, bands: int, compress: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = noise(bands, dtype)
    content = written_by_gdal(
        array, tmp_path / "gdal.tif", interleave=interleave, compress=compress,
        photometric="rgb" if bands >= 3 else "minisblack", alpha="no",
    )  # fmt: skip
    without(monkeypatch, "imagecodecs", "rasterio")
    readable = bands in (1, 3) if dtype == "uint8" else bands == 1 or (interleave == "pixel" and bands in (3, 4))
    if readable and compress == "lzw":
        np.testing.assert_array_equal(samples_of(content).bands, array)
    elif not readable:
        with pytest.raises(ImageError, match=f"compression {compress.upper()} needs a codec; get it with: pip install"):
            samples_of(content)
    without(monkeypatch, "imagecodecs")
    np.testing.assert_array_equal(samples_of(content).bands, array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compress", [None, "lzw"])
def test_deep_colour_is_turned_upright(
    orientation: int, compress: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = noise(3, "uint8")
    PIL.Image.fromarray(array).save(
        tmp_path / "t.tif", compression=f"tiff_{compress}" if compress else None, tiffinfo={274: orientation}
    )
    with PIL.Image.open(tmp_path / "t.tif") as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image))
    without(monkeypatch, "imagecodecs", "rasterio")
    image = open_image(tmp_path / "t.tif")
    np.testing.assert_array_equal(image.pixels, expected)
    assert (image.orientation, image.stored_size) == (orientation, (WIDTH, HEIGHT))
    deep = written(array.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    np.testing.assert_array_equal(open_image(deep).pixels, expected)


@pytest.mark.parametrize("dtype", ["uint16", "uint8", "float32"])
def test_other_readers_see_the_same_samples(dtype: str, tmp_path: Path) -> None:
    array = noise(3, dtype)
    path = tmp_path / "planes.tif"
    path.write_bytes(written(array, planar=True, photometric="rgb"))
    ours = samples_of(path.read_bytes()).bands
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(ours, np.moveaxis(dataset.read(), 0, -1))
    read = skimage.io.imread(path)
    np.testing.assert_array_equal(ours, read if read.shape == ours.shape else np.moveaxis(read, 0, -1))


def test_a_pillow_image_of_a_file_that_pillow_reads_wrongly_is_refused() -> None:
    content = written(noise(3, "uint16"), planar=True, photometric="rgb")
    try:
        image = PIL.Image.open(io.BytesIO(content))
    except PIL.UnidentifiedImageError:
        return
    with pytest.raises(ImageError, match="Pillow reads this TIFF wrongly: open the file by its path"):
        open_image(image)


# ---------------------------------------------------------------- what the samples mean


def test_zero_is_white_where_the_file_says_so() -> None:
    array = noise(1, "uint16")
    content = written(array, photometric="miniswhite")
    np.testing.assert_array_equal(open_image(content).pixels[:, :, 0], (65535 - array[:, :, 0]) >> 8)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3])
def test_opacity_shows_the_background(kind: str, dtype: str, bands: int) -> None:
    top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    colour = np.full((4, 4, bands), top * 0.8)
    alpha = np.linspace(0, top, 16).reshape(4, 4, 1)
    stored = colour * (alpha / top if kind == "assocalpha" else 1)
    content = written(
        np.concatenate([stored, alpha], 2).astype(dtype), photometric="rgb" if bands == 3 else "minisblack",
        extrasamples=[kind],
    )  # fmt: skip
    window = None if dtype == "uint8" else (0, top)
    image = open_image(content, window=window, background=(0, 100, 0))
    share = alpha / top
    expected = share * 0.8 * 255 + (1 - share) * np.array([0, 100, 0])
    assert np.abs(image.pixels - expected).max() <= 2
    assert "transparent parts are shown on the background (0, 100, 0)" in image.notes


def test_of_many_bands_the_first_three_are_shown_or_those_that_are_chosen() -> None:
    array = noise(5, "uint8")
    content = written(array, photometric="minisblack", extrasamples=["unspecified"] * 4)
    image = open_image(content)
    np.testing.assert_array_equal(image.pixels, array[:, :, :3])
    assert image.notes == ("of 5 bands, bands 1, 2, 3 are shown as red, green, blue; others can be chosen",)
    np.testing.assert_array_equal(open_image(content, bands=(5, 3, 2)).pixels, array[:, :, [4, 2, 1]])
    np.testing.assert_array_equal(open_image(content, bands=(4,)).pixels, array[:, :, [3, 3, 3]])
    assert open_image(content, bands=(4,)).notes == ()
    with pytest.raises(ImageError, match="there is no band 6: the image has 5 bands"):
        open_image(content, bands=(6, 1, 1))


def test_two_bands_without_opacity_are_not_blended() -> None:
    array = noise(2, "uint16")
    content = written(array, photometric="minisblack", extrasamples=["unspecified"])
    image = open_image(content, window=(0, 65535))
    np.testing.assert_array_equal(image.pixels, np.rint(array[:, :, [0, 0, 0]] / 257))
    assert image.notes == ("of 2 bands, band 1 is shown in grey; others can be chosen",)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_pixels_without_data_are_shown_on_the_background(dtype: str, tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(10, 200, (HEIGHT, WIDTH, 3)).astype(dtype)
    no_data = 0 if dtype == "uint8" else -9999
    array[:10] = no_data
    array[20, 20, 0] = no_data  # of one band alone
    content = written_by_gdal(array, tmp_path / "geo.tif", nodata=no_data, photometric="rgb")
    image = open_image(content, background=(1, 2, 3))
    assert (image.pixels[:10] == (1, 2, 3)).all()
    assert not (image.pixels[10:] == (1, 2, 3)).all(axis=2).any()
    assert "27.0% of the pixels have no data and are shown on the background" in image.notes
    if dtype == "int16":  # the window is that of the data; one value of a band that has none is clipped
        assert any("int16 values -9999 to 199: " in note for note in image.notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_is_no_data_in_a_file(value: float) -> None:
    array = noise(1, "float32")
    array[:5] = value
    pfm = f"Pf {WIDTH} {HEIGHT} -1.0\n".encode() + array[::-1, :, 0].astype("<f4").tobytes()
    for content in (written(array), pfm):
        image = open_image(content, background=(9, 9, 9))
        assert (image.pixels[:5] == 9).all()
        np.testing.assert_array_equal(image.pixels[5:, :, 0], np.rint(array[5:, :, 0] * 255))


def test_twelve_bits_packed_or_in_sixteen_are_visible(tmp_path: Path) -> None:
    array = np.random.default_rng(2).normal(1500, 60, (HEIGHT, WIDTH, 1)).astype(np.uint16)
    image = open_image(written(array))
    assert image.pixels.std() > 40
    assert "percentiles 0.5 and 99.5" in image.notes[0]
    packed = open_image(written_by_gdal(array, tmp_path / "packed.tif", nbits=12))
    assert packed.pixels.std() > 40
    ramp = np.linspace(0, 4095, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH, 1)
    full = open_image(written_by_gdal(ramp, tmp_path / "ramp.tif", nbits=12))
    np.testing.assert_array_equal(full.pixels[:, :, 0], np.rint(ramp[:, :, 0] / 4095 * 255))


# ---------------------------------------------------------------- pages


def pages_of(*arrays: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for array in arrays:
            writer.write(array, photometric="rgb" if array.ndim == 3 else "minisblack", metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_each_page_can_be_opened_and_the_first_is_announced(dtype: str) -> None:
    arrays = [noise(3, dtype, seed) for seed in range(3)]
    content = pages_of(*arrays)
    assert page_count(content) == 3
    first = open_image(content)
    assert "first of 3 pages; another page can be chosen" in first.notes
    for number, array in enumerate(arrays, start=1):
        image = open_image(content, page=number)
        np.testing.assert_array_equal(image.pixels, array if dtype == "uint8" else array >> 8)
        assert not any("page" in note for note in image.notes)
    with pytest.raises(ImageError, match="there is no page 4: the file has 3, counted from 1"):
        open_image(content, page=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_each_frame_of_other_formats_can_be_opened(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (8, 6), (level, 0, 0)) for level in (10, 90, 200)]
    file = io.BytesIO()
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert page_count(file) == 3
    for number, level in enumerate((10, 90, 200), start=1):
        assert abs(int(open_image(file.getvalue(), page=number).pixels[0, 0, 0]) - level) < 3
    with pytest.raises(ImageError, match="there is no page 4: the file has 3"):
        open_image(file.getvalue(), page=4)


def test_overviews_and_masks_are_no_pages(tmp_path: Path) -> None:
    array = noise(3, "uint8")
    path = tmp_path / "cog.tif"
    written_by_gdal(array, path, photometric="rgb")
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert len(tifffile.TiffFile(path).pages) == 3
    image = open_image(path)
    np.testing.assert_array_equal(image.pixels, array)
    assert (image.notes, page_count(path)) == ((), 1)


# ---------------------------------------------------------------- damage and limits


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", [False, True])
def test_a_cut_file_is_refused_and_never_half_read(compression: str | None, planar: bool) -> None:
    array = noise(3, "uint16")
    content = written(array, planar=planar, compression=compression, rowsperstrip=7, photometric="rgb")
    expected = open_image(content).pixels
    refused = 0
    for cut in range(0, len(content), 97):
        try:
            np.testing.assert_array_equal(open_image(content[:cut]).pixels, expected)
        except ImageError:
            refused += 1
    assert refused > len(content) // 97 // 2


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from(
        [
            written(noise(3, "uint16"), planar=True, compression="zlib", photometric="rgb"),
            written(noise(5, "float32"), tile=(16, 16), photometric="minisblack"),
            pages_of(noise(3, "uint16"), noise(3, "uint16")),
        ]
    ),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=6),
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_tags_raise_nothing_but_image_errors(content: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place] = value
    with contextlib.suppress(ImageError):
        open_image(damaged, max_pixels=100_000)


def test_a_strip_that_holds_more_than_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "imagecodecs")
    bomb = written(np.zeros((2000, 2000, 1), np.uint16), compression="zlib", rowsperstrip=2000)
    small = written(np.zeros((20, 20, 1), np.uint16), compression="zlib", rowsperstrip=20)
    page = tifffile.TiffFile(io.BytesIO(bomb)).pages[0]
    strip = bomb[page.dataoffsets[0] : page.dataoffsets[0] + page.databytecounts[0]]
    target = tifffile.TiffFile(io.BytesIO(small)).pages[0]
    count = target.tags["StripByteCounts"]
    offset = target.tags["StripOffsets"]
    forged = bytearray(small + strip)
    forged[count.valueoffset : count.valueoffset + 4] = len(strip).to_bytes(4, "little")
    forged[offset.valueoffset : offset.valueoffset + 4] = len(small).to_bytes(4, "little")
    with pytest.raises(ImageError, match="a part of 800 bytes holds more than twice that"):
        open_image(forged)


def test_many_bands_count_towards_the_limit() -> None:
    file = io.BytesIO()
    many = np.zeros((HEIGHT, WIDTH, 5000), np.float64)
    tifffile.imwrite(file, many, photometric="minisblack", planarconfig="contig", compression="zlib")
    with pytest.raises(ImageError, match=r"51x37 pixels of 40000 bytes = 75,480,000 bytes: the limit is 16,777,216"):
        open_image(file.getvalue(), max_pixels=WIDTH * HEIGHT)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("extra", [(), ("unassalpha",), ("assocalpha",), ("unspecified",)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_inks_of_any_depth_have_the_colours_that_pillow_gives_them(
    dtype: str, extra: tuple[str, ...], planar: bool
) -> None:
    inks = noise(4, "uint8")
    expected = np.asarray(PIL.Image.fromarray(inks, "CMYK").convert("RGB"))
    stored = np.dstack([inks, *[np.full((HEIGHT, WIDTH), 255, np.uint8) for _ in extra]]).astype(dtype)
    stored = stored * (257 if dtype == "uint16" else 1)
    image = open_image(written(stored, planar=planar, photometric="separated", extrasamples=extra or None))
    assert np.array_equal(image.pixels, expected)
    assert image.notes == ()


def test_a_palette_of_sixteen_bits_has_its_colours() -> None:
    palette = np.random.default_rng(0).integers(0, 65536, (3, 65536)).astype(np.uint16)
    indices = noise(1, "uint16")
    image = open_image(written(indices, photometric="palette", colormap=palette))
    assert np.array_equal(image.pixels, (palette.T >> 8)[indices[:, :, 0]])
    stored = stored_values(written(indices, photometric="palette", colormap=palette))
    assert np.array_equal(stored.values, indices[:, :, 0])


@pytest.mark.parametrize(
    ("options", "array", "says"),
    [
        ({"photometric": "cfa"}, noise(1, "uint16"), "it is a camera's raw file: develop it first"),
        ({"photometric": "cielab"}, noise(3, "uint16"), "the kind CIELAB with 16 bits cannot be shown as RGB: convert"),
        ({"photometric": "icclab"}, noise(3, "uint8"), "the kind ICCLAB with 8 bits cannot be shown as RGB: convert"),
        ({"photometric": "separated", "extratags": [(332, 3, 1, 2, True)]}, noise(4, "uint16"), "its 4 inks are not"),
        ({}, noise(1, "float32").astype(np.complex64), "its samples are complex numbers"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_its_name(options: dict[str, Any], array: np.ndarray, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        open_image(written(array, **options))
