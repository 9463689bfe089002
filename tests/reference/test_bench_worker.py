"""The worker that drives the official code beside the other tools, in this environment, which has what it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import anymask
from benchmarks.peers.agreement import iou
from benchmarks.peers.environment import Environment
from benchmarks.peers.process import Worker
from benchmarks.peers.weight_files import weight_files
from tests.support.model_files import encoder_and_decoder

pytestmark = pytest.mark.reference


def test_the_official_worker_gives_the_masks_of_the_library(coffee_path: Path, tmp_path: Path) -> None:
    environment = Environment(str(tmp_path), sys.executable, 0, {})
    files = weight_files("parameters", *encoder_and_decoder(), tmp_path)
    encoded = anymask.load("mobile-sam", precision="f32", store=False).encode(coffee_path)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with Worker(environment.command("official"), variables, tmp_path) as worker:
        worker.run("load", image_path=str(coffee_path), folder=str(tmp_path), threads=2, **files)
        worker.run("encode")
        click = worker.run("click", keep=True, point=[110, 300])
        boxes = worker.run("boxes", keep=True, boxes=[[170, 14, 412, 264], [315, 65, 430, 330]])
        command = worker.run("command", point=[110, 300], out=str(tmp_path / "out")).facts
    ours = encoded.predict(points=[(110, 300)], labels=[1])
    assert click.masks is not None
    assert click.best is not None
    assert click.masks.shape == ours.masks.shape
    assert iou(click.best, ours.masks[int(ours.scores.argmax())]) > 0.999
    assert boxes.masks is not None
    (alone,) = encoded.predict(box=[170, 14, 412, 264], multimask=False).masks
    assert iou(boxes.masks[0], alone) > 0.999
    assert command["module"] == "official_command"
    assert (tmp_path / "mobile_sam.pth").is_file()
