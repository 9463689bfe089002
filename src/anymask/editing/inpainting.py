"""Images without something, or with something else in its place; all other pixels stay, byte for byte."""

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
from anymask.io.interruption import check_stopped

if TYPE_CHECKING:
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet


@dataclass(frozen=True, eq=False)
class InpaintResult(EditedImage):
    """A repainted image, RGB; where `hole` has no weight the pixels are those of the original.

    Attributes:
        hole: what was repainted.
        crops: the parts that were worked on.
        inpainter: name of what painted.
    """

    hole: InpaintMask = field(repr=False)
    crops: tuple[Crop, ...]
    inpainter: str


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

    The mask is grown and feathered; around each part of it a crop is taken at the image's own scale, in a size
    that the inpainter's grid allows, painted, and pasted back with the feather's weights.

    Args:
        source: the image: an `Image`, or anything `anymask.open_image` takes.
        mask: the objects; of a `MaskSet` everything that it covers.
        method: "telea", "ns", "diffusers", "onnx", or an `Inpainter`.
        grow: pixels around the mask that go with it, see `anymask.editing.inpaint_mask.make_inpaint_mask`.
        feather: pixels of blending beyond that.
        shadow: pixels around its foot.
        keep: repaint everything but the mask.
        context: pixels of surroundings that the inpainter sees on every side.
        options: of `anymask.editing.inpainters.load_inpainter`: model, prompt, seed, radius ….

    Raises:
        InputError: an empty mask, one of another size, or an option that cannot be used.
        AnymaskError: a library that the method needs is missing, or the inpainter failed.
    """
    image = open_image(source)
    array = as_array(mask)
    if array.shape != image.pixels.shape[:2]:
        raise InputError(f"a mask {list(array.shape)} does not belong to an image {list(image.pixels.shape[:2])}")
    hole = make_inpaint_mask(array, grow, feather, shadow, keep)
    inpainter = load_inpainter(method, **options) if isinstance(method, str) else method
    pixels = image.pixels.copy()
    crops = []
    for box in groups(hole, context):
        check_stopped()
        crop = make_crop(box, image.size, inpainter.sizes, context)
        patch = inpainter(crop_image(pixels, crop), crop_mask(hole, crop))
        paste(pixels, patch, crop, hole, box)
        crops.append(crop)
    return InpaintResult(pixels, hole, tuple(crops), inpainter.name, icc_profile=image.icc_profile)


def crop_image(pixels: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """A crop of the image at the inpainter's size, uint8 [h, w, 3]; beyond the image it is mirrored."""
    import cv2

    part = _crop_mirrored(pixels, crop.box)
    if not crop.native:
        part = cv2.resize(part, crop.size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part)


def crop_mask(hole: InpaintMask, crop: Crop) -> NDArray[np.bool_]:
    """Where an inpainter may paint: wherever the result shows it, bool [h, w] at its size.

    Beyond the image the mask is mirrored like the image itself: no half of the object stays there.
    """
    import cv2

    inside = _crop_mirrored(hole.inside((0, 0, *hole.size)) > 0, crop.box)
    if crop.native:
        return inside
    # Any share of a pixel counts, so that nothing of the object shows through at the border.
    return np.asarray(cv2.resize(inside.astype(np.float32), crop.size, interpolation=cv2.INTER_AREA) > 1e-6)


def _crop_mirrored(array: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    """A part of an array [H, W, …], of its dtype; where the box reaches beyond the end, the array is mirrored.

    Args:
        array: an image or a mask.
        box: [x_min, y_min, x_max, y_max] in pixels; minima are not negative.
    """
    rows = _mirrored_indices(box[1], box[3], array.shape[0])
    columns = _mirrored_indices(box[0], box[2], array.shape[1])
    part: NDArray[Any] = (
        array[rows[:, None], columns]
        if box[2] > array.shape[1] or box[3] > array.shape[0]
        else (array[box[1] : box[3], box[0] : box[2]])
    )
    return part


def _mirrored_indices(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Indices int64 [stop - start] into an axis of this length; beyond its end they run back."""
    indices = np.arange(start, stop) % (2 * length)
    return np.where(indices < length, indices, 2 * length - 1 - indices)


def paste(
    pixels: NDArray[np.uint8], patch: NDArray[np.uint8], crop: Crop, hole: InpaintMask, box: tuple[int, int, int, int]
) -> None:
    """Blend a painted crop into the image, in place; pixels without weight are not written.

    Args:
        pixels: uint8 [H, W, 3], the image.
        patch: uint8 [h, w, 3], the painted crop, at the inpainter's size.
        crop: where it belongs.
        hole: the weights.
        box: of the image, the part of the hole that is pasted.
    """
    import cv2

    span = crop.box[2] - crop.box[0], crop.box[3] - crop.box[1]
    if patch.shape[:2] != (span[1], span[0]):
        patch = cv2.resize(patch, span, interpolation=cv2.INTER_CUBIC)
    weights = hole.inside(box)[..., None]
    window = slice(box[1], box[3]), slice(box[0], box[2])
    new = patch[box[1] - crop.box[1] : box[3] - crop.box[1], box[0] - crop.box[0] : box[2] - crop.box[0]]
    old = pixels[window]
    blend = np.round(new * weights + old * (1 - weights)).astype(np.uint8)
    np.copyto(pixels[window], blend, where=weights > 0)
