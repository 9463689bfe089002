"""One reader for all mask images: what tools write is read as what it means, or refused by its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.io
import tifffile
from scipy import ndimage

from anymask.errors import InputError
from anymask.formats.registry import find_mask_reader, recognise_format
from anymask.io.stored_values import stored_values
from anymask.structures.mask_image import is_label_map, mask_of, read_labels, read_mask

HEIGHT, WIDTH = 60, 90


def disc(x: int = 40, y: int = 30, radius: int = 18) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def grey(inside: int, outside: int = 0, dtype: type = np.uint8) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.where(disc(), inside, outside).astype(dtype))


def palette_image(numbers: np.ndarray, *colours: tuple[int, int, int]) -> PIL.Image.Image:
    image = PIL.Image.fromarray(numbers.astype(np.uint8))
    image.putpalette(np.array(colours, np.uint8).tobytes())
    return image


def with_alpha(colour: tuple[int, int, int], alpha: np.ndarray) -> PIL.Image.Image:
    image = PIL.Image.new("RGB", (WIDTH, HEIGHT), colour)
    image.putalpha(PIL.Image.fromarray(alpha.astype(np.uint8)))
    return image


def scene() -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(0).uniform(-900, 1150, (HEIGHT, WIDTH, 3)), (2, 2, 0)).clip(
        0, 255
    )


def grey_scene() -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(0).uniform(0, 255, (HEIGHT, WIDTH)), 2)


MASKS: dict[str, Callable[[], PIL.Image.Image]] = {
    "0 and 255": lambda: grey(255),
    "0 and 1": lambda: grey(1),
    "0 and 200": lambda: grey(200),
    "1 bit": lambda: grey(255).convert("1"),
    "16 bit, 0 and 1": lambda: grey(1, dtype=np.uint16),
    "16 bit, 0 and 255": lambda: grey(255, dtype=np.uint16),
    "16 bit, 0 and 65535": lambda: grey(65535, dtype=np.uint16),
    "32 bit, 0 and 1": lambda: grey(1, dtype=np.int32),
    "float, 0 and 1": lambda: grey(1, dtype=np.float32),
    "float, 0 and 255": lambda: grey(255, dtype=np.float32),
    "palette of greys": lambda: palette_image(disc(), (0, 0, 0), (255, 255, 255)),
    "palette of greys, white first": lambda: palette_image(~disc(), (255, 255, 255), (0, 0, 0)),
    "palette of colours": lambda: palette_image(disc(), (0, 0, 0), (128, 0, 0)),
    "palette of dark colours": lambda: palette_image(disc(), (10, 10, 10), (0, 0, 90)),
    "red": lambda: PIL.Image.merge("RGB", [grey(200), grey(0), grey(0)]),
    "object on transparent": lambda: with_alpha((20, 10, 10), disc() * 255),
    "hole in white": lambda: with_alpha((255, 255, 255), ~disc() * 255),
    "hole in a scene": lambda: PIL.Image.fromarray(np.dstack([scene(), ~disc() * 255]).astype(np.uint8)),
    "black and white, opaque": lambda: grey(255).convert("RGBA"),
    "grey and alpha": lambda: PIL.Image.merge("LA", [grey(255), grey(255)]),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_whatever_a_tool_writes_is_the_same_mask(kind: str, suffix: str, tmp_path: Path) -> None:
    image = MASKS[kind]()
    if suffix == ".png" and image.mode in "FI":
        suffix = ".tif"
    image.save(tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask{suffix}"), disc())
    np.testing.assert_array_equal(read_mask(image), disc())
    np.testing.assert_array_equal(read_mask((tmp_path / f"mask{suffix}").read_bytes()), disc())


@pytest.mark.parametrize("kind", MASKS)
def test_the_format_of_a_mask_image_reads_one_mask(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    MASKS[kind]().save(path)
    masks = find_mask_reader(path).read(path)
    assert len(masks) == 1
    np.testing.assert_array_equal(masks[0].array, disc())
    assert recognise_format(path) is find_mask_reader(path)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int64", "uint64", "float16"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_arrays_of_any_type_that_tifffile_wrote(dtype: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, disc().astype(dtype), compression=compression)
    np.testing.assert_array_equal(skimage.io.imread(path) > 0, disc())
    np.testing.assert_array_equal(read_mask(path), disc())


def test_soft_edges_and_jpeg_are_the_upper_half(tmp_path: Path) -> None:
    soft = ndimage.gaussian_filter(disc() * 255.0, 1.5)
    PIL.Image.fromarray(np.rint(soft).astype(np.uint8)).save(tmp_path / "soft.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "soft.png"), np.rint(soft) > 127)
    grey(255).save(tmp_path / "mask.jpg", quality=50)
    read = skimage.io.imread(tmp_path / "mask.jpg")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), read > 127)
    assert (read_mask(tmp_path / "mask.jpg") ^ disc()).mean() < 0.01


def test_a_slow_gradient_is_a_soft_mask_and_no_map_of_labels(tmp_path: Path) -> None:
    small = ndimage.gaussian_filter(disc().astype(np.float32), 9)
    probability = np.clip(cv2.resize(small, (WIDTH * 8, HEIGHT * 8)) / small.max(), 0, 1)
    levels = np.rint(probability * 255).astype(np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "soft.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "soft.png"), levels > 127)
    assert not is_label_map(stored_values(tmp_path / "soft.png"))


def labels(*numbers: int, dtype: type = np.uint8) -> np.ndarray:
    """Discs side by side, one for each number."""
    image = np.zeros((HEIGHT, WIDTH), dtype)
    for index, number in enumerate(numbers):
        image[disc(x=8 + index * 14, y=20 + index * 3, radius=6)] = number
    return image


@pytest.mark.parametrize(
    "numbers",
    [
        labels(1, 2, 3),
        labels(3, 7, 90),
        labels(1, 300, 40000, dtype=np.uint16),
        labels(5, 6, dtype=np.uint16),
        labels(1, 2, dtype=np.int32),
        labels(1, 2, dtype=np.float32),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_map_of_labels_is_known_by_its_values(numbers: np.ndarray, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels{suffix if numbers.dtype in (np.uint8, np.uint16) else '.tif'}"
    skimage.io.imsave(path, numbers, check_contrast=False)
    assert recognise_format(path).name == find_mask_reader(path).name == "label-map"
    masks = find_mask_reader(path).read(path)
    present = [number for number in np.unique(numbers) if number]
    for mask, number in zip(masks, present, strict=True):
        np.testing.assert_array_equal(mask.array, numbers == number)


def test_a_palette_of_colours_has_object_numbers_and_255_is_no_object(tmp_path: Path) -> None:
    numbers = labels(1, 2, 3)
    colours = [tuple(colour) for colour in np.random.default_rng(1).integers(0, 256, (256, 3)).tolist()]
    palette_image(np.where(disc(80, 10, 8), 255, numbers), *colours).save(tmp_path / "voc.png")
    masks = find_mask_reader(tmp_path / "voc.png").read(tmp_path / "voc.png")
    assert [mask.area for mask in masks] == [int((numbers == number).sum()) for number in (1, 2, 3)]
    with pytest.raises(InputError, match=r"palette of colours and the indices 0, 1, 2, 3 and 255: .* map of labels"):
        read_mask(tmp_path / "voc.png")


def test_more_than_127_objects_in_8_bits_are_a_map_of_labels() -> None:
    numbers = np.arange(1, 193, dtype=np.uint8).reshape(12, 16).repeat(5, 0).repeat(5, 1)
    image = PIL.Image.fromarray(numbers)
    assert is_label_map(stored_values(image))
    with pytest.raises(InputError, match=r"areas of the values 1, 2, 3, 4 and 188 more up to 192"):
        read_mask(image)
    np.testing.assert_array_equal(read_labels(image), numbers)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (grey(7), r"the values 0 and 7: that looks like a map of labels"),
        (PIL.Image.fromarray(labels(1, 2, 3)), r"the values 0, 1, 2 and 3: that looks like a map of labels"),
        (PIL.Image.fromarray(labels(128, 255)), r"areas of the values 0, 128 and 255: a mask image has 0 and 1, or"),
        (grey(-1, dtype=np.int32), r"values from -1 to 0"),
        (grey(0.5, -3, np.float32), r"values from -3 to 0.5"),  # type: ignore[arg-type]
        (PIL.Image.fromarray(scene().astype(np.uint8)), r"several colours \(#"),
        (PIL.Image.fromarray(grey_scene().astype(np.uint8)), r"most of them grey"),
        (PIL.Image.fromarray(np.dstack([disc() * 255, ~disc() * 255, disc() * 0]).astype(np.uint8)), r"#00ff00, #ff00"),
        (with_alpha((255, 255, 255), (np.arange(WIDTH) < 0.6 * WIDTH) * np.full((HEIGHT, 1), 255)), r"may be a hole"),
    ],
)
def test_what_is_no_mask_is_refused_by_its_values(image: PIL.Image.Image, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_mask(image)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_mask_image_is_turned_as_it_is_displayed(orientation: int, tmp_path: Path) -> None:
    image = grey(1)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "mask.png", exif=exif)
    turned = PIL.ImageOps.exif_transpose(PIL.Image.open(tmp_path / "mask.png"))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), np.asarray(turned) > 0)


def test_one_pixel_wide_masks_are_read() -> None:
    for shape in ((1, 1), (1, 300), (300, 1)):
        values = (np.arange(shape[0] * shape[1]).reshape(shape) % 7 == 0).astype(np.uint8)
        np.testing.assert_array_equal(mask_of(stored_values(PIL.Image.fromarray(values * 255))), values > 0)
