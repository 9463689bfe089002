"""Images that are made from an image: as displayed, cut out, inpainted. `ImageStore.edit` calls these in a process."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from anymask.editing.edited_image import EditedImage
from anymask.io.image import Image
from anymask.server.schemas.requests import CutoutBody, InpaintBody
from anymask.structures.image_options import ImageOptions
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet

_INPAINT_SIDE = 2048
"""Of a part that is inpainted, in pixels: OpenCV takes about 6 s for one. Larger ones are filled at a smaller scale."""


def open_and_edit(
    opening: ImageOptions, encoded: bytes, expected: str | None, edit: Callable[..., bytes], arguments: Sequence[Any]
) -> bytes | None:
    """What one of the functions below makes of an image; None if its pixels have another hash than is expected.

    Args:
        opening: how the image is opened.
        encoded: its file.
        expected: the hash; None to take any.
        edit: the function.
        arguments: of it, after the image.

    Raises:
        ImageError: the image cannot be read.
    """
    image = opening.open(encoded)
    return edit(image, *arguments) if expected is None or image.pixel_hash == expected else None


def encode_for_display(image: Image, max_side: int | None, format: Literal["jpeg", "png", "webp"]) -> bytes:
    """An image as a file that browsers display, its longer side at most `max_side` pixels."""
    import PIL.Image

    displayed = PIL.Image.fromarray(image.pixels)
    if max_side is not None:
        displayed.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
    options: dict[str, Any] = {
        "jpeg": {"quality": 95, "subsampling": 0},
        "png": {"compress_level": 1},
        "webp": {"quality": 90, "method": 2},
    }[format]
    buffer = io.BytesIO()
    displayed.save(buffer, format, icc_profile=image.icc_profile, **options)
    return buffer.getvalue()


def cutout_png(image: Image, masks: Sequence[Mask], body: CutoutBody) -> bytes:
    """Cut objects out of an image, as a PNG.

    Raises:
        InputError: an empty mask.
    """
    from anymask.editing.cutout import Blur, cutout
    from anymask.editing.effects import Outline

    color = body.background
    result = cutout(
        image,
        MaskSet(masks, image=image),
        edges=body.edges,
        crop=body.crop or body.margin > 0,
        margin=body.margin,
        background=Blur() if color == "blur" else None if color is None else (color[0], color[1], color[2]),
        shadow=body.shadow,
        outline=None if body.outline is None else Outline(body.outline),
    )
    return _png(result)


def inpainted_png(image: Image, masks: Sequence[Mask], body: InpaintBody) -> bytes:
    """Fill objects in from their surroundings, as a PNG.

    Raises:
        InputError: an empty mask.
    """
    from anymask.editing.inpainters.opencv import OpenCvInpainter
    from anymask.editing.inpainting import inpaint

    inpainter = OpenCvInpainter(body.method)
    inpainter.sizes = replace(inpainter.sizes, max_side=_INPAINT_SIDE)
    objects = MaskSet(masks, image=image)
    return _png(inpaint(image, objects, inpainter, grow=body.grow, feather=body.feather, shadow=body.shadow))


def _png(edited: EditedImage) -> bytes:
    buffer = io.BytesIO()
    edited.image.save(buffer, "png", compress_level=1, icc_profile=edited.icc_profile)
    return buffer.getvalue()
