"""The offline detector with its real weights on images with known objects in them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from anymask import ModelError, PromptError, open_image
from anymask.detection.base import Detector
from anymask.detection.coco_ssd import CocoSsd
from anymask.detection.options import DetectionOptions
from anymask.detection.search import detect
from anymask.errors import EngineError
from anymask.structures.overlap import box_iou


@pytest.mark.parametrize(
    ("photo", "text", "label", "box"),
    [
        ("astronaut", "person", "person", (10, 10, 370, 512)),
        ("astronaut", "women", "person", (10, 10, 370, 512)),
        ("chelsea", "a kitten", "cat", (0, 0, 405, 300)),
        ("coffee", "mug", "cup", (170, 14, 412, 240)),
        ("stereo_motorcycle", "motorbike", "motorcycle", (100, 75, 685, 455)),
        ("camera", "man", "person", (0, 60, 300, 512)),
    ],
)
def test_the_named_thing_is_found_where_it_is(
    coco_ssd: Detector, photo: str, text: str, label: str, box: tuple[int, ...]
) -> None:
    picture = getattr(skimage.data, photo)()
    pixels = open_image(picture[0] if isinstance(picture, tuple) else picture).pixels
    detections = detect(coco_ssd, pixels, text)
    assert detections.labels == (label,)
    assert detections.phrases == (text,)
    assert box_iou(detections.boxes[0], box) > 0.85


def test_scores_are_those_of_the_trained_network(coco_ssd: Detector, chelsea_path: Path) -> None:
    # TensorFlow's own graph of the same weights, run by OpenVINO's TensorFlow frontend, gives 0.92 as well.
    (cat,) = detect(coco_ssd, open_image(chelsea_path).pixels, "cat")
    assert cat.score == pytest.approx(0.92, abs=0.01)


def test_what_is_not_there_is_not_found(coco_ssd: Detector, astronaut: NDArray[np.uint8]) -> None:
    assert len(detect(coco_ssd, astronaut, "zebra, pizza, toaster")) == 0
    assert len(detect(coco_ssd, np.zeros((50, 80, 3), np.uint8), "dog, cat, person")) == 0


def test_one_object_under_two_words_is_one(coco_ssd: Detector, astronaut: NDArray[np.uint8]) -> None:
    assert len(detect(coco_ssd, astronaut, "person, woman, people")) == 1


def test_a_batch_answers_as_one_by_one(coco_ssd: Detector, astronaut: NDArray[np.uint8], coffee_path: Path) -> None:
    images = [astronaut, open_image(coffee_path).pixels, astronaut[::-1].copy()] * 4
    together = coco_ssd.detect(images, ("person", "cup"), 0.2)
    for picture, output in zip(images, together, strict=True):
        (alone,) = coco_ssd.detect([picture], ("person", "cup"), 0.2)
        assert alone.labels == output.labels
        np.testing.assert_allclose(alone.boxes, output.boxes, atol=0.05)
        np.testing.assert_allclose(alone.scores, output.scores, atol=1e-4)


def test_threads_get_the_answers_of_their_own_images(
    coco_ssd: Detector, astronaut: NDArray[np.uint8], coffee_path: Path
) -> None:
    images = {"person": astronaut, "cup": open_image(coffee_path).pixels}
    with ThreadPoolExecutor(4) as pool:
        labels = [label for _ in range(6) for label in images]
        detections = pool.map(lambda label: detect(coco_ssd, images[label], "person, cup").labels, labels)
        assert list(detections) == [(label,) for label in labels]


def test_a_small_thing_is_found_at_a_closer_look(coco_ssd: Detector, chelsea_path: Path) -> None:
    cat = open_image(chelsea_path).pixels
    encoded = np.full((2400, 3600, 3), (120, 150, 90), np.uint8)
    encoded[1500:1800, 2200:2651] = cat
    assert len(detect(coco_ssd, encoded, "cat")) == 0
    detections = detect(coco_ssd, encoded, "cat", DetectionOptions(zoom=4))
    assert detections.labels == ("cat",)
    assert box_iou(detections.boxes[0], [2200, 1500, 2651, 1800.0]) > 0.6


@pytest.mark.parametrize("text", ["🐶", "", "unicorn", ["a unicorn", "a happy dog"]])
def test_bad_words_are_refused(coco_ssd: Detector, text: str | list[str], astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(PromptError):
        detect(coco_ssd, astronaut, text)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (700, 2, 3)])
def test_odd_shapes_are_looked_at(coco_ssd: Detector, shape: tuple[int, ...]) -> None:
    assert len(detect(coco_ssd, np.full(shape, 90, np.uint8), "dog", DetectionOptions(zoom=2))) == 0


def test_files_that_are_no_network_are_refused(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("graph.pb", "graph.pbtxt")}
    for path in files.values():
        path.write_bytes(b"no network at all")
    with pytest.raises(EngineError, match=r"cannot read .*graph\.pb"):
        CocoSsd(files)
    with pytest.raises(ModelError, match=r"needs a \.pbtxt file, and has graph\.pb"):
        CocoSsd({"graph.pb": files["graph.pb"]})
