"""Our model for FiftyOne, with FiftyOne's own classes and without its database."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from anymask import EncodedImage
from tests.support.import_graph import SOURCE
from tests.support.tool_environments import tool_python

pytestmark = pytest.mark.tools

SCRIPT = Path(__file__).with_name("fiftyone_model.py")


def test_its_loop_gets_detections_with_masks(coffee: EncodedImage, coffee_path: Path, tmp_path: Path) -> None:
    packages = sysconfig.get_path("purelib")
    command = [tool_python("fiftyone"), SCRIPT, SOURCE.parent, packages, coffee_path]
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    detections = json.loads(done.stdout.splitlines()[-1])
    own = coffee.segment_text("cup", detector="coco-ssd")
    assert len(detections) == len(own) > 0
    for each, mask in zip(detections, own, strict=True):
        x, y = round(each["box"][0] * 600), round(each["box"][1] * 400)
        crop = np.array(each["mask"], bool)
        drawn = np.zeros((400, 600), bool)
        drawn[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        assert (drawn & mask.array).sum() / (drawn | mask.array).sum() > 0.98
        assert each["label"] == "cup"
        assert each["confidence"] == pytest.approx(mask.detector_score, abs=0.01)
