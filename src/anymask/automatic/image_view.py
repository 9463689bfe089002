"""An image as a mask generator prompts it: the whole of it, or a crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.crop_boxes import CropBox
from anymask.models.base import Model
from anymask.structures.prompt import Prompt, point_prompts
from anymask.structures.transforms import ResizeLongestSide

DecodePlaces = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Points [B, 2] or boxes [B, 4] in pixels of the view → logits [B, 4, rows, columns] and predicted IoU [B, 4].

The rows and columns are the first of the 256, at least those of `anymask.automatic.mask_data.logit_shape`."""


@dataclass(frozen=True, eq=False)
class ImageView:
    """An encoded image, or an encoded crop of one.

    Attributes:
        transform: the view's geometry in the model.
        embedding: float32 [1, 4096, 256], the numbers of each image token that sampling compares.
        decode: decodes points and boxes.
        crop: encodes a crop of the view, given in its pixels.
        parallel_requests: how many calls of `decode` pay off at once.
    """

    transform: ResizeLongestSide
    embedding: NDArray[np.float32]
    decode: DecodePlaces
    crop: Callable[[CropBox], ImageView] | None = None
    parallel_requests: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.transform.width, self.transform.height


def image_view(
    model: Model, pixels: NDArray[np.uint8], embedding: NDArray[np.float32], *, searching: bool
) -> ImageView:
    """The view of an image that a model has encoded.

    Args:
        model: encodes crops, and decodes.
        pixels: uint8 [H, W, 3] RGB.
        embedding: of the pixels, of `anymask.models.base.Model.encode`.
        searching: as for `anymask.models.base.Model.decode`.
    """
    transform = model.geometry(pixels.shape[1], pixels.shape[0])

    def decode(places: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return model.decode(embedding, transform, _prompts(places), searching=searching)

    def crop(box: CropBox) -> ImageView:
        x0, y0, x1, y1 = box
        part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
        return image_view(model, part, model.encode(part), searching=searching)

    return ImageView(transform, embedding[..., :256], decode, crop, model.parallel_requests if searching else 1)


def _prompts(places: NDArray[np.float64]) -> Sequence[Prompt]:
    """One prompt for each point [B, 2] or box [B, 4]."""
    return point_prompts(places) if places.shape[1] == 2 else [Prompt(box=box) for box in places]
