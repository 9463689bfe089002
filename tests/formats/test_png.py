"""Mask images are what every other tool reads: one grey channel, 0 and 255, the image's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError
from anymask.formats import png
from anymask.structures.mask_set import MaskSet
from tests.support.mask_shapes import SHAPES, BoolMask


@pytest.mark.parametrize("mask", SHAPES.values(), ids=SHAPES)
def test_a_mask_image_is_grey_binary_and_of_the_images_size(mask: BoolMask, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(png.encode_png(mask))
    with PIL.Image.open(tmp_path / "mask.png") as image:
        assert (image.mode, image.format) == ("L", "PNG")
        assert image.size == mask.shape[::-1]
        assert np.array_equal(np.asarray(image), np.where(mask, 255, 0))


def test_one_mask_takes_the_name_several_get_numbers(result: MaskSet, tmp_path: Path) -> None:
    assert result[:1].save(tmp_path / "dog.png") == [tmp_path / "dog.png"]
    assert result.save(tmp_path / "dogs.png") == [tmp_path / "dogs_000.png", tmp_path / "dogs_001.png"]
    assert result.save(tmp_path / "dogs", "png") == [tmp_path / "dogs/mask_000.png", tmp_path / "dogs/mask_001.png"]


def test_a_folder_of_masks_is_read_in_order(result: MaskSet, tmp_path: Path) -> None:
    result.save(tmp_path / "dogs", "png")
    back = png.read(tmp_path / "dogs")
    assert [mask.rle for mask in back] == [mask.rle for mask in result]


def test_nothing_to_write_is_said(result: MaskSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mask"):
        result[:0].save(tmp_path / "nothing.png")


def test_files_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for path in (tmp_path / "text.png", tmp_path / "missing.png"):
        with pytest.raises(InputError, match=path.name):
            png.read(path)
    with pytest.raises(InputError, match=r"no mask_\*\.png"):
        png.read(tmp_path)
