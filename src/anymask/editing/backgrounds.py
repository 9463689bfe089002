"""What a cut-out stands on: a colour, the image out of focus, or another image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.editing.edges import Matte, MatteBox
from anymask.errors import InputError
from anymask.structures.color import Color

if TYPE_CHECKING:
    from anymask.io.image import Image


def parse_color(text: str) -> Color:
    """Read a colour as style sheets write it: a name, #rgb, #rrggbb, rgb(…), hsl(…).

    Raises:
        InputError: no such colour.
    """
    from PIL import ImageColor

    try:
        levels = ImageColor.getrgb(text.strip())
    except ValueError:
        raise InputError(f"{text!r} is not a colour: give a name such as white, or #rrggbb") from None
    return levels[0], levels[1], levels[2]


def blur_background(pixels: NDArray[np.uint8], matte: Matte, canvas: MatteBox, sigma: float) -> NDArray[np.uint8]:
    """The image behind an object, blurred; nothing of the object shines around it.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        matte: the object.
        canvas: [x_min, y_min, x_max, y_max], the part to return, in pixels; beyond the image the pixels at its edge
            are repeated.
        sigma: of the blur, in pixels.

    Returns:
        uint8 [h, w, 3], the canvas.

    Raises:
        InputError: a blur of 0 or less.
    """
    import cv2

    if not sigma > 0:
        raise InputError(f"a blur needs more than 0 pixels, got {sigma}")
    height, width = pixels.shape[:2]
    # A strong blur looks the same at a fraction of the size: 12 megapixels then take a third of a second.
    small = min(1.0, 4 / sigma)
    size = max(1, round(width * small)), max(1, round(height * small))
    background = np.ones((height, width), np.float32)
    x0, y0, x1, y1 = matte.box
    # The mask's rim still has some of the object's colour, so it counts little.
    background[y0:y1, x0:x1] = np.maximum(0, 1 - 2 * cv2.dilate(matte.alpha, np.ones((5, 5), np.uint8)))
    weights = cv2.resize(background, size, interpolation=cv2.INTER_AREA) + np.float32(1e-4)
    colors = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    # Each time wider: near the object its surroundings count, in its middle (hidden by it) what is further away.
    total, weight = np.zeros_like(colors), np.zeros_like(weights)
    for spread, share in ((1.0, 1.0), (4.0, 1e-2), (16.0, 1e-4)):
        reach = min(sigma * small * spread, max(size))
        total += share * cv2.GaussianBlur(colors * weights[..., None], (0, 0), reach)
        weight += share * cv2.GaussianBlur(weights, (0, 0), reach)
    blurred = np.clip(total / weight[..., None], 0, 255).astype(np.uint8)
    whole = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)
    return crop_replicated(whole, canvas)


def crop_replicated(pixels: NDArray[Any], canvas: MatteBox) -> NDArray[Any]:
    """A part of an image [H, W, …], of its dtype; beyond its edge the pixels there are repeated.

    Args:
        pixels: the image.
        canvas: [x_min, y_min, x_max, y_max] of the part, in pixels.
    """
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(canvas[1], canvas[3]), 0, height - 1)
    columns = np.clip(np.arange(canvas[0], canvas[2]), 0, width - 1)
    if canvas == (0, 0, width, height):
        return pixels
    part: NDArray[Any] = pixels[rows][:, columns]
    return part


def resize_to_cover(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image until it covers (width, height), and take its middle.

    Args:
        image: uint8 [H, W, 3].
        size: (width, height) of the result, in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    import cv2

    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    scaled = max(size[0], round(width * scale)), max(size[1], round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = image if scaled == (width, height) else cv2.resize(image, scaled, interpolation=method)
    left, top = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return np.ascontiguousarray(large[top : top + size[1], left : left + size[0]])


def convert_colors(image: Image, profile: bytes | None) -> NDArray[np.uint8]:
    """An image's pixels, uint8 [H, W, 3], in the colour space of another one, so that both can share a file.

    Args:
        image: the one to convert.
        profile: ICC profile of the other; None means sRGB, as for an image that carries none.
    """
    if image.icc_profile == profile:
        return image.pixels
    import PIL.Image
    from PIL import ImageCms

    try:
        source, target = _profile(image.icc_profile), _profile(profile)
        converted = ImageCms.profileToProfile(PIL.Image.fromarray(image.pixels), source, target)
    except (ImageCms.PyCMSError, OSError, ValueError) as problem:
        raise InputError(f"{image.path or 'the background'}: its colour profile cannot be used ({problem})") from None
    assert converted is not None  # only inPlace=True returns None
    return np.asarray(converted)


def _profile(profile: bytes | None) -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB") if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
