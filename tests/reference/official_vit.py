"""The official Segment Anything with ViT encoders of any size and seeded random weights.

Trained weights of these models are too large to fetch for a test. Random ones exercise the same arithmetic, as long
as nothing is left at the zeros that the official code starts with: positions, relative positions, biases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.reference.official import segment_anything

VIT_B: dict[str, Any] = {
    "encoder_embed_dim": 768,
    "encoder_depth": 12,
    "encoder_num_heads": 12,
    "encoder_global_attn_indexes": [2, 5, 8, 11],
}
LIKE_VIT_L: dict[str, Any] = {
    "encoder_embed_dim": 128,
    "encoder_depth": 24,
    "encoder_num_heads": 16,
    "encoder_global_attn_indexes": [5, 11, 17, 23],
}
"""ViT-L's depth, heads and global blocks, with an eighth of its width."""


def random_sam(shape: dict[str, Any], seed: int = 0) -> Any:
    """Build the official `Sam` with random weights, float32, on the CPU, in evaluation mode."""
    segment_anything()
    from segment_anything.build_sam import _build_sam

    torch.manual_seed(seed)
    model = _build_sam(**shape).eval()
    randomize(model)
    return model


def randomize(model: Any) -> None:
    """Give random values to the parameters of a model that the official code starts with zeros or ones."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "rel_pos" in name or "pos_embed" in name or name == "no_mem_embed":
                parameter.normal_(std=0.2)
            elif name.endswith("bias"):
                parameter.normal_(std=0.1)
            elif parameter.ndim == 1:
                parameter.normal_(mean=1.0, std=0.1)


def save_checkpoint(model: Any, path: Path) -> Path:
    """Write a model's weights as the official `.pth` files have them."""
    torch.save(model.state_dict(), path)
    return path


def predictor_of(model: Any, pixels: np.ndarray) -> Any:
    """An official `SamPredictor` with the embedding of uint8 [H, W, 3] RGB pixels already made."""
    predictor = segment_anything().SamPredictor(model)
    predictor.set_image(pixels)
    return predictor
