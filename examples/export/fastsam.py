"""One object of an image with an exported FastSAM: python fastsam.py FOLDER IMAGE X Y MASK.png

FOLDER is written by `anymask export fastsam-s --to FOLDER`. It takes numpy, onnxruntime and pillow.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def main(folder: str, file: str, x: float, y: float, out: str) -> None:
    """Write the mask of the smallest segment at (x, y), in pixels of the image, as a black and white image."""
    network = onnxruntime.InferenceSession(Path(folder) / "fastsam.onnx", providers=["CPUExecutionProvider"])
    (source,) = network.get_inputs()
    fixed = [side for side in source.shape[2:] if isinstance(side, int)]  # height and width, if it takes no other

    image = Image.open(file).convert("RGB")
    longest = max(fixed or [1024])
    scale = min(longest / image.width, longest / image.height)
    width, height = round(image.width * scale), round(image.height * scale)
    rows, columns = fixed or [-(-side // 32) * 32 for side in (height, width)]
    left, top = (columns - width) // 2, (rows - height) // 2
    frame = Image.new("RGB", (columns, rows), (114, 114, 114))
    frame.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
    pixels = np.asarray(frame, np.float32).transpose(2, 0, 1)[None] / 255
    boxes, prototypes = network.run(None, {source.name: pixels})

    boxes = boxes[0].T[boxes[0, 4] > 0.4]  # a row: centre, size, confidence, coefficients of the mask
    boxes = boxes[np.argsort(-boxes[:, 4])]
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:4] / 2, boxes[:, :2] + boxes[:, 2:4] / 2], axis=1)
    found = []
    for index in without_overlap(corners):
        logits = Image.fromarray(np.tensordot(boxes[index, 5:], prototypes[0], axes=1))
        inside = np.asarray(logits.resize((columns, rows), Image.Resampling.BILINEAR)) > 0
        x0, y0, x1, y1 = np.ceil(corners[index]).clip(0).astype(int)
        mask = np.zeros_like(inside)
        mask[y0:y1, x0:x1] = inside[y0:y1, x0:x1]
        if mask[top + int(y * scale), left + int(x * scale)]:
            found.append(mask[top : top + height, left : left + width])
    if not found:
        sys.exit(f"no segment of sufficient confidence lies at ({x:g}, {y:g})")
    Image.fromarray(min(found, key=np.count_nonzero)).resize(image.size).save(out)


def without_overlap(corners: np.ndarray, most: float = 0.9) -> list[int]:
    """Indices of the boxes, [N, 4], whose IoU with none before them is above ``most``."""
    area, indices = (corners[:, 2:] - corners[:, :2]).prod(axis=1), []
    for index, box in enumerate(corners):
        shared = (np.minimum(box[2:], corners[indices, 2:]) - np.maximum(box[:2], corners[indices, :2])).clip(0).prod(1)
        if not (shared > most * (area[index] + area[indices] - shared)).any():
            indices.append(index)
    return indices


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
