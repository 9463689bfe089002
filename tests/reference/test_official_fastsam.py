"""FastSAM against the official predictor, on one network of random weights that is exported in the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask import ModelError, load, weights
from anymask.export import ExportOptions, export_model
from anymask.prediction.fastsam import FastSamImage
from anymask.structures.overlap import box_iou, iou
from tests.support.example_images import read_pixels

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]  # exporter and predictor warn of much

BOXES_WITHIN = 1.0
SCORES_WITHIN = 1e-3
MASKS_AGREE = 0.99
TIED = 1e-5
"""Scores nearer than this have no order: rounding, which differs between processors, decides it."""
SNAPPED = 20
"""The official predictor moves edges of boxes that are nearer to the border than this onto it, after the masks."""
WHOLE = 0.9
"""And it makes boxes whose IoU with the whole image is above this the whole image."""

Officials = Callable[[int], Any]
Encoder = Callable[..., FastSamImage]


@pytest.fixture(scope="module", autouse=True)
def ultralytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    import torch

    from tests.reference.official_fastsam import torchvision_for_ultralytics

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with torchvision_for_ultralytics(tmp_path_factory.mktemp("settings")):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images(coffee_path: Path) -> dict[str, np.ndarray]:
    """Of both orientations, and of sizes that put the image at whole, half and quarter cells of the prototypes."""
    wide = read_pixels(coffee_path)
    changes = {"landscape": wide, "portrait": np.rot90(wide), "odd": wide[7:300, 3:502], "square": wide[:400, :400]}
    return {name: np.ascontiguousarray(pixels) for name, pixels in changes.items()}


@pytest.fixture(scope="module")
def network(ultralytics: None, images: dict[str, np.ndarray]) -> Any:
    from tests.reference.official_fastsam import random_fastsam

    return random_fastsam(images["landscape"])


@pytest.fixture(scope="module")
def exports(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Options of the export → file; each is exported once."""
    from tests.reference.official_fastsam import export

    return cache(lambda **options: export(network, tmp_path_factory.mktemp("export"), **options))


@pytest.fixture(scope="module")
def official(network: Any) -> Officials:
    """Side → the official predictor around the network itself."""
    from copy import deepcopy

    from tests.reference.official_fastsam import Official

    return cache(lambda imgsz: Official(deepcopy(network), conf=0.4, iou=0.9, imgsz=imgsz, max_det=300))


@pytest.fixture
def encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """(export, pixels, options of load) → this library's encoded, by way of the user's catalogue."""
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))

    def make(export: Path, pixels: np.ndarray, engine: str = "openvino", **options: Any) -> FastSamImage:
        if "fastsam-s" not in weights.all_models():
            weights.add_model(
                "fastsam-s", [export], family="fastsam", weights_licence="AGPL-3.0", code_licence="AGPL-3.0"
            )
        segmenter = load("fastsam-s", engine=engine, threads=2, device="cpu", store=False, allow="agpl-3.0", **options)
        return segmenter.encode(pixels)

    return make


def check_agreement(
    encoded: FastSamImage, expected: tuple[np.ndarray, np.ndarray, np.ndarray], **settings: Any
) -> None:
    """Compare boxes, scores, order and masks with the official ones."""
    boxes, scores, masks = expected
    assert len(boxes) > 50
    limit = settings.get("max_det", 300)

    def found(max_det: int) -> tuple[Any, list[int]]:
        segments = encoded.segments(conf=settings.get("conf"), iou=settings.get("iou"), max_det=max_det)
        return segments, [i for i in range(len(segments)) if segments.area(i)]  # the official answer drops empty masks

    segments, seen = found(limit)
    assert len(seen) == len(boxes)
    np.testing.assert_allclose(segments.scores[seen], scores, atol=SCORES_WITHIN)
    segments, seen = found(limit + 8)  # what is tied with the last may be the official last
    order = [
        seen[i] for i in in_official_order(segments.scores[seen], snapped(segments.boxes[seen], encoded.size), boxes)
    ]
    np.testing.assert_allclose(snapped(segments.boxes[order], encoded.size), boxes, atol=BOXES_WITHIN)
    for index, mask in zip(order, masks, strict=True):
        assert iou(segments.render(index), mask) >= MASKS_AGREE


def in_official_order(scores: np.ndarray, ours: np.ndarray, official: np.ndarray) -> list[int]:
    """Which of our boxes, best first, stands for each official one: that of its rank, or one whose score is tied."""
    order: list[int] = []
    for rank, box in enumerate(official):
        tied = [i for i in np.flatnonzero(np.abs(scores - scores[rank]) <= TIED).tolist() if i not in order]
        order.append(min(tied, key=lambda i: float(np.abs(ours[i] - box).max())))
    return order


