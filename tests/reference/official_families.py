"""The official code of the families under SAM's decoder, with seeded random weights.

`segment-anything-hq` 0.3 (HQ-SAM), `efficientsam` 1.0.0 (EfficientViT-SAM, despite its name) and `visaion4edgesam` 1.0
(EdgeSAM). Trained weights cannot be fetched for a test. Random ones exercise the same arithmetic, as long as nothing is
left at the zeros and ones that the official code starts with: biases, norms, the statistics of batch norms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch

from benchmarks.peers.workers.stand_ins import torchvision_and_timm
from tests.reference.official_vit import VIT_B, randomize


def hq_vit_b() -> Any:
    """HQ-SAM on ViT-B."""
    with torchvision_and_timm():
        from segment_anything_hq.build_sam import _build_sam
    return _build_sam(**VIT_B)


def light_hq() -> Any:
    """Light HQ-SAM, on TinyViT."""
    with torchvision_and_timm():
        from segment_anything_hq.build_sam import build_sam_vit_t
    return build_sam_vit_t()


def edge_sam() -> Any:
    """EdgeSAM, on RepViT."""
    with torchvision_and_timm(), _without_training():
        from edge_sam.build_sam import build_edge_sam
    return build_edge_sam()


def efficientvit_sam_l0() -> Any:
    """EfficientViT-SAM L0, of 512 pixels."""
    return _efficientvit("l0")


def efficientvit_sam_l1() -> Any:
    """EfficientViT-SAM L1, of 512 pixels."""
    return _efficientvit("l1")


def efficientvit_sam_xl0() -> Any:
    """EfficientViT-SAM XL0, of 1,024 pixels."""
    return _efficientvit("xl0")


def _efficientvit(size: str) -> Any:
    with torchvision_and_timm():
        from efficientsam.sam_model_zoo import create_efficientvit_sam_model
    return create_efficientvit_sam_model(f"efficientvit-sam-{size}", pretrained=False)


@contextmanager
def _without_training() -> Iterator[None]:
    """Let EdgeSAM import what only its training and its region proposals use."""
    heads = {
        "mmdet.models.dense_heads": ("RPNHead", "CenterNetUpdateHead"),
        "mmdet.models.necks": ("FPN",),
        "projects.EfficientDet": ("efficientdet",),
        "mmengine": ("ConfigDict",),
        "loralib": (),
    }
    before = set(sys.modules)
    for name, contents in heads.items():
        module = ModuleType(name)
        module.__dict__.update(dict.fromkeys(contents))
        sys.modules[name] = module
    for name in ("mmdet", "mmdet.models", "projects"):
        sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        for name in (*heads, "mmdet", "mmdet.models", "projects"):
            if name not in before:
                del sys.modules[name]


def with_random_weights(build: Callable[[], Any], seed: int = 0) -> Any:
    """A model, float32, on the CPU, in evaluation mode, all of whose parameters and statistics are random."""
    torch.manual_seed(seed)
    model = build().eval()
    randomize(model)
    with torch.no_grad():
        for name, statistic in model.named_buffers():
            if name.endswith("running_mean"):
                statistic.normal_(std=0.1)
            elif name.endswith("running_var"):
                statistic.uniform_(0.5, 1.5)
    return model


def predictor_of(model: Any, pixels: np.ndarray) -> Any:
    """The family's official predictor with the embedding of uint8 [H, W, 3] RGB pixels already made."""
    with torchvision_and_timm(), _without_training():
        if type(model).__module__.startswith("efficientsam"):
            from efficientsam.models.efficientvit.sam import EfficientViTSamPredictor as Predictor
        elif type(model).__module__.startswith("edge_sam"):
            from edge_sam.predictor import SamPredictor as Predictor
        else:
            from segment_anything_hq import SamPredictor as Predictor
    predictor = Predictor(model)
    predictor.set_image(pixels)
    return predictor
