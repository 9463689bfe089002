"""YOLO exports by file. No trained YOLO is free enough to ship, so small graphs answer in its layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from anymask import ModelError, PromptError, weights
from anymask.detection.loading import load_detector
from anymask.detection.search import detect
from anymask.detection.yolo import read_classes
from anymask.errors import InputError

NAMES = ["person", "red square", "dog"]


def export(
    path: Path, output: NDArray[np.float32], names: object = None, shape: tuple[object, ...] = (1, 3, 64, 96)
) -> Path:
    """Write a network that gives this answer to every picture."""
    source = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"]),
    ]
    weights = [numpy_helper.from_array(output, "answer"), numpy_helper.from_array(np.float32(0), "zero")]
    model = helper.make_model(
        helper.make_graph(nodes, "yolo", [source], [result], weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    if names is not None:
        helper.set_model_props(model, {"names": repr(names), "task": "detect"})
    onnx.save(model, path)
    return path


def version_8(*rows: tuple[float, ...], classes: int = 3, count: int = 84) -> NDArray[np.float32]:
    """[1, 4 + classes, N] from rows of centre x, centre y, width, height, then class scores."""
    output = np.zeros((1, 4 + classes, count), np.float32)
    for column, row in enumerate(rows):
        output[0, :, column] = row
    return output


# A 192×100 picture in a 96×64 frame is halved and has 7 grey rows above it.
IMAGE = np.zeros((100, 192, 3), np.uint8)
RED = (48, 32, 20, 10, 0.1, 0.9, 0.2)
RED_BOX = [76, 40, 116, 60]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_boxes_come_back_in_pixels_of_the_image(tmp_path: Path, engine: str) -> None:
    path = export(tmp_path / "best.onnx", version_8(RED, (10, 10, 4, 4, 0.9, 0, 0)))
    detector = load_detector(path, classes=NAMES, engine=engine, precision="f32")
    detections = detect(detector, IMAGE, "red square")
    assert detections.labels == ("red square",)
    assert detections.scores.tolist() == pytest.approx([0.9])
    np.testing.assert_allclose(detections.boxes, [RED_BOX], atol=1e-3)


def test_names_inside_the_export_are_used_with_cocos_synonyms(tmp_path: Path) -> None:
    path = export(tmp_path / "best.onnx", version_8(RED, (10, 20, 8, 8, 0.8, 0, 0)), dict(enumerate(NAMES)))
    detector = load_detector(str(path))
    assert detect(detector, IMAGE, "people, puppies, red squares").labels == ("red square", "person")
    with pytest.raises(PromptError, match=r"best knows 3 things, the nearest being 'dog', but not 'hot dog'"):
        detect(detector, IMAGE, "hot dog")


def test_an_unknown_word_is_named_and_the_others_are_found(tmp_path: Path) -> None:
    path = export(tmp_path / "best.onnx", version_8(RED, (10, 20, 8, 8, 0.8, 0, 0)), NAMES)
    detections = detect(load_detector(path), IMAGE, "people. hot dog. red squares. dog.")
    assert detections.labels == ("red square", "person")
    assert detections.unknown is not None
    assert detections.unknown.phrases == ("hot dog",)
    notes = detections.notes(["people", "hot dog", "red squares", "dog"])
    assert notes[0].startswith("best knows 3 things, the nearest being 'dog', but not 'hot dog'; ")
    assert notes[-1] == "nothing was found for 'dog'"


def test_the_end_to_end_layout_of_version_10(tmp_path: Path) -> None:
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = (38, 27, 58, 37, 0.8, 1)
    detections = detect(load_detector(export(tmp_path / "ten.onnx", output, NAMES)), IMAGE, "red square")
    np.testing.assert_allclose(detections.boxes, [RED_BOX], atol=1e-3)


@pytest.mark.parametrize("end_to_end", [False, True])
def test_boxes_of_an_export_that_also_segments_are_used(tmp_path: Path, end_to_end: bool) -> None:
    masks = np.zeros((1, 32, 16, 24), np.float32)
    if end_to_end:
        boxes = np.full((1, 300, 6 + 32), 9, np.float32)
        boxes[..., :6] = 0
        boxes[0, 0, :6] = (38, 27, 58, 37, 0.9, 1)
    else:
        boxes = np.concatenate([version_8(RED), np.full((1, 32, 84), 9, np.float32)], axis=1)
    path = export(tmp_path / "seg.onnx", boxes, NAMES)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(masks, "prototypes"))
    model.graph.node.append(helper.make_node("Add", ["prototypes", "nothing"], ["output1"]))
    model.graph.output.append(helper.make_tensor_value_info("output1", TensorProto.FLOAT, masks.shape))
    onnx.save(model, path)
    detections = detect(load_detector(path), IMAGE, "red square, dog")
    np.testing.assert_allclose(detections.boxes, [RED_BOX], atol=1e-3)
    assert detections.scores.tolist() == pytest.approx([0.9])


def test_an_open_input_gets_a_size(tmp_path: Path) -> None:
    path = export(tmp_path / "open.onnx", version_8((320, 320, 640, 64, 0, 0.9, 0)), NAMES, ("n", 3, "h", "w"))
    (detections,) = detect(load_detector(path), np.zeros((1280, 1280, 3), np.uint8), "red square")
    assert detections.box == pytest.approx((0, 576, 1280, 704))


def test_an_export_added_to_the_catalogue_brings_its_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    path = export(tmp_path / "best.onnx", version_8(RED))
    weights.add_model("squares", [path, tmp_path / "classes.txt"], family="yolo")
    detector = load_detector("squares")
    assert detector.name == "squares"
    assert detect(detector, IMAGE, "red squares").labels == ("red square",)


def test_overlapping_answers_are_suppressed(tmp_path: Path) -> None:
    path = export(tmp_path / "best.onnx", version_8(RED, (48, 32, 20, 9, 0, 0.8, 0)), NAMES)
    assert len(detect(load_detector(path), IMAGE, "red square")) == 1


@pytest.mark.parametrize(
    ("output", "classes", "reason"),
    [
        (np.zeros((1, 84, 99), np.float32), NAMES, "has outputs for 80 classes, and 3 names"),
        (np.zeros((1, 100, 8), np.float32), NAMES, "version 5 or 7"),
        (np.zeros((1, 3), np.float32), NAMES, r"returns \[1, 3\]"),
        (version_8(), None, "does not say what its classes are"),
    ],
)
def test_other_exports_are_refused(
    tmp_path: Path, output: NDArray[np.float32], classes: list[str] | None, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        load_detector(export(tmp_path / "other.onnx", output), classes=classes)


def test_files_that_are_no_export_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for name, reason in [("text.onnx", "cannot be read as an ONNX file"), ("gone.onnx", "there is no detector file")]:
        with pytest.raises(ModelError, match=reason):
            load_detector(tmp_path / name, classes=NAMES)


def test_class_lists(tmp_path: Path) -> None:
    for name, text in [("a.txt", "one\ntwo\n\n"), ("b.json", '["one", "two"]'), ("c.json", '{"1": "two", "0": "one"}')]:
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            (tmp_path / name).write_text(text, encoding=encoding)
            assert read_classes(tmp_path / name) == ["one", "two"]
    for name, text in [("empty.txt", "\n"), ("bad.json", "{"), ("number.json", "7")]:
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            read_classes(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_classes(tmp_path / "gone.txt")
