"""One object of an image with exported networks: python segment.py FOLDER IMAGE X Y MASK.png

FOLDER is written by `anymask export mobile-sam --to FOLDER --single-mask`. It takes numpy, onnxruntime and pillow.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def main(folder: str, image: str, x: float, y: float, out: str) -> None:
    """Write the mask of the object at (x, y), in pixels of the image, as a black and white image."""
    encoder, decoder = (
        onnxruntime.InferenceSession(Path(folder) / name, providers=["CPUExecutionProvider"])
        for name in ("encoder.onnx", "decoder.onnx")
    )
    pixels = np.asarray(Image.open(image).convert("RGB"))
    embeddings = encoder.run(["image_embeddings"], {"input_image": pixels.astype(np.float32)})[0]

    height, width = pixels.shape[:2]
    scale = 1024 / max(height, width)
    square = np.floor(np.array([width, height]) * scale + 0.5)  # of the image within 1024×1024 pixels
    points = np.array([[x, y], [0, 0]]) * square / (width, height)  # the click, and one padding point
    masks, scores = decoder.run(
        ["masks", "iou_predictions"],
        {
            "image_embeddings": embeddings,
            "point_coords": points[None].astype(np.float32),
            "point_labels": np.array([[1, -1]], np.float32),  # 0 excludes; 2 and 3 are the corners of a box
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([height, width], np.float32),
        },
    )
    Image.fromarray(masks[0, 0] > 0).save(out)
    print(f"score {scores[0, 0]:.3f}, {np.count_nonzero(masks[0, 0] > 0)} pixels")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
