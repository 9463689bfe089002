"""YOLO-World and YOLOE of ultralytics with fixed words, around networks of seeded random weights.

`set_classes` of both asks a CLIP model for the embeddings of the words, whose weights cannot be had everywhere. Random
embeddings take their place: YOLOE takes them as an argument, and of YOLO-World they are the attribute that its
`set_classes` sets. As in `tests.reference.official_fastsam`, batch norms take their statistics from an image, and the
bias of the class head is raised until some boxes are sure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.official_fastsam import follow_image

SIDE = 320
SURE_SHARE = 0.01
"""The share of the boxes on the calibration image whose highest score is above one half."""


def random_yolo_world(words: list[str], pixels: np.ndarray, folder: Path) -> Any:
    """YOLO-World v2, the smallest, with these words as its classes, alive on an image, uint8 [320, 320, 3]."""
    import torch
    from ultralytics import YOLOWorld

    torch.manual_seed(0)
    whole = YOLOWorld("yolov8n-worldv2.yaml", verbose=False)
    whole.model.txt_feats = torch.nn.functional.normalize(torch.randn(1, len(words), 512), dim=-1)
    whole.model.model[-1].nc = len(words)
    whole.model.names = dict(enumerate(words))
    return _alive(whole, pixels, folder / "world.pt")


def random_yoloe(words: list[str], pixels: np.ndarray, folder: Path) -> Any:
    """YOLOE for boxes and masks, as it is published, the smallest, with these words as its classes."""
    import torch
    from ultralytics import YOLOE

    torch.manual_seed(1)
    whole = YOLOE("yoloe-v8n-seg.yaml", verbose=False)
    whole.set_classes(words, torch.nn.functional.normalize(torch.randn(1, len(words), 512), dim=-1))
    return _alive(whole, pixels, folder / "yoloe.pt")


def _alive(whole: Any, pixels: np.ndarray, path: Path) -> Any:
    import torch

    model = whole.model
    image = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        head = follow_image(model, image)
        output = model(image)
        while not isinstance(output, torch.Tensor):
            output = output[0]
        best = output[0, 4 : 4 + len(model.names)].max(dim=0).values
        raised = -torch.logit(best.clamp(1e-6, 1 - 1e-6)).quantile(1 - SURE_SHARE)
        for branch in head.cv4:
            branch.bias += raised
    whole.ckpt_path = model.pt_path = str(path)
    return whole


def export(whole: Any) -> Path:
    """`yolo export format=onnx`, for images of 320×320 pixels."""
    return Path(
        whole.export(format="onnx", imgsz=SIDE, simplify=False, opset=17, device="cpu", verbose=False, dynamic=False)
    )


def predict(whole: Any, pixels: np.ndarray, conf: float, iou: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Boxes [N, 4], scores [N] and labels of an RGB image of 320×320 pixels, as ultralytics predicts them."""
    (result,) = whole.predict(
        np.ascontiguousarray(pixels[..., ::-1]), conf=conf, iou=iou, imgsz=SIDE, rect=False, max_det=300, device="cpu",
        verbose=False, save=False,
    )  # fmt: skip
    boxes = result.boxes
    return boxes.xyxy.numpy(), boxes.conf.numpy(), [result.names[int(each)] for each in boxes.cls]
