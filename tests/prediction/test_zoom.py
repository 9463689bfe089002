"""A zoomed view is encoded at its own resolution, and its masks fit into the whole image without seams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anymask import EncodedImage, Mask, Segmenter
from anymask.errors import PromptError
from anymask.prediction.prompt_log import follow
from anymask.prediction.window import window_for
from anymask.prediction.zoom import ZoomedView, zoom_alternatives
from anymask.structures.overlap import iou
from anymask.structures.prompt import make_prompt
from anymask.structures.transforms import MODEL_SIDE

SIZE = (3000, 2000)
RING = (700, 600)
VISIBLE = (450, 350, 950, 850)


def _ring() -> NDArray[np.bool_]:
    """A ring of 12 pixels' width with six thin spokes."""
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    dx, dy = x - RING[0], y - RING[1]
    distance = np.hypot(dx, dy)
    spokes = np.zeros(SIZE[::-1], bool)
    for turn in range(3):
        angle = turn * np.pi / 3
        spokes |= (np.abs(dx * np.sin(angle) - dy * np.cos(angle)) < 5) & (distance < 90)
    return ((distance < 90) & (distance > 78)) | spokes


@pytest.fixture(scope="module")
def wide(segmenter: Segmenter) -> EncodedImage:
    """Six megapixels: a small wheel with spokes, and a large disc that every window cuts."""
    rng = np.random.default_rng(3)
    pixels = (np.full((*SIZE[::-1], 3), 214) + rng.integers(-6, 7, (*SIZE[::-1], 1))).astype(np.uint8)
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    pixels[np.hypot(x - 2000, y - 1000) < 600] = [30, 110, 60]
    pixels[_ring()] = [120, 20, 30]
    return segmenter.encode(pixels)


@pytest.fixture(scope="module")
def zoomed_view(wide: EncodedImage) -> ZoomedView:
    window = window_for(wide.size, VISIBLE)
    assert window is not None
    return ZoomedView(wide, window)


@given(
    st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    st.lists(st.floats(-500, 9500), min_size=4, max_size=4),
)
def test_a_window_holds_what_is_visible_and_shows_it_finer(size: tuple[int, int], edges: list[float]) -> None:
    visible = (*sorted(edges[::2]), *sorted(edges[1::2]))
    visible = (visible[0], visible[2], visible[1], visible[3])
    visible_box = [max(0, visible[0]), max(0, visible[1]), min(size[0], visible[2]), min(size[1], visible[3])]
    if visible_box[0] >= visible_box[2] or visible_box[1] >= visible_box[3]:
        with pytest.raises(PromptError, match="shows nothing"):
            window_for(size, visible)
        return
    window = window_for(size, visible)
    if window is None:
        longest = max(visible_box[2] - visible_box[0], visible_box[3] - visible_box[1])
        assert max(size) < 2 * max(1.5 * longest, MODEL_SIDE)
        return
    x0, y0, x1, y1 = window
    assert 0 <= x0 <= visible_box[0]
    assert 0 <= y0 <= visible_box[1]
    assert visible_box[2] <= x1 <= size[0]
    assert visible_box[3] <= y1 <= size[1]
    assert max(size) >= 2 * max(x1 - x0, y1 - y0, MODEL_SIDE)


def test_small_moves_of_the_view_keep_the_window() -> None:
    assert window_for((4000, 3000), (1010, 800, 1410, 1100)) == window_for((4000, 3000), (1030, 812, 1430, 1112))


def test_a_thin_object_is_encoded_at_the_zoom_of_the_view(wide: EncodedImage, zoomed_view: ZoomedView) -> None:
    click = (RING[0] + 84, RING[1])
    mask = zoomed_view.segment(make_prompt(SIZE, points=[click]))
    assert mask is not None
    assert mask.follows_prompt
    whole = wide.segment(points=[click], refine="off")[0]
    assert iou(mask.array, _ring()) > iou(whole.array, _ring()) + 0.05
    x0, y0, x1, y1 = zoomed_view.window
    inside = mask.box[0] >= x0 and mask.box[1] >= y0 and mask.box[2] <= x1 and mask.box[3] <= y1
    assert inside, "an object that lies in the window whole has nothing outside"


