"""Masks in requests and responses, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from anymask.errors import PromptError
from anymask.formats import masks_json, png
from anymask.prediction.encoded_image import EncodedImage
from anymask.structures.mask import Mask

StoreMask = Callable[[Mask], str]
"""Stores a mask for later requests and returns its reference."""


def mask_to_json(mask: Mask, form: str, image: str, store: StoreMask | None, root_path: str) -> dict[str, Any]:
    """One mask in the form that the request names, with the reference under which it is stored.

    Args:
        mask: its pixels are released afterwards.
        form: "rle", "polygons" or "png".
        image: id of its image.
        store: None if no later request refers to it.
        root_path: of the server, where the address of the stored mask begins.
    """
    entry = masks_json.mask_to_dict(mask)
    if form == "polygons":
        entry["polygons"] = [[ring.tolist() for ring in part] for part in mask.polygons]
    elif form == "png":
        entry["png"] = base64.b64encode(png.encode_png(mask.array)).decode()
    if form != "rle":
        del entry["rle"]
    reference = store(mask) if store else None
    file = f"{root_path}/v1/images/{image}/masks/{reference}.png" if reference else None
    mask.release()
    return {**entry, "file": file, "id": reference, "logits": reference}


def mask_from_rle(rle: dict[str, Any], size: tuple[int, int]) -> Mask:
    """A mask that a client sent.

    Raises:
        InputError: damaged run lengths.
        PromptError: of another size than the image; checked before the run lengths are decoded.
    """
    height, width = rle["size"]
    if (width, height) != size:
        raise PromptError(f"the mask is for {width}x{height} pixels, the image has {size[0]}x{size[1]}")
    return Mask.from_rle(rle)


def run_to_json(encoded: EncodedImage, image: str) -> dict[str, Any]:
    """The image, and the model that runs on it."""
    run = encoded.provenance
    names = ("model", "engine", "precision", "device", "version")
    return {
        "image": {"id": image, "width": encoded.size[0], "height": encoded.size[1]},
        **{name: getattr(run, name) for name in names},
    }
