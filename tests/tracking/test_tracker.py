"""Objects followed with the real model through a few small frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask import EncodedImage, InputError, ModelError, PromptError, Segmenter, weights
from anymask.tracking.measures import region_similarity
from anymask.tracking.track import masks_of
from benchmarks.tracking.sequences import BLUE, HEIGHT, RED, WIDTH, background, toy, wall
from tests.support.fake_fastsam import fake_fastsam


def painted(layers: list[tuple[int, np.ndarray]], name: str = "coffee") -> tuple[np.ndarray, np.ndarray]:
    canvas, labels = background(name), np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, layer in layers:
        alpha = layer[..., 3:] / 255
        canvas = canvas * (1 - alpha) + layer[..., :3] * alpha
        labels[alpha[..., 0] > 0.5] = number
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8), labels


RED_TOY, BLUE_TOY = toy(1, RED), toy(2, BLUE)


@pytest.mark.slow
def test_object_is_followed_lost_behind_a_wall_and_found_again(segmenter: Segmenter) -> None:
    places = [70, 82, 215, 330]
    scenes = [painted([(1, BLUE_TOY.placed(x, 150, 0.8)), (0, wall(150, 130))]) for x in places]
    frames, truth = [each[0] for each in scenes], [each[1] for each in scenes]
    assert not truth[2].any(), "hidden"
    found = list(anymask.track(frames, segmenter, masks=truth[0]))
    assert [each.objects[0].state for each in found] == ["visible", "visible", "lost", "visible"]
    assert [each.objects[0].found_again for each in found] == [False, False, False, True]
    assert found[2].objects[0].mask is None
    assert not found[2].labels.any()
    assert found[2].objects[0].likeness is None or found[2].objects[0].likeness < 0.55
    for index in (1, 3):
        assert region_similarity(found[index].labels == 1, truth[index] == 1) > 0.85
    ids = [each.annotation.attributes["track_id"] for each in found[3].masks]
    assert ids == [1]


@pytest.mark.slow
def test_a_pixel_belongs_to_one_object_and_an_unreadable_frame_carries_objects_over(segmenter: Segmenter) -> None:
    first, truth = painted([(1, BLUE_TOY.placed(130, 140)), (2, RED_TOY.placed(250, 150))], "chelsea")
    last, end = painted([(1, BLUE_TOY.placed(150, 140)), (2, RED_TOY.placed(225, 150))], "chelsea")
    found = list(anymask.track([first, b"no image", last], segmenter, masks=truth, names=["blue", "red"]))
    assert found[1].error is not None
    assert found[1].objects == ()
    assert [(each.id, each.label, each.state) for each in found[2].objects] == [
        (1, "blue", "visible"),
        (2, "red", "visible"),
    ]
    one, other = (np.asarray(each) for each in found[2].masks)
    assert not (one & other).any()
    for number in (1, 2):
        assert region_similarity(found[2].labels == number, end == number) > 0.85
    with pytest.raises(ValueError, match="could not be read"):
        found[1].masks  # noqa: B018


def test_an_object_that_appears_later_gets_the_next_number(segmenter: Segmenter) -> None:
    scene, truth = painted([(1, BLUE_TOY.placed(130, 140)), (2, RED_TOY.placed(250, 150))], "chelsea")
    later = {1: {"masks": [truth == 2], "names": ["red"]}}
    found = list(anymask.track([scene, scene], segmenter, masks=[truth == 1], later=later))
    assert [[each.id for each in frame.objects] for frame in found] == [[1], [1, 2]]
    assert found[1].objects[1].label == "red"


def test_what_cannot_be_followed_is_refused(coffee: EncodedImage, segmenter: Segmenter) -> None:
    with pytest.raises(PromptError, match="nothing to follow"):
        anymask.track([coffee.source], segmenter)
    with pytest.raises(InputError, match="there is no frame 3"):
        anymask.track([coffee.source], segmenter, boxes=[[1, 1, 50, 50]], later={3: {"boxes": [[1, 1, 9, 9]]}})
    with pytest.raises(TypeError, match="later has no box"):
        anymask.track([coffee.source], segmenter, boxes=[[1, 1, 50, 50]], later={1: {"box": [1, 1, 9, 9]}})
    with pytest.raises(PromptError, match="frames after the first one, which is 0"):
        anymask.track([coffee.source], segmenter, boxes=[[1, 1, 50, 50]], later={0: {"boxes": [[1, 1, 9, 9]]}})
    with pytest.raises(InputError, match="is empty"):
        list(anymask.track([coffee.source], segmenter, masks=[np.zeros((400, 600), np.bool_)]))
    with pytest.raises(InputError, match="does not belong to a frame of 600x400"):
        masks_of(np.ones((4, 6), np.uint8), coffee.source)
    whole = np.ones((400, 600), np.bool_)
    with pytest.raises(PromptError, match="2 names for 1 object"):
        list(anymask.track([coffee.source], segmenter, masks=[whole], names=["a", "b"]))
    with pytest.raises(InputError, match="cannot be read"):
        list(anymask.track([b"no image"], segmenter, boxes=[[1, 1, 9, 9]]))


def test_a_model_without_mask_prompts_is_refused(
    coffee: EncodedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    path = fake_fastsam(tmp_path / "drawn.onnx", [(0.9, (10, 10, 60, 60))])
    weights.add_model("drawn", [path], family="fastsam")
    other = anymask.load("drawn", engine="onnxruntime", device="cpu", threads=1)
    with pytest.raises(ModelError, match="takes no mask as a prompt"):
        anymask.track([coffee.source], other, boxes=[[1, 1, 50, 50]])