def snapped(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes as the official predictor reports them."""
    near = np.where(boxes[:, :2] < SNAPPED, 0, boxes[:, :2])
    far = np.where(boxes[:, 2:] > np.subtract(size, SNAPPED), size, boxes[:, 2:])
    moved = np.concatenate([near, far], axis=1)
    whole = [0, 0, *size]
    return np.array([whole if box_iou(box, whole) > WHOLE else box for box in moved])


@pytest.mark.parametrize("name", ["landscape", "portrait", "odd", "square"])
@pytest.mark.parametrize("imgsz", [640, 1024])
def test_boxes_masks_and_order_are_the_official_ones(
    exports: Any, official: Officials, encode: Encoder, images: dict[str, np.ndarray], imgsz: int, name: str
) -> None:
    encoded = encode(exports(dynamic=True), images[name], imgsz=imgsz)
    check_agreement(encoded, official(imgsz)(images[name]))


def test_the_other_engine_agrees_too(
    exports: Any, official: Officials, encode: Encoder, images: dict[str, np.ndarray]
) -> None:
    encoded = encode(exports(dynamic=True), images["odd"], engine="onnxruntime", imgsz=640)
    check_agreement(encoded, official(640)(images["odd"]))


def test_an_export_of_fixed_size_sees_the_whole_square(
    exports: Any, encode: Encoder, images: dict[str, np.ndarray]
) -> None:
    from tests.reference.official_fastsam import Official

    file = exports(dynamic=False, imgsz=416)
    expected = Official(str(file), conf=0.4, iou=0.9, imgsz=416, max_det=300)(images["portrait"])
    check_agreement(encode(file, images["portrait"]), expected)
    with pytest.raises(ModelError, match="takes 416x416 only: imgsz=640 needs an export with dynamic=True"):
        encode(file, images["portrait"], imgsz=640)


@pytest.mark.parametrize(("file_format", "path"), [("onnx", "fastsam.onnx"), ("openvino", "fastsam_openvino_model")])
def test_ultralytics_loads_what_anymask_exports(
    exports: Any,
    encode: Encoder,
    images: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
    path: str,
) -> None:
    import openvino

    from tests.reference.official_fastsam import Official

    class ExactCore(openvino.Core):
        """ultralytics leaves the precision to the processor, and bf16 moves boxes."""

        def compile_model(self, model: Any, device_name: str, config: dict[str, Any]) -> Any:
            return super().compile_model(model, device_name, {**config, "INFERENCE_PRECISION_HINT": "f32"})

    encoded = encode(exports(dynamic=True), images["odd"], imgsz=640)
    report = export_model("fastsam-s", tmp_path / "out", ExportOptions(format=file_format), allow="agpl-3.0")
    assert report.least_iou > 0.98
    monkeypatch.setattr(openvino, "Core", ExactCore)
    official = Official(str(tmp_path / "out" / path), conf=0.4, iou=0.9, imgsz=640, max_det=60)
    check_agreement(encoded, official(images["odd"]), max_det=60)


@pytest.mark.parametrize(("conf", "iou", "max_det"), [(0.25, 0.5, 300), (0.6, 0.95, 60)])
def test_settings_mean_the_same(
    network: Any, exports: Any, encode: Encoder, images: dict[str, np.ndarray], conf: float, iou: float, max_det: int
) -> None:
    from copy import deepcopy

    from tests.reference.official_fastsam import Official

    settings = {"conf": conf, "iou": iou, "max_det": max_det}
    expected = Official(deepcopy(network), imgsz=640, **settings)(images["landscape"])
    encoded = encode(exports(dynamic=True), images["landscape"], imgsz=640)
    check_agreement(encoded, expected, **settings)
    assert len(encoded.everything(**settings)) == len(expected[0])


@pytest.mark.parametrize(
    ("prompt", "arguments"),
    [
        ({"points": [[300, 200]], "labels": [1]}, {"points": [(300, 200)]}),
        ({"points": [[300, 200], [80, 90], [500, 350]], "labels": [1, 1, 0]}, None),
        ({"points": [[300, 200]], "labels": [0]}, {"points": [(300, 200)], "labels": [0]}),
        ({"bboxes": [[170, 14, 412, 264]]}, {"box": [170, 14, 412, 264]}),
    ],
)
def test_union_mode_is_the_official_mask_of_a_prompt(
    exports: Any,
    official: Officials,
    encode: Encoder,
    images: dict[str, np.ndarray],
    prompt: dict[str, Any],
    arguments: dict[str, Any] | None,
) -> None:
    _, _, masks = official(640)(images["landscape"], **prompt)
    encoded = encode(exports(dynamic=True), images["landscape"], imgsz=640)
    (mask,) = encoded.segment(**(arguments or prompt), mode="union")
    assert masks.any()
    assert iou(mask.array, masks.any(axis=0)) >= MASKS_AGREE
