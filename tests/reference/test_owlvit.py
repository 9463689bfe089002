"""OWL-ViT and OWLv2 against transformers' own detection, with small models of random weights.

The trained weights cannot be had everywhere, and nothing compared here depends on them: how images and phrases are
prepared, the export that is cut in two, the class head, and boxes in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anymask import ModelError, PromptError, open_image, weights
from anymask.detection.loading import auto_detector, load_detector
from anymask.detection.options import DetectionOptions
from anymask.detection.owlvit import OwlVit
from anymask.detection.search import detect
from anymask.engines.loading import load_engine

if TYPE_CHECKING:
    from tests.reference.small_owl import SmallOwl

pytestmark = pytest.mark.reference

BOXES_WITHIN = 1.0
SCORES_WITHIN = 1e-3
PHRASES = ["cup", "spoon", "photo of a cat", "Dog-house 7", "x"]
BARE = ("{}",)

Owls = Callable[[str], "SmallOwl"]
Detectors = Callable[..., OwlVit]


@pytest.fixture(scope="module")
def owls(tmp_path_factory: pytest.TempPathFactory) -> Owls:
    """Family → small model."""
    from tests.reference.small_owl import make_small_owl

    return cache(lambda family: make_small_owl(family, tmp_path_factory.mktemp(family)))


@pytest.fixture(scope="module")
def exports(owls: Owls) -> Callable[..., dict[str, Path]]:
    """(family, exporter, with objectness) → files; each is exported once."""
    return cache(lambda family, exporter="torchscript", objectness=False: owls(family).export(exporter, objectness))


@pytest.fixture(scope="module")
def detectors(exports: Any) -> Detectors:
    """(family, exporter, engine, with objectness, templates) → this library's detector."""

    @cache
    def make(
        family: str,
        exporter: str = "torchscript",
        engine: str = "openvino",
        objectness: bool = False,
        templates: Any = BARE,
    ) -> OwlVit:
        files = exports(family, exporter, objectness)
        return OwlVit(files, exporter, load_engine(engine, precision="f32", threads=2), family, templates=templates)

    return make


@pytest.fixture(params=["wide", "tall", "tiny"])
def image(request: pytest.FixtureRequest, coffee_path: Path) -> NDArray[np.uint8]:
    """Images that shrink, stand upright, and grow when the network's square is made of them."""
    pixels = open_image(coffee_path).pixels
    changes = {"wide": pixels, "tall": np.rot90(pixels), "tiny": pixels[10:100, 200:290]}
    return np.ascontiguousarray(changes[request.param])


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("family", ["owlvit", "owlv2"])
def test_detections_agree_with_transformers(
    owls: Owls, detectors: Detectors, image: NDArray[np.uint8], family: str, exporter: str, engine: str
) -> None:
    official = owls(family).detect(image, PHRASES)
    detections = detectors(family, exporter, engine).detect([image], PHRASES, 0.0)[0].sorted_by_score()
    assert len(detections) == len(official["scores"]) == 144
    # The network makes small patches of a small image so alike that one phrase fits them all.
    assert len(set(official["texts"])) > 1 or image.shape[0] < 100
    np.testing.assert_allclose(detections.scores, official["scores"], atol=SCORES_WITHIN)
    in_order = _order_is_sure(official["scores"], 1e-5)
    assert in_order.sum() > 100
    assert [detections.labels[i] for i in np.flatnonzero(in_order)] == [
        official["texts"][i] for i in np.flatnonzero(in_order)
    ]
    np.testing.assert_allclose(detections.boxes[in_order], official["boxes"][in_order], atol=BOXES_WITHIN)


def _order_is_sure(scores: NDArray[np.float32], gap: float) -> NDArray[np.bool_]:
    """Where no neighbour's score is so near that rounding decides which of the two comes first."""
    apart = np.abs(np.diff(scores)) > gap
    return np.concatenate([[True], apart]) & np.concatenate([apart, [True]])


@pytest.mark.parametrize("family", ["owlvit", "owlv2"])
def test_the_template_is_put_around_phrases(
    owls: Owls, detectors: Detectors, image: NDArray[np.uint8], family: str
) -> None:
    official = owls(family).detect(image, ["a photo of a cup", "a photo of a cat"])
    detections = (
        detectors(family, templates=("a photo of a {}",)).detect([image], ["A Cup", "cat"], 0.0)[0].sorted_by_score()
    )
    np.testing.assert_allclose(detections.scores, official["scores"], atol=SCORES_WITHIN)
    assert set(detections.labels) <= {"A Cup", "cat"}


