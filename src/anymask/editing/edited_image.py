"""What every edit returns: pixels that can be shown, saved and taken into Pillow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.editing.saving import save_image

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, eq=False)
class EditedImage:
    """An edited image.

    Attributes:
        pixels: uint8 [h, w, 3], RGB, or [h, w, 4], RGBA with straight alpha.
        icc_profile: the colour profile of the image that was edited, or None.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    icc_profile: bytes | None = field(default=None, repr=False, kw_only=True)

    @property
    def image(self) -> PIL.Image.Image:
        """As a Pillow image, RGB or RGBA, with its colour profile."""
        import PIL.Image

        image = PIL.Image.fromarray(self.pixels)
        if self.icc_profile is not None:
            image.info["icc_profile"] = self.icc_profile
        return image

    def save(self, path: str | Path, quality: int | None = None) -> Path:
        """Write it as PNG, WebP, TIFF or (without transparency) JPEG, see `anymask.editing.saving.save_image`.

        PNG, TIFF, and WebP without `quality` keep the pixels exact; JPEG changes all of them.
        """
        return save_image(Path(path), self.pixels, self.icc_profile, quality)

    def _repr_png_(self) -> bytes:
        return bytes(self.image._repr_png_() or b"")
