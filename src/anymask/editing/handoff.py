"""The hand-off to another program's model: a picture, a mask (white = repaint), and a note to paste the answer by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask._version import __version__
from anymask.editing.inpaint_mask import Crop, InpaintMask, Sizes, make_crop
from anymask.editing.inpainting import InpaintResult, mark_crop, paste, take_crop
from anymask.editing.saving import encoded
from anymask.errors import InputError
from anymask.io.atomic import publish, staged_folder
from anymask.io.image import Image, open_image

PICTURE, MASK, BLEND, NOTE = "image.png", "mask.png", "blend.png", "pair.json"
SIZES = Sizes(grid=64, least=512)
"""What every Stable Diffusion interface takes."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A pair that was handed off, read back.

    Attributes:
        photo: path of the photograph as it was given, or None.
        size: (width, height) of the photograph.
        sha256: of its file, or None if it was none.
        pixel_hash: of its pixels, see `anymask.Image.pixel_hash`.
        crop: the part that was handed off.
        hole: what may change.
    """

    photo: str | None
    size: tuple[int, int]
    sha256: str | None
    pixel_hash: str
    crop: Crop
    hole: InpaintMask


def write_pair(
    folder: str | Path, source: Any, hole: InpaintMask, sizes: Sizes = SIZES, context: float | None = None
) -> list[Path]:
    """Write the pair and its note into a folder, together or not at all.

    `image.png` is a crop of the photograph, `mask.png` of the same size is white where a model has to paint,
    `blend.png` holds the feather, `pair.json` says where they belong.

    Args:
        folder: made if missing.
        source: the photograph.
        hole: what is to be repainted, of `anymask.editing.inpaint_mask.make_inpaint_mask`.
        sizes: that the model takes.
        context: pixels of surroundings on every side.

    Returns:
        The four files.

    Raises:
        InputError: a folder that cannot be written.
    """
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
        },
        "crop": list(crop.box),
        "size": list(crop.size),
        "image": PICTURE,
        "mask": MASK,
        "blend": BLEND,
    }
    with staged_folder(Path(folder)) as stage:
        (stage / PICTURE).write_bytes(encoded(take_crop(image.pixels, crop), "PNG", image.icc_profile))
        (stage / MASK).write_bytes(_grey(mark_crop(hole, crop).view(np.uint8) * np.uint8(255)))
        (stage / BLEND).write_bytes(_grey(blend))
        (stage / NOTE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return publish(stage, (PICTURE, MASK, BLEND, NOTE))


def _grey(levels: NDArray[np.uint8]) -> bytes:
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
        photo, box, size = about["photo"], _four(about["crop"]), about["size"]
        blend = open_image(note.parent / about["blend"]).pixels[..., 0]
        whole = int(photo["width"]), int(photo["height"])
        hashes = photo.get("sha256"), str(photo["pixels"])
        crop = Crop(box, (int(size[0]), int(size[1])))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"cannot read {note} as the note of a pair: {reason}") from None
    if blend.shape != (box[3] - box[1], box[2] - box[0]):
        raise InputError(f"{about['blend']} is {blend.shape[1]}x{blend.shape[0]} and does not fit the crop {list(box)}")
    return Pair(photo.get("path"), whole, *hashes, crop, _hole(blend, box, whole))


def _four(numbers: Any) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(number) for number in numbers)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"crop is {numbers}")
    return x0, y0, x1, y1


def _hole(blend: NDArray[np.uint8], box: tuple[int, int, int, int], size: tuple[int, int]) -> InpaintMask:
    """The hole that a blend picture describes, cut to the photograph."""
    x0, y0, x1, y1 = max(0, box[0]), max(0, box[1]), min(size[0], box[2]), min(size[1], box[3])
    inside = blend[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
    return InpaintMask((x0, y0, x1, y1), (inside / np.float32(255)).astype(np.float32), size)


def paste_back(pair: Pair, source: Any, answer: Any) -> InpaintResult:
    """Put a model's answer into the photograph; pixels outside the hole stay, byte for byte.

    Args:
        pair: of `read_pair`.
        source: the photograph that the pair was cut from.
        answer: what the model made of the pair, of any size with the same proportions.

    Raises:
        InputError: another photograph, or an answer of other proportions.
    """
    image, painted = open_image(source), open_image(answer)
    _check_photo(pair, image)
    wide, high = pair.crop.size
    seen_wide, seen_high = painted.size
    if abs(seen_wide * high - seen_high * wide) > max(seen_wide, wide) + max(seen_high, high):
        raise InputError(
            f"the answer is {seen_wide}x{seen_high}, the pair is {wide}x{high}: its proportions must be the same"
        )
    pixels = image.pixels.copy()
    paste(pixels, painted.pixels, pair.crop, pair.hole, pair.hole.box)
    return InpaintResult(pixels, pair.hole, (pair.crop,), "paste", icc_profile=image.icc_profile)


def _check_photo(pair: Pair, image: Image) -> None:
    """Accept the same file, or another one with the same pixels."""
    if image.file_sha256 is not None and image.file_sha256 == pair.sha256:
        return
    if image.pixel_hash != pair.pixel_hash:
        raise InputError(f"{image.path or 'this picture'} is not the photograph that the pair was cut from")
