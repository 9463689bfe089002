"""Samples of any depth and number of bands, and how they are displayed as 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from anymask.errors import ImageError, OpeningOptionError
from anymask.io.intensity import IntensityWindow, checked_window, eight_bits, full_scale

RGB = npt.NDArray[np.uint8]

# Rows copied at once from Pillow's four bytes per pixel to three: as fast as one copy of everything (12 ms for
# 4078x2724), at half the peak memory.
_STRIP_ROWS = 128


@dataclass(frozen=True)
class Display:
    """How an image's samples become 8-bit RGB; the fields are arguments of `anymask.open_image`.

    Attributes:
        window: (low, high), or None for the one that `anymask.io.intensity` chooses.
        bands: one, shown in grey, or three, shown as red, green and blue; they count from 1. None for the first.
        background: RGB that transparent parts and pixels without data are shown on.
    """

    window: IntensityWindow | None = None
    bands: tuple[int, ...] | None = None
    background: tuple[int, int, int] = (255, 255, 255)

    def checked(self) -> Display:
        """The same with plain numbers.

        Raises:
            ImageError: a value that cannot be right.
        """
        return Display(checked_window(self.window), _checked_bands(self.bands), _checked_background(self.background))


def _checked_bands(bands: Any) -> tuple[int, ...] | None:
    if bands is None:
        return None
    try:
        chosen = tuple(int(band) for band in bands)
        whole = chosen == tuple(bands)
    except (TypeError, ValueError):
        whole, chosen = False, ()
    if not whole or len(chosen) not in (1, 3) or min(chosen) < 1:
        raise ImageError(f"bands is {bands!r}: it takes one band, or three for red, green and blue, from 1")
    return chosen


def _checked_background(background: Any) -> tuple[int, int, int]:
    try:
        red, green, blue = (int(level) for level in background)
    except (TypeError, ValueError):
        raise ImageError(f"background is {background!r}: it takes (red, green, blue), each 0 to 255") from None
    if not all(0 <= level <= 255 for level in (red, green, blue)):
        raise ImageError(f"background is {background!r}: each of red, green, blue is 0 to 255")
    return red, green, blue


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one image, upright.

    Attributes:
        bands: [H, W, C], any number of bands; bool, integers or floats.
        alpha: [H, W] of the same type, opacity; None if all is opaque.
        valid: bool [H, W], which pixels have data; None if all have.
        bits: how many bits of whole numbers the file uses, if it states that.
        premultiplied: whether the bands are multiplied with the opacity.
    """

    bands: npt.NDArray[Any]
    alpha: npt.NDArray[Any] | None = None
    valid: npt.NDArray[np.bool_] | None = None
    bits: int | None = None
    premultiplied: bool = False

    def displayed(self, display: Display, notes: list[str]) -> RGB:
        """Convert to 8-bit RGB; one line is appended to ``notes`` for each choice made.

        Returns:
            uint8 [H, W, 3], C-contiguous.

        Raises:
            ImageError: bands that are not there, or samples that cannot be shown.
        """
        if display.bands is not None and self.alpha is not None and max(display.bands) > self.bands.shape[2]:
            return self._with_opacity_as_band().displayed(display, notes)
        chosen = _choose_bands(self.bands, display.bands, notes)
        colour = self.straight(chosen)
        valid, opacity = self.valid, None
        if self.alpha is not None:
            opacity, _ = full_scale(self.alpha)
            visible = opacity > 0
            valid = visible if valid is None else valid & visible
        counted = None if valid is None or valid.all() else valid
        shown, note = eight_bits(colour, display.window, valid=counted, bits=self.bits)
        if note:
            notes.append(note)
        if self.valid is not None and not self.valid.all():
            missing = 1 - float(self.valid.mean())
            notes.append(f"{missing:.1%} of the pixels have no data and are shown on the background")
            opacity = np.where(self.valid, 255 if opacity is None else opacity, 0).astype(np.uint8)
        rgb = as_rgb(shown, "rgb")
        if opacity is None:
            return rgb
        image = PIL.Image.fromarray(np.concatenate([rgb, opacity[:, :, None]], axis=2))
        return pixels_of(flatten(image, display.background, notes if self.alpha is not None else []))

    def _with_opacity_as_band(self) -> Samples:
        assert self.alpha is not None
        return replace(self, bands=np.dstack([self.bands, self.alpha]), alpha=None, premultiplied=False)

    def straight(self, bands: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The bands [H, W, C] without the opacity that they are multiplied with."""
        if self.alpha is None or not self.premultiplied:
            return bands
        most = 1.0 if self.alpha.dtype.kind == "f" else float(np.iinfo(self.alpha.dtype).max)
        share = np.maximum(self.alpha.astype(np.float64) / most, 1e-12)[:, :, None]
        divided = np.where(self.alpha[:, :, None] > 0, bands / share, 0)
        if bands.dtype.kind == "f":
            return divided.astype(bands.dtype)
        return np.rint(divided).clip(0, most).astype(bands.dtype)


def _choose_bands(bands: npt.NDArray[Any], chosen: tuple[int, ...] | None, notes: list[str]) -> npt.NDArray[Any]:
    """One band or three of [H, W, C]: those that are chosen, or the first ones."""
    count = bands.shape[2]
    if chosen is None:
        if count in (1, 3):
            return bands
        chosen = (1, 2, 3) if count > 3 else (1,)
        shown = "bands 1, 2, 3 are shown as red, green, blue" if count > 3 else "band 1 is shown in grey"
        notes.append(f"of {count} bands, {shown}; others can be chosen")
    if max(chosen) > count:
        message = f"there is no band {max(chosen)}: the image has {'1 band' if count == 1 else f'{count} bands'}"
        raise OpeningOptionError(message, "bands") if count in (1, 3) else ImageError(message)
    return bands[:, :, [band - 1 for band in chosen]]


def samples_of_channels(array: npt.NDArray[Any]) -> Samples:
    """Samples of an array [H, W, C]: of 2 and 4 channels the last is opacity.

    Raises:
        ImageError: no bands.
    """
    if array.shape[2] in (2, 4):
        return Samples(array[:, :, :-1], array[:, :, -1])
    return Samples(array)


def as_rgb(colour: npt.NDArray[np.uint8], channels: str) -> RGB:
    """Copy uint8 [H, W, 1] grey or [H, W, 3] colours into a new RGB array, uint8 [H, W, 3]."""
    if colour.shape[2] == 3 and channels == "rgb":
        return np.array(colour, order="C")
    sources = (0, 0, 0) if colour.shape[2] == 1 else (2, 1, 0)
    rgb = np.empty((*colour.shape[:2], 3), np.uint8)
    for target, source in enumerate(sources):  # four times as fast as copying a reversed view
        rgb[:, :, target] = colour[:, :, source]
    return rgb


def flatten(image: PIL.Image.Image, background: tuple[int, int, int], notes: list[str]) -> PIL.Image.Image:
    """Show an image with transparency (RGBA, LA, palette or colour key) on `background`; the result is RGB."""
    if image.mode == "La":
        image = image.convert("LA")
    colour = image if image.mode == "RGBA" else image.convert("RGBA")
    opacity = colour.getchannel("A")
    if opacity.getextrema()[0] == 255:
        return colour.convert("RGB")
    notes.append("transparent parts are shown on the background ({}, {}, {})".format(*background))
    canvas = PIL.Image.new("RGB", colour.size, background)
    canvas.paste(colour, mask=opacity)
    return canvas


def pixels_of(image: PIL.Image.Image) -> RGB:
    """Copy an RGB image out of Pillow: uint8 [H, W, 3], C-contiguous."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels
