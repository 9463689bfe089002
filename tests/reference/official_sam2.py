"""The official SAM 2.1 of sam2 1.1.0, in its four sizes or smaller, with seeded random weights.

Trained weights cannot be fetched for a test. Random ones exercise the same arithmetic, as long as nothing is left at
the zeros that the official code starts with: positions, biases, the embedding of "no memory".
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from benchmarks.peers.workers.stand_ins import torchvision_and_timm
from tests.reference.official_vit import randomize

CONFIGS = {
    name: f"configs/sam2.1/sam2.1_hiera_{letter}.yaml"
    for name, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}


@lru_cache(maxsize=1)
def sam2() -> ModuleType:
    """The official code; its predictor is `sam2_image_predictor.SAM2ImagePredictor`."""
    with torchvision_and_timm():
        import sam2.sam2_image_predictor as module
    return module


def random_sam2(size: str, seed: int = 0) -> Any:
    """Build an official model with random weights, float32, on the CPU, in evaluation mode.

    The filters of the masks are enlarged, so that logits reach beyond ±32, as trained ones do.
    """
    sam2()
    from sam2.build_sam import build_sam2

    torch.manual_seed(seed)
    model = build_sam2(CONFIGS[size], None, device="cpu")
    randomize(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if re.search(r"output_hypernetworks_mlps\.\d\.layers\.2\.weight", name):
                parameter.mul_(100)
    return model


def save_checkpoint(model: Any, path: Path) -> Path:
    """Write a model's weights as the official `.pt` files have them."""
    torch.save({"model": model.state_dict()}, path)
    return path


def predictor_of(model: Any, pixels: np.ndarray) -> Any:
    """An official `SAM2ImagePredictor` with the embedding of uint8 [H, W, 3] RGB pixels already made."""
    predictor = sam2().SAM2ImagePredictor(model)
    predictor.set_image(pixels)
    return predictor