def test_an_object_that_the_window_cuts_goes_on_outside_without_a_seam(wide: EncodedImage) -> None:
    window = window_for(SIZE, (1250, 700, 1750, 1300))
    assert window is not None
    zoomed_view = ZoomedView(wide, window)
    mask = zoomed_view.segment(make_prompt(SIZE, points=[(1600, 1000)]))
    assert mask is not None
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    disc = np.hypot(x - 2000, y - 1000) < 600
    assert iou(mask.array, disc) > 0.97
    for axis, side in ((1, window[2]), (0, window[1]), (0, window[3])):
        before, after = np.take(mask.array, side - 1, axis), np.take(mask.array, side, axis)
        assert np.count_nonzero(before != after) <= 16, "no step where the window ends"


def test_one_more_click_changes_nothing_outside_the_window(wide: EncodedImage, zoomed_view: ZoomedView) -> None:
    drawn = _ring()
    drawn[1500:1600, 2500:2700] = True
    earlier = Mask.from_array(drawn)
    prompt = make_prompt(SIZE, points=[(RING[0] + 84, RING[1]), (RING[0] + 40, RING[1] + 30)], labels=[1, 0])
    mask = zoomed_view.segment(prompt, earlier)
    assert mask is not None
    x0, y0, x1, y1 = zoomed_view.window
    changed = mask.array != drawn
    changed[y0:y1, x0:x1] = False
    assert not changed.any()


def test_prompts_outside_the_window_use_the_whole_image(zoomed_view: ZoomedView) -> None:
    assert zoomed_view.segment(make_prompt(SIZE, points=[(2000, 1000)])) is None
    assert zoomed_view.segment(make_prompt(SIZE, box=[600, 500, 2600, 1600])) is None


def test_logits_of_a_window_have_the_frame_of_the_image(wide: EncodedImage, zoomed_view: ZoomedView) -> None:
    mask = zoomed_view.segment(make_prompt(SIZE, points=[(RING[0] + 84, RING[1])]))
    assert mask is not None
    assert mask.logits is not None
    coarse = wide.transform.upscale(mask.logits)
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    assert not coarse[np.hypot(x - RING[0], y - RING[1]) > 130].any()
    assert iou(coarse, mask.array) > 0.3


def test_choices_are_distinct_and_those_of_the_window_come_first(wide: EncodedImage, zoomed_view: ZoomedView) -> None:
    prompt = make_prompt(SIZE, points=[(RING[0] + 84, RING[1])])
    found = zoom_alternatives(wide, prompt, 6, zoomed_view)
    assert found[0][1]
    assert 1 < len(found) <= 6
    masks = [mask.array for mask, _ in found]
    assert all(iou(a, b) <= 0.95 for i, a in enumerate(masks) for b in masks[:i])


def test_steps_repeat_a_close_up_exactly(wide: EncodedImage, zoomed_view: ZoomedView) -> None:
    click = [RING[0] + 84, RING[1]]
    first = zoomed_view.segment(make_prompt(SIZE, points=[click]))
    assert first is not None
    step = {"point": click, "window": list(VISIBLE)}
    assert np.array_equal(follow(wide, [step]).array, first.array)
    second = zoomed_view.segment(make_prompt(SIZE, points=[click, RING], labels=[1, 1]), first)
    assert second is not None
    assert np.array_equal(follow(wide, [step, {"point": list(RING), "window": list(VISIBLE)}]).array, second.array)
    with pytest.raises(PromptError, match="window"):
        follow(wide, [{**step, "window": [1, 2, 3]}])
