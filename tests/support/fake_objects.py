"""Images whose objects are known: their masks, the masks an exact model would decode of them, and a fake model."""

import math

import numpy as np

from anymask.automatic.crop_merging import CropWindow, Piece
from anymask.automatic.image_view import ImageView
from anymask.structures.transforms import ResizeLongestSide


class FakeModel:
    """Takes images whose pixels are object numbers, and decodes a point as the object under it.

    The mask of a point on number 0 passes no threshold. Logits have the resolution of the real model: 256×256.
    """

    def __init__(self, blind_to_size=None):
        self.encoded = []
        self._blind_to_size = blind_to_size

    def encode(self, pixels):
        height, width = pixels.shape[:2]
        self.encoded.append((width, height))
        columns, rows = _pixels_of_cells(ResizeLongestSide(width, height))
        cells = np.full((256, 256), -1.0, np.float32)
        numbers = pixels[..., 0].astype(np.float32) * 256 + pixels[..., 1]
        cells[: len(rows), : len(columns)] = numbers[np.ix_(rows, columns)]
        embedding = np.zeros((1, 4096, 256), np.float32)
        embedding.reshape(-1)[: 256 * 256] = cells.reshape(-1)
        return embedding

    def view(self, pixels):
        embedding = self.encode(pixels)
        frame = ResizeLongestSide(pixels.shape[1], pixels.shape[0])

        def crop(box):
            x0, y0, x1, y1 = box
            return self.view(pixels[y0:y1, x0:x1])

        return ImageView(frame, embedding, self.decode_for(embedding, frame), crop)

    def decode_for(self, embedding, frame):
        number_of_cell = embedding.reshape(-1)[: 256 * 256].reshape(256, 256)

        def decode(points):
            cells = (frame.to_model(points) / 4).astype(int)
            numbers = number_of_cell[cells[:, 1], cells[:, 0]]
            masks = np.where(number_of_cell == numbers[:, None, None], 8.0, -8.0).astype(np.float32)
            visible = (numbers > 0) & ((frame.width, frame.height) != self._blind_to_size)
            scores = np.zeros((len(points), 4), np.float32)
            scores[:, 1] = np.where(visible, 0.95, 0.1)
            return np.repeat(masks[:, None], 4, axis=1), scores

        return decode


def _pixels_of_cells(frame):
    """Columns and rows of the image at the middles of the logit cells."""
    for side, resized in ((frame.width, frame.resized[0]), (frame.height, frame.resized[1])):
        middles = (np.arange(math.ceil(resized / 4)) * 4 + 2) * (side / resized)
        yield np.minimum(middles.astype(int), side - 1)


def numbered_image(size, masks):
    """An image whose pixels number the masks from 1."""
    numbers = np.zeros(size[::-1], np.uint16)
    for number, mask in enumerate(masks, 1):
        numbers[mask] = number
    return np.stack([numbers >> 8, numbers & 255, numbers * 0], axis=-1).astype(np.uint8)


def rectangle(size, x0, y0, x1, y1):
    mask = np.zeros(size[::-1], bool)
    mask[y0:y1, x0:x1] = True
    return mask


def piece(crop, mask, layer=1, score=0.95):
    """The piece of a mask of the image that an exact model would decode in one crop."""
    x0, y0, x1, y1 = crop
    frame = ResizeLongestSide(x1 - x0, y1 - y0)
    columns, rows = _pixels_of_cells(frame)
    cut = mask[y0:y1, x0:x1]
    logits = np.where(cut[np.ix_(rows, columns)], 8, -8).astype(np.float16)
    inside_y, inside_x = np.nonzero(cut)
    box = np.array([inside_x.min() + x0, inside_y.min() + y0, inside_x.max() + x0 + 1, inside_y.max() + y0 + 1], float)
    return Piece(crop, layer, CropWindow.around(logits), box, float(cut.sum()), score, 0.99, (box[0], box[1]))


def pieces_of(mask, crops, **about):
    touched = [crop for crop in crops if mask[crop[1] : crop[3], crop[0] : crop[2]].any()]
    pieces = [piece(crop, mask, **about) for crop in touched]
    return [one for one in pieces if one.window.values.size]  # a sliver thinner than a logit cell has no mask
