"""An object without its background, at the image's full resolution: transparent, or on something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.editing.backgrounds import blur_background, convert_colors, resize_to_cover
from anymask.editing.edges import Matte, MatteBox, hard_edges, smooth_edges
from anymask.editing.edited_image import EditedImage
from anymask.editing.effects import Outline, Shadow
from anymask.editing.matting import Band, can_matte, matte, soften
from anymask.errors import InputError
from anymask.io.arrays import to_numpy
from anymask.io.image import Image, open_image
from anymask.structures.color import Color
from anymask.structures.overlap import tight_box

if TYPE_CHECKING:
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet

Edges = Literal["auto", "matte", "soft", "smooth", "hard"]
EDGES = ("auto", "matte", "soft", "smooth", "hard")


@dataclass(frozen=True)
class Blur:
    """The image itself as background, out of focus.

    Attributes:
        sigma: of the blur, in pixels; 1.5 % of the image's long side if None.
    """

    sigma: float | None = None


@dataclass(frozen=True, eq=False)
class Cutout(EditedImage):
    """A finished cut-out: RGBA, or RGB if it got a background.

    Attributes:
        box: [x_min, y_min, x_max, y_max] of the image that it shows; may reach beyond it.
        edges: "matte", "soft", "smooth" or "hard": how the edges were made.
    """

    box: MatteBox
    edges: str


def cutout(
    source: Any,
    mask: Mask | MaskSet | NDArray[np.bool_],
    *,
    edges: Edges = "auto",
    band: Band | None = None,
    crop: bool = False,
    margin: float = 0,
    background: Color | Blur | Image | None = None,
    shadow: Shadow | bool = False,
    outline: Outline | None = None,
) -> Cutout:
    """Cut an object out of its image.

    ```python
    result = encoded.segment(points=[(350, 450)])
    cutout(result.image, result).save("dog.png")
    cutout(result.image, result, crop=True, margin=20, background=(255, 255, 255), shadow=True).save("dog.jpg")
    ```

    Args:
        source: the image: an `Image`, or anything `anymask.open_image` takes.
        mask: the object; of a `MaskSet` everything that it covers.
        edges: "matte" decides for every pixel of a narrow band by its colour (needs `pymatting`), "soft" takes
            the probabilities of the mask, which suits those of a model of subjects
            (`anymask.prediction.subject_model`), "smooth" softens the mask's own border, "hard" takes the mask as it
            is; "auto" is "matte" if that is installed, else "smooth".
            What was done is in `Cutout.edges`.
        band: where "matte" decides.
        crop: cut the image down to the object and what was drawn around it.
        margin: room around a cropped object, in pixels.
        background: RGB, `Blur()`, or another image, which is scaled to cover; transparent if None.
        shadow: a shadow of the object; True takes one that suits its size.
        outline: a rim around the object.

    Raises:
        InputError: an empty mask, one of another size, a negative margin, an unknown kind of edges, or "soft" of a
            mask without probabilities.
        AnymaskError: "matte" is required and `pymatting` is not installed.
    """
    image = open_image(source)
    if not margin >= 0:
        raise InputError(f"a margin must be 0 or more pixels, got {margin}")
    if edges == "soft":
        foreground = soften(image.pixels, as_array(mask), _probabilities(mask))
    else:
        foreground = _foreground(image, as_array(mask), edges, band)
    if shadow is True:
        shadow = Shadow.of((foreground.box[2] - foreground.box[0], foreground.box[3] - foreground.box[1]))
    layers, frame = _layers(foreground, outline, shadow or None)
    if crop:
        x0, y0, x1, y1 = _visible_box(layers, frame)
        room = round(margin)
        canvas = x0 - room, y0 - room, x1 + room, y1 + room
    else:
        canvas = (0, 0, *image.size)
    pixels = _composite(layers, frame, canvas, _background_pixels(image, foreground, canvas, background))
    return Cutout(pixels, canvas, foreground.edges, icc_profile=image.icc_profile)


def as_array(mask: Any) -> NDArray[np.bool_]:
    """A Mask, what a MaskSet covers, or an array, as bool [H, W]."""
    if hasattr(mask, "union"):
        return np.asarray(mask.union())
    array = to_numpy(mask)
    if array.ndim != 2 or array.dtype != np.bool_:
        raise InputError(f"a mask needs a bool array [height, width], got {array.dtype} {list(array.shape)}")
    return array


def _probabilities(mask: Any) -> NDArray[np.float32]:
    """The soft mask of a Mask, or of all masks of a MaskSet, float32 [H, W]."""
    soft = [each.probabilities for each in mask] if hasattr(mask, "union") else [getattr(mask, "probabilities", None)]
    known = [each for each in soft if each is not None]
    if len(known) < len(soft) or not known:
        raise InputError(
            "edges='soft' needs the probabilities of a mask, and this mask has none: use 'matte' or 'smooth'"
        )
    alpha: NDArray[np.float32] = np.maximum.reduce(known)
    return alpha


def _foreground(image: Image, mask: NDArray[np.bool_], edges: str, band: Band | None) -> Matte:
    """Separate the object of a mask, bool [H, W], from its background.

    Raises:
        InputError: an unknown kind of edges, or an empty mask.
    """
    if edges not in EDGES:
        raise InputError(f"edges are {edges!r}: they can be {', '.join(EDGES)}")
    if edges == "auto":
        edges = "matte" if can_matte() else "smooth"
    if edges == "matte":
        return matte(image.pixels, mask, band)
    return (hard_edges if edges == "hard" else smooth_edges)(image.pixels, mask)


Layer = tuple[NDArray[np.float32], "NDArray[np.uint8] | Color"]
"""Alpha, float32 [h, w], 0 to 1, and colours, uint8 [h, w, 3] RGB or one for all pixels."""


def _layers(matte: Matte, outline: Outline | None, shadow: Shadow | None) -> tuple[list[Layer], MatteBox]:
    """Shadow, rim and object, from the bottom to the top, and the box of the image that all of them cover."""
    room = (outline.reach if outline else 0) + (shadow.reach if shadow else 0)
    x0, y0, x1, y1 = matte.box
    frame = x0 - room, y0 - room, x1 + room, y1 + room
    alpha = np.pad(matte.alpha, room) if room else matte.alpha
    colors = np.pad(matte.colors, ((room, room), (room, room), (0, 0))) if room else matte.colors
    layers: list[Layer] = [(alpha, colors)]
    whole = alpha
    if outline:
        whole = outline.alpha(alpha)
        layers.insert(0, (whole, outline.color))
    if shadow:
        layers.insert(0, (shadow.alpha(whole), shadow.color))
    return layers, frame


def _visible_box(layers: list[Layer], frame: MatteBox) -> MatteBox:
    """Tight box [x_min, y_min, x_max, y_max] of everything that shows, in pixels of the image."""
    visible = np.maximum.reduce([alpha for alpha, _ in layers]) > 1 / 255
    x0, y0, x1, y1 = tight_box(visible)
    return frame[0] + x0, frame[1] + y0, frame[0] + x1, frame[1] + y1


def _background_pixels(
    image: Image, matte: Matte, canvas: MatteBox, background: Color | Blur | Image | None
) -> NDArray[np.uint8] | None:
    """What lies below all layers, uint8 [h, w, 3] of the canvas; None for nothing."""
    size = canvas[2] - canvas[0], canvas[3] - canvas[1]
    if background is None:
        return None
    if isinstance(background, Blur):
        sigma = background.sigma if background.sigma is not None else max(2.0, max(image.size) * 0.015)
        return blur_background(image.pixels, matte, canvas, sigma)
    if isinstance(background, Image):
        return resize_to_cover(convert_colors(background, image.icc_profile), size)
    levels = np.asarray(background)
    if levels.shape != (3,) or levels.min() < 0 or levels.max() > 255:
        raise InputError(f"a background colour is (red, green, blue), each 0 to 255, got {background!r}")
    return np.full((size[1], size[0], 3), levels, np.uint8)


def _composite(
    layers: list[Layer], frame: MatteBox, canvas: MatteBox, background: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Lay the layers over each other and over the background; only where they are is anything computed.

    Args:
        layers: from the bottom to the top, all over `frame`.
        frame: [x_min, y_min, x_max, y_max] of the layers, in pixels of the image.
        canvas: the same of the result.
        background: uint8 [h, w, 3] of the canvas; transparent if None.

    Returns:
        uint8 [h, w, 3], or [h, w, 4] without a background.
    """
    size = canvas[3] - canvas[1], canvas[2] - canvas[0]
    pixels = np.zeros((*size, 4), np.uint8) if background is None else np.array(background)
    x0, y0 = max(frame[0], canvas[0]), max(frame[1], canvas[1])
    x1, y1 = min(frame[2], canvas[2]), min(frame[3], canvas[3])
    inner = slice(y0 - frame[1], y1 - frame[1]), slice(x0 - frame[0], x1 - frame[0])
    outer = slice(y0 - canvas[1], y1 - canvas[1]), slice(x0 - canvas[0], x1 - canvas[0])
    for top in range(0, y1 - y0, _STRIP):  # strips, so that no float copy of twelve megapixels is made
        part = slice(inner[0].start + top, min(inner[0].start + top + _STRIP, inner[0].stop))
        rows = slice(outer[0].start + top, min(outer[0].start + top + _STRIP, outer[0].stop))
        strip = pixels[rows, outer[1]]
        for alpha, colors in layers:
            color = colors[part, inner[1]] if isinstance(colors, np.ndarray) else np.array(colors, np.uint8)
            _blend_over(strip, alpha[part, inner[1]], color)
    return pixels


_STRIP = 256


def _blend_over(below: NDArray[np.uint8], alpha: NDArray[np.float32], colors: NDArray[np.uint8]) -> None:
    """Put a layer over pixels, in place; opaque pixels keep their exact colour.

    Args:
        below: uint8 [h, w, 3] RGB or [h, w, 4] RGBA with straight alpha.
        alpha: float32 [h, w], 0 to 1, of the layer.
        colors: uint8 [h, w, 3] or [3], RGB of the layer.
    """
    share = alpha[..., None]
    if below.shape[2] == 3:
        below[:] = np.round(colors * share + below * (1 - share))
        return
    behind = below[..., 3:] / np.float32(255) * (1 - share)
    total = share + behind
    mixed = (colors * share + below[..., :3] * behind) / np.maximum(total, 1e-6)
    # Colours just outside the object leave no dark rim when the image is scaled.
    below[..., :3] = np.where(total > 0, np.round(mixed), colors)
    below[..., 3] = np.round(total[..., 0] * 255)
