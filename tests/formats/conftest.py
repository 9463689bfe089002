"""A small result with everything in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import Provenance
from tests.support.mask_shapes import SHAPES, disc


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    path = tmp_path / "a photo é.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8))
    return path


@pytest.fixture
def image_sha256(image_path: Path) -> str:
    return hashlib.sha256(image_path.read_bytes()).hexdigest()


@pytest.fixture
def result(image_path: Path) -> MaskSet:
    """Two masks for two prompts on an image of 50×40."""
    prompts = [
        *make_prompts((50, 40), points=[(25, 20), (2.5, 3)], labels=[1, 0]),
        *make_prompts((50, 40), box=[10, 5, 60, 30]),
    ]
    masks = [
        Mask.from_array(SHAPES["disc"], score=0.9871234567, stability=0.97, follows_prompt=PromptCheck((True, True))),
        Mask.from_array(
            np.pad(disc(25, 40, 9), ((5, 10), (10, 0))),
            score=float("nan"),
            label="dög",
            prompt_index=1,
            follows_prompt=PromptCheck((), 0.31234567, 1.0),
            edits=["filled 1 hole, 3 px"],
        ),
    ]
    run = Provenance("mobile-sam", "openvino", "bf16", "CPU", 2, "0.1.0", {"load": 0.4, "encode": 0.21234567})
    return MaskSet(masks, image=open_image(image_path), prompts=prompts, provenance=run)