def test_several_templates_are_averaged(detectors: Detectors) -> None:
    templates = ("a photo of a {}", "photo of {}.", "a {} spoon")
    both = detectors("owlvit").embed([each.replace("{}", word) for word in ("cup", "x") for each in templates])
    averaged = detectors("owlvit", templates=templates).embed(["cup", "x"])
    np.testing.assert_allclose(averaged, both.reshape(2, 3, -1).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("family", ["owlvit", "owlv2"])
@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
def test_looking_for_a_crop_agrees_with_transformers(
    owls: Owls, detectors: Detectors, image: NDArray[np.uint8], family: str, exporter: str
) -> None:
    crop = image[20:70, 30:85]
    scores, boxes = owls(family).detect_like(image, crop)
    detector = detectors(family, exporter, objectness=family == "owlv2")
    patches = detector.encode(image)
    np.testing.assert_allclose(patches.squares, boxes, atol=1e-5)
    np.testing.assert_allclose(patches.scores(detector.embed_image(crop)[None])[:, 0], scores, atol=SCORES_WITHIN)


def test_without_objectness_owlv2_looks_for_a_crop_as_owlvit_does(detectors: Detectors, coffee_path: Path) -> None:
    pixels = open_image(coffee_path).pixels
    detections = detectors("owlv2").find_similar(pixels, pixels[20:240, 170:420], threshold=0.5)
    assert len(detections) > 0
    assert (detections.scores >= 0.5).all()
    assert (np.diff(detections.scores) <= 0).all()


def test_batches_of_images_and_of_phrases_change_nothing(
    detectors: Detectors, coffee_path: Path, chelsea_path: Path
) -> None:
    images = [open_image(path).pixels for path in (coffee_path, chelsea_path)]
    detector = detectors("owlv2")
    phrases = [f"thing {i}" for i in range(500)]
    together = detector.detect(images, phrases, 0.0)
    for pixels, of_batch in zip(images, together, strict=True):
        (alone,) = detector.detect([pixels], phrases, 0.0)
        np.testing.assert_array_equal(alone.scores, of_batch.scores)
        assert alone.labels == of_batch.labels
    few = detector.embed(phrases[:3])
    np.testing.assert_allclose(OwlVitTwin(detector).embed(phrases)[:3], few, atol=1e-6)


def OwlVitTwin(detector: OwlVit) -> OwlVit:
    """The same detector, remembering nothing."""
    twin = OwlVit.__new__(OwlVit)
    twin.__dict__.update(detector.__dict__)
    twin._embedded = type(detector._embedded)()
    return twin


def test_phrases_too_long_for_the_network_are_refused(detectors: Detectors) -> None:
    with pytest.raises(PromptError, match=r"too long for owlvit: .* makes \d+ tokens and the network reads 16"):
        detectors("owlvit").check(["cup", "a very long description of the cup that stands upon a wooden table"])


@pytest.mark.parametrize("templates", [(), ("a photo",), "a photo of a {}"])
def test_templates_without_a_place_for_the_phrase_are_refused(exports: Any, templates: Any) -> None:
    with pytest.raises(PromptError, match=r"templates are .*: each takes {} where the phrase goes"):
        OwlVit(exports("owlvit"), "key", load_engine(), "owlvit", templates=templates)


def test_files_added_by_the_user_become_the_detector_that_auto_takes(
    exports: Any, coffee_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path))
    files = exports("owlv2")
    weights.add_model("owlv2-base", list(files.values()), family="owlv2", weights_licence="Apache-2.0")
    assert auto_detector().name == "owlv2-base"
    detector = load_detector(precision="f32")
    assert (detector.name, detector.precision) == ("owlv2-base", "f32")
    detections = detect(detector, open_image(coffee_path).pixels, "a red cup", DetectionOptions(max_per_label=3))
    assert len(detections) <= 3
    assert set(detections.labels) <= {"a red cup"}


def test_other_onnx_files_are_refused_with_what_is_missing(exports: Any, tmp_path: Path, coffee_path: Path) -> None:
    import onnx

    model = onnx.load(exports("owlvit")["model.onnx"])
    del model.graph.output[2]
    onnx.save(model, tmp_path / "model.onnx")
    files = {**exports("owlvit"), "model.onnx": tmp_path / "model.onnx"}
    detector = OwlVit(files, "key", load_engine(), "owlvit")
    with pytest.raises(ModelError, match="has no text_embeds: an OWL-ViT or OWLv2 export"):
        detector.detect([open_image(coffee_path).pixels], ["cup"], 0.1)
