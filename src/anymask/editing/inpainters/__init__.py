"""What fills a hole: one module per kind of inpainter.

An inpainter gets a crop of the image and returns it with the hole filled; which of its pixels are used is decided in
`anymask.editing.inpainting`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.editing.inpaint_mask import Sizes
from anymask.errors import InputError

METHODS = ("telea", "ns", "diffusers", "onnx")


class Inpainter(Protocol):
    """What fills holes.

    Attributes:
        name: for records, such as "telea" or "onnx lama.onnx".
        sizes: the sizes of images that it takes.
    """

    name: str
    sizes: Sizes

    def __call__(self, pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Paint a crop.

        Args:
            pixels: uint8 [h, w, 3], RGB, of a size that `sizes` allows.
            hole: bool [h, w], where to paint.

        Returns:
            uint8 [h, w, 3], RGB; outside the hole it may hold anything.
        """
        ...


def load_inpainter(method: str = "telea", model: str | None = None, **options: Any) -> Inpainter:
    """Get an inpainter ready.

    Args:
        method: "telea" or "ns" (OpenCV, for small holes and plain surroundings), "diffusers" or "onnx".
        model: for "diffusers" a folder, a file or a name that diffusers knows, for "onnx" a file.
        options: of the inpainter's class: `radius` for OpenCV, `prompt`, `steps`, `seed` … for diffusers,
            `white` and `device` for ONNX.

    Raises:
        InputError: an unknown method, a missing model or one where none is used, or a model that cannot be read.
        AnymaskError: a library that it needs is not installed.
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r}: it can be {', '.join(METHODS)}")
    if method in ("telea", "ns"):
        from anymask.editing.inpainters.opencv import OpenCvInpainter

        if model is not None:
            raise InputError(f"method {method!r} takes no model")
        return OpenCvInpainter(method, **options)
    if model is None:
        raise InputError(f"method {method!r} needs a model")
    if method == "onnx":
        from anymask.editing.inpainters.onnx import OnnxInpainter

        return OnnxInpainter(model, **options)
    from anymask.editing.inpainters.diffusion import DiffusionInpainter

    return DiffusionInpainter(model, **options)
