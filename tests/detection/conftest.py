"""The offline detector with its real weights, and images with known objects in them."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from anymask.detection.base import Detector
from anymask.detection.loading import load_detector


@pytest.fixture(scope="session")
def coco_ssd() -> Detector:
    return load_detector("coco-ssd")


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """512×512: a woman in a space suit, a shuttle and a helmet beside her."""
    return skimage.data.astronaut()
