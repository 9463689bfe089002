"""The official PyTorch code, with the library's own weights: the yardstick of every comparison.

`mobilesam-lite` 0.1.2 carries the original MobileSAM code (`mobile_sam`), `segment-anything` 1.0 the original
Segment Anything.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.peers.official_parameters import read_official_parameters
from benchmarks.peers.workers.official_model import build, mobile_sam
from benchmarks.peers.workers.stand_ins import torchvision_and_timm

__all__ = ["load_official_model", "mobile_sam", "official_predictor", "segment_anything"]


@lru_cache(maxsize=1)
def segment_anything() -> ModuleType:
    """The original Segment Anything code."""
    with torchvision_and_timm():
        import segment_anything as module
    return module


def load_official_model(encoder_onnx: Path, decoder_onnx: Path) -> Any:
    """Build the official `vit_t` model with the weights of the two ONNX files.

    Returns:
        The official `Sam` module, float32, on the CPU, in evaluation mode.

    Raises:
        ValueError: the files lack a parameter of the official model, or hold one it doesn't know.
    """
    return build(read_official_parameters(encoder_onnx, decoder_onnx))


def official_predictor(model: Any, pixels: np.ndarray) -> Any:
    """An official `SamPredictor` with the embedding of uint8 [H, W, 3] RGB pixels already made."""
    predictor = mobile_sam().SamPredictor(model)
    predictor.set_image(pixels)
    return predictor
