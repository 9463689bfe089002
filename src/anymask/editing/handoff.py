"""The hand-off to another program's model: an image, a mask (white = repaint), and a note of where they belong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask._version import __version__
from anymask.editing.inpaint_mask import Crop, InpaintMask, Sizes, make_crop
from anymask.editing.inpainting import InpaintResult, crop_image, crop_mask, paste
from anymask.editing.saving import encode_image
from anymask.errors import InputError
from anymask.io.atomic import publish, staged_folder
from anymask.io.image import Image, open_image
from anymask.structures.image_options import ImageOptions

IMAGE, MASK, BLEND, NOTE = "image.png", "mask.png", "blend.png", "pair.json"
SIZES = Sizes(grid=64, min_side=512)
"""What every Stable Diffusion interface takes."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair that was handed off, read back.

    Attributes:
        path: of the image, as it was given; None if it was no file.
        size: (width, height) of the image.
        sha256: of its file, or None if it was none.
        pixel_hash: of its pixels, see `anymask.Image.pixel_hash`.
        crop: the part that was handed off.
        hole: what may change.
        opening: how the image was opened.
    """

    path: str | None
    size: tuple[int, int]
    sha256: str | None
    pixel_hash: str
    crop: Crop
    hole: InpaintMask
    opening: ImageOptions = field(default_factory=ImageOptions)


def write_pair(
    folder: str | Path, source: Any, hole: InpaintMask, sizes: Sizes = SIZES, context: float | None = None
) -> list[Path]:
    """Write the pair and its note into a folder, together or not at all.

    `image.png` is a crop of the image, `mask.png` of the same size is white where a model has to paint,
    `blend.png` holds the feather, `pair.json` says where they belong.

    Args:
        folder: new, or without files of these names.
        source: the image.
        hole: what is to be repainted, of `anymask.editing.inpaint_mask.make_inpaint_mask`.
        sizes: that the model takes.
        context: pixels of surroundings on every side.

    Returns:
        The four files.

    Raises:
        InputError: a folder that cannot be written, or has files of these names: they may be painted already.
    """
    if there := next((name for name in (IMAGE, MASK, BLEND, NOTE) if (Path(folder) / name).exists()), None):
        raise InputError(f"{Path(folder) / there} already exists: give a new folder")
    image = open_image(source)
    crop = make_crop(hole.box, image.size, sizes, context)
    blend = np.round(hole.inside(crop.box) * 255).astype(np.uint8)
    about = {
        "version": __version__,
        "photo": {
            "path": image.path,
            "width": image.size[0],
            "height": image.size[1],
            "sha256": image.file_sha256,
            "pixels": image.pixel_hash,
            "opened_with": dict(image.opened_with),
        },
        "crop": list(crop.box),
        "size": list(crop.size),
        "image": IMAGE,
        "mask": MASK,
        "blend": BLEND,
    }
    with staged_folder(Path(folder)) as stage:
        (stage / IMAGE).write_bytes(encode_image(crop_image(image.pixels, crop), "PNG", image.icc_profile))
        (stage / MASK).write_bytes(_encode_grey(crop_mask(hole, crop).view(np.uint8) * np.uint8(255)))
        (stage / BLEND).write_bytes(_encode_grey(blend))
        (stage / NOTE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return publish(stage, Path(folder), (IMAGE, MASK, BLEND, NOTE))


def _encode_grey(levels: NDArray[np.uint8]) -> bytes:
    """A PNG file of levels uint8 [h, w]."""
    import io

    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()


def read_pair(folder: str | Path) -> Pair:
    """Read the note of a pair.

    Args:
        folder: the folder, or `pair.json` in it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(folder)
    note = path / NOTE if path.is_dir() else path
    try:
        about = json.loads(note.read_bytes())
        source, box, size = about["photo"], _box_of(about["crop"]), about["size"]
        blend = open_image(note.parent / about["blend"]).pixels[..., 0]
        whole = int(source["width"]), int(source["height"])
        hashes = source.get("sha256"), str(source["pixels"])
        opening = ImageOptions(**source.get("opened_with", {}))
        crop = Crop(box, (int(size[0]), int(size[1])))
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no pair, as --pair writes one: there is no {error.filename}") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"cannot read {note} as the note of a pair: {reason}") from None
    if blend.shape != (box[3] - box[1], box[2] - box[0]):
        raise InputError(f"{about['blend']} is {blend.shape[1]}x{blend.shape[0]} and does not fit the crop {list(box)}")
    return Pair(source.get("path"), whole, *hashes, crop, _hole(blend, box, whole), opening)


def _box_of(numbers: Any) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(number) for number in numbers)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"crop is {numbers}")
    return x0, y0, x1, y1


def _hole(blend: NDArray[np.uint8], box: tuple[int, int, int, int], size: tuple[int, int]) -> InpaintMask:
    """The hole that `blend.png` describes, cut at the edges of the image.

    Args:
        blend: uint8 [h, w], the weights times 255.
        box: [x_min, y_min, x_max, y_max] that it covers, in pixels of the image; may reach beyond it.
        size: (width, height) of the image.
    """
    x0, y0, x1, y1 = max(0, box[0]), max(0, box[1]), min(size[0], box[2]), min(size[1], box[3])
    inside = blend[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
    return InpaintMask((x0, y0, x1, y1), (inside / np.float32(255)).astype(np.float32), size)


def paste_back(pair: Pair, source: Any, painted: Any) -> InpaintResult:
    """Put what a model painted into the image; pixels outside the hole stay, byte for byte.

    Args:
        pair: of `read_pair`.
        source: the image that the pair was cut from.
        painted: the image that the model made of the pair, of any size with the same proportions.

    Raises:
        InputError: another image, or a painted one of other proportions.
    """
    image, output = pair.opening.open(source), open_image(painted)
    _check_image(pair, image)
    wide, high = pair.crop.size
    output_wide, output_high = output.size
    if abs(output_wide * high - output_high * wide) > max(output_wide, wide) + max(output_high, high):
        raise InputError(
            f"the painted image is {output_wide}x{output_high}, the pair is {wide}x{high}: "
            "the proportions must be the same"
        )
    pixels = image.pixels.copy()
    paste(pixels, output.pixels, pair.crop, pair.hole, pair.hole.box)
    return InpaintResult(pixels, pair.hole, (pair.crop,), "paste", icc_profile=image.icc_profile)


def _check_image(pair: Pair, image: Image) -> None:
    """Accept the same file, or another one with the same pixels."""
    if image.file_sha256 is not None and image.file_sha256 == pair.sha256:
        return
    if image.pixel_hash != pair.pixel_hash:
        raise InputError(f"{image.path or 'this image'} is not the image that the pair was cut from")
