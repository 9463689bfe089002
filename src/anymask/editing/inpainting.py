"""Photographs without something, or with something else in its place; all other pixels stay, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.editing.cutout import as_array
from anymask.editing.edited_image import EditedImage
from anymask.editing.inpaint_mask import Crop, InpaintMask, groups, make_crop, make_inpaint_mask
from anymask.editing.inpainters import Inpainter, load_inpainter
from anymask.errors import InputError
from anymask.io.image import open_image

if TYPE_CHECKING:
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet


@dataclass(frozen=True, eq=False)
class InpaintResult(EditedImage):
    """A repainted image, RGB; where `hole` has no weight the pixels are those of the original.

    Attributes:
        hole: what was repainted.
        crops: the parts that were worked on.
        painter: name of what painted.
    """

    hole: InpaintMask = field(repr=False)
    crops: tuple[Crop, ...]
    painter: str


def inpaint(
    source: Any,
    mask: Mask | MaskSet | NDArray[np.bool_],
    method: str | Inpainter = "telea",
    *,
    grow: float | None = None,
    feather: float | None = None,
    shadow: float = 0,
    keep: bool = False,
    context: float | None = None,
    **options: Any,
) -> InpaintResult:
    """Repaint objects, or with ``keep`` everything else.

    ```python
    result = encoded.segment(points=[(350, 450)])
    inpaint(result.image, result).save("without.png")
    inpaint(result.image, result, "onnx", model="lama.onnx").save("without.png")
    ```

    The mask is grown and feathered; around each part of it a crop is taken at the photograph's own scale, in a size
    that the painter's grid allows, painted, and pasted back with the feather's weights.

    Args:
        source: the photograph: an `Image`, or anything `anymask.open_image` takes.
        mask: the objects; of a `MaskSet` everything that it covers.
        method: "telea", "ns", "diffusers", "onnx", or a `Inpainter`.
        grow: pixels around the mask that go with it, see `anymask.editing.inpaint_mask.make_inpaint_mask`.
        feather: pixels of blending beyond that.
        shadow: pixels around its foot.
        keep: repaint everything but the mask.
        context: pixels of surroundings that the painter sees on every side.
        options: of `anymask.editing.inpainters.load_inpainter`: model, prompt, seed, radius ….

    Raises:
        InputError: an empty mask, one of another size, or an option that cannot be used.
        AnymaskError: a library that the method needs is missing, or the painter failed.
    """
    image = open_image(source)
    array = as_array(mask)
    if array.shape != image.pixels.shape[:2]:
        raise InputError(f"a mask {list(array.shape)} does not belong to a photograph {list(image.pixels.shape[:2])}")
    hole = make_inpaint_mask(array, grow, feather, shadow, keep)
    painter = load_inpainter(method, **options) if isinstance(method, str) else method
    pixels = image.pixels.copy()
    crops = []
    for box in groups(hole, context):
        crop = make_crop(box, image.size, painter.sizes, context)
        painted = painter(take_crop(pixels, crop), mark_crop(hole, crop))
        paste(pixels, painted, crop, hole, box)
        crops.append(crop)
    return InpaintResult(pixels, hole, tuple(crops), painter.name, icc_profile=image.icc_profile)


def take_crop(pixels: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """A crop of the photograph at the painter's size, uint8 [h, w, 3]; beyond the photograph it is mirrored."""
    import cv2

    part = _mirrored(pixels, crop.box)
    if not crop.native:
        part = cv2.resize(part, crop.size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part)


def mark_crop(hole: InpaintMask, crop: Crop) -> NDArray[np.bool_]:
    """Where a painter may paint: everywhere that something of it will be seen, bool [h, w] at its size.

    Beyond the photograph the mask is mirrored like the photograph itself: no half of the object stays there.
    """
    import cv2

    inside = _mirrored(hole.inside((0, 0, *hole.size)) > 0, crop.box)
    if crop.native:
        return inside
    # Any share of a pixel counts, so that nothing of the object shows through at the border.
    return np.asarray(cv2.resize(inside.astype(np.float32), crop.size, interpolation=cv2.INTER_AREA) > 1e-6)


def _mirrored(array: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    """A part of a picture or mask; where it reaches beyond, its own mirror image goes on."""
    rows = _reflected(box[1], box[3], array.shape[0])
    columns = _reflected(box[0], box[2], array.shape[1])
    part: NDArray[Any] = (
        array[rows[:, None], columns]
        if box[2] > array.shape[1] or box[3] > array.shape[0]
        else (array[box[1] : box[3], box[0] : box[2]])
    )
    return part


def _reflected(start: int, stop: int, length: int) -> NDArray[np.int64]:
    places = np.arange(start, stop) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def paste(
    pixels: NDArray[np.uint8], painted: NDArray[np.uint8], crop: Crop, hole: InpaintMask, box: tuple[int, int, int, int]
) -> None:
    """Blend a painted crop into the photograph, in place; pixels without weight are not written.

    Args:
        pixels: uint8 [H, W, 3], the photograph.
        painted: uint8 [h, w, 3], at the painter's size.
        crop: what was painted.
        hole: the weights.
        box: of the photograph, the part of the hole that is pasted.
    """
    import cv2

    span = crop.box[2] - crop.box[0], crop.box[3] - crop.box[1]
    if painted.shape[:2] != (span[1], span[0]):
        painted = cv2.resize(painted, span, interpolation=cv2.INTER_CUBIC)
    weights = hole.inside(box)[..., None]
    place = slice(box[1], box[3]), slice(box[0], box[2])
    new = painted[box[1] - crop.box[1] : box[3] - crop.box[1], box[0] - crop.box[0] : box[2] - crop.box[0]]
    old = pixels[place]
    blend = np.round(new * weights + old * (1 - weights)).astype(np.uint8)
    np.copyto(pixels[place], blend, where=weights > 0)
