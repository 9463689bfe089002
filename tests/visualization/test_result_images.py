"""Images that explain a result: what stands where, with what over it."""

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError, PromptError
from anymask.io.image import open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.visualization.animation import click_frames, save_animation
from anymask.visualization.contact_sheet import contact_sheet, row
from anymask.visualization.overlay import PALETTE, draw
from anymask.visualization.panels import binary, candidates_row, levels, side_by_side
from tests.support.mask_shapes import disc


def flat(color, size=(40, 30)):
    return PIL.Image.new("RGB", size, color)


@pytest.fixture
def parts():
    """A disc, a part of it, a part of that, and another disc's worth of nothing else."""
    image = open_image(np.full((200, 300, 3), 128, np.uint8))
    masks = [Mask.from_array(disc(200, 300, radius), score=0.9) for radius in (80, 40, 15)]
    return MaskSet(masks, image=image)


def has(picture, color):
    return bool((np.abs(np.asarray(picture).astype(int) - color).max(axis=2) <= 1).any())


def test_a_row_keeps_the_order_and_proportions_and_enlarges_nothing():
    picture = row([flat((255, 0, 0)), flat((0, 0, 255), (80, 60))], ["red", "blue"])
    pixels = np.asarray(picture).astype(int)
    red = (pixels == (255, 0, 0)).all(axis=2)
    blue = (pixels == (0, 0, 255)).all(axis=2)
    assert red.sum() == blue.sum() == 40 * 30
    assert np.nonzero(red)[1].max() < np.nonzero(blue)[1].min()
    assert (pixels[: np.nonzero(red)[0].min()] < 100).any()  # the titles


@pytest.mark.parametrize(
    ("count", "columns", "shape"), [(1, None, (1, 1)), (6, 2, (3, 2)), (5, 3, (2, 3)), (2, 9, (1, 2))]
)
def test_a_contact_sheet_has_equal_cells_in_order(count, columns, shape):
    sheet = contact_sheet([flat((10 * i, 0, 200), (100, 100)) for i in range(count)], columns=columns, cell=50)
    pixels = np.asarray(sheet).astype(int)
    centers = [np.argwhere(np.abs(pixels - (10 * i, 0, 200)).max(axis=2) <= 1).mean(axis=0) for i in range(count)]
    rows = np.unique(np.round([y for y, _ in centers]))
    assert (len(rows), len(np.unique(np.round([x for _, x in centers])))) == shape
    assert centers == sorted(centers, key=lambda c: (round(c[0]), c[1]))


def test_long_titles_are_cut_to_their_cell():
    sheet = contact_sheet([flat((0, 0, 0), (60, 60))] * 2, ["a" * 300, "b"], columns=2, cell=60)
    assert sheet.size == contact_sheet([flat((0, 0, 0), (60, 60))] * 2, ["a", "b"], columns=2, cell=60).size


def test_nothing_to_show_or_wrong_titles_are_refused():
    for call in (lambda: row([]), lambda: contact_sheet([]), lambda: row([flat((0, 0, 0))], ["a", "b"])):
        with pytest.raises(InputError):
            call()


def test_side_by_side_is_the_image_and_the_overlay(parts):
    picture = np.asarray(side_by_side(parts))
    half = picture.shape[1] // 2
    assert not has(picture[:, :half], PALETTE[0])
    assert has(picture[:, half:], PALETTE[0])


def test_levels_show_wholes_then_parts_each_in_its_own_colour(parts):
    picture = levels(parts, contours=True)
    third = picture.width // 3
    for level in range(3):
        panel = picture.crop((level * third, 0, (level + 1) * third, picture.height))
        assert [has(panel, PALETTE[i]) for i in range(3)] == [i == level for i in range(3)]


def test_deeper_levels_share_the_last_panel(parts):
    picture = levels(parts, max_panels=2)
    right = picture.crop((picture.width // 2, 0, picture.width, picture.height))
    assert [has(right, PALETTE[i]) for i in range(3)] == [False, True, True]


def test_binary_is_white_where_the_mask_is(parts):
    pixels = np.asarray(binary(parts[0], title=""))
    assert (pixels == 0).all(axis=2).sum() == 200 * 300 - parts[0].area


def test_candidates_stand_in_a_row_with_the_prompt(coffee):
    asked = {"points": [(290, 215)]}
    result = coffee.segment(**asked)
    picture = candidates_row(coffee.source, coffee.predict(**asked), result.prompts[0])
    assert picture.width > 3 * 600
    assert has(picture, (22, 190, 60))
    single = candidates_row(coffee.source, coffee.predict(**asked, multimask=False))
    assert single.width < 2 * 600


def test_frames_show_click_then_mask(coffee):
    frames, durations = click_frames(coffee, [(100, 250), (290, 215), (362, 285)], [0, 1, 0], max_side=300)
    assert len(frames) == len(durations) == 5  # the lone excluded click asks nothing
    assert {frame.size for frame in frames} == {(300, 200)}
    final = coffee.segment(points=[(100, 250), (290, 215), (362, 285)], labels=[0, 1, 0]).draw(max_side=300)
    assert np.array_equal(np.asarray(frames[-1]), np.asarray(final))
    assert durations[-1] == max(durations)


def test_animations_that_cannot_be_made_are_refused(coffee, tmp_path):
    with pytest.raises(PromptError, match="included"):
        click_frames(coffee, [(1, 1)], [0])
    with pytest.raises(InputError, match=r"\.gif"):
        save_animation(tmp_path / "a.png", [flat((0, 0, 0))], [10])
    with pytest.raises(InputError, match="size"):
        save_animation(tmp_path / "a.gif", [flat((0, 0, 0)), flat((0, 0, 0), (5, 5))], [10, 10])
    assert not list(tmp_path.iterdir())


def test_scores_are_written_only_with_the_option(parts):
    plain, scored = np.asarray(parts.draw()), np.asarray(parts.draw(scores=True))
    assert not np.array_equal(plain, scored)


def test_colours_by_name_are_the_same_in_every_image():
    photo = np.full((60, 80, 3), 128, np.uint8)

    def colors(*labels):
        masks = [Mask.from_array(disc(60, 80, 20), label=label) for label in labels]
        return [np.asarray(draw(photo, [mask], labels=False, color_by="label"))[30, 40].tolist() for mask in masks]

    dog, cat = colors("dog", "cat")
    assert dog != cat
    assert colors("Cat", "dog") == [cat, dog]
    with pytest.raises(InputError, match="color_by"):
        draw(photo, [], color_by="mood")
