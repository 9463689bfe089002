"""The official FastSAM predictor of ultralytics, around a network of seeded random weights.

The trained weights cannot be had everywhere, and nothing compared here depends on them. Bare random weights, however,
find nothing: signals die out on their way through 60 layers. So the batch norms take their statistics from an image,
the class head's bias is raised until some boxes are sure, and the box head's weights until boxes have different sizes.

ultralytics asks for the version of torchvision when it is imported, and for its `nms` while predicting.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

SURE_SHARE = 0.02
"""The share of the boxes on the calibration image whose confidence is above one half."""


@contextmanager
def torchvision_for_ultralytics(settings: Path) -> Iterator[None]:
    """Let ultralytics run without torchvision inside the block, write its settings to a folder and use no network."""
    real_version, before = importlib.metadata.version, sys.modules.get("torchvision")
    os.environ |= {"YOLO_CONFIG_DIR": str(settings), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    importlib.metadata.version = lambda name: "0.28.0" if name == "torchvision" else real_version(name)
    stand_in = ModuleType("torchvision")
    stand_in.__dict__["ops"] = SimpleNamespace(nms=nms)
    sys.modules["torchvision"] = stand_in
    try:
        yield
    finally:
        importlib.metadata.version = real_version
        del sys.modules["torchvision"]
        if before is not None:
            sys.modules["torchvision"] = before


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Greedy suppression among all boxes, as torchvision's."""
    import torch

    from benchmarks.peers.workers.stand_ins import batched_nms

    return batched_nms(boxes, scores, torch.zeros(len(boxes), dtype=torch.int64), iou_threshold)


def follow_image(model: Any, image: Any) -> Any:
    """Let batch norms take their statistics from an image, float32 [1, 3, H, W], and boxes vary; returns the head."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    model.train()(image)
    head = model.eval().model[-1]
    for branch in head.cv2:
        branch[-1].weight *= 6
    return head


def random_fastsam(pixels: np.ndarray, seed: int = 0) -> Any:
    """FastSAM-s (`yolov8s-seg.yaml` with one class, 11.8 million parameters), alive on an image, uint8 [H, W, 3]."""
    import torch
    from ultralytics.nn.tasks import SegmentationModel

    torch.manual_seed(seed)
    model = SegmentationModel("yolov8s-seg.yaml", nc=1, verbose=False)
    model.names = {0: "object"}
    height, width = (side // 32 * 32 for side in pixels.shape[:2])
    image = torch.from_numpy(pixels[:height, :width].transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        head = follow_image(model, image)
        for branch in head.cv3:
            branch[-1].weight *= 2
        confidence = model(image)[0][0][0, 4]
        raised = -torch.logit(confidence).quantile(1 - SURE_SHARE)
        for branch in head.cv3:
            branch[-1].bias += raised
    return model


def export(model: Any, folder: Path, **options: Any) -> Path:
    """The usual ONNX export of a model: `yolo export format=onnx` with these options."""
    from ultralytics import YOLO

    whole = YOLO("yolov8s-seg.yaml", task="segment", verbose=False)
    model.args, model.task = whole.model.args, "segment"
    whole.model = model
    whole.ckpt_path = str(folder / "FastSAM-s.pt")
    model.pt_path = model.yaml_file = str(folder / "FastSAM-s.pt")
    options = {"dynamic": True, "simplify": False, "opset": 17, "device": "cpu", "verbose": False} | options
    return Path(whole.export(format="onnx", **options))


class Official:
    """The official predictor, set up once for one network: a model or an ONNX file.

    Args:
        network: a `SegmentationModel`, or the path of an export.
        settings: conf, iou, imgsz, max_det.
    """

    def __init__(self, network: Any, **settings: Any) -> None:
        from ultralytics.models.fastsam import FastSAMPredictor

        fixed = {
            "retina_masks": True,
            "rect": True,
            "device": "cpu",
            "save": False,
            "verbose": False,
            "mode": "predict",
        }
        self._predictor = FastSAMPredictor(overrides={**fixed, **settings, "task": "segment"})
        self._predictor.setup_model(model=network, verbose=False)

    def __call__(self, pixels: np.ndarray, **prompts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes [N, 4], confidences [N] and masks [N, H, W] of an RGB image, in the order of the answer."""
        self._predictor.set_prompts(prompts)
        (result,) = self._predictor(np.ascontiguousarray(pixels[..., ::-1]))
        boxes = result.boxes.xyxy.numpy()
        height, width = pixels.shape[:2]
        masks = np.zeros((0, height, width), bool) if result.masks is None else result.masks.data.numpy() > 0
        return boxes, result.boxes.conf.numpy(), masks
