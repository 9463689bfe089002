"""Where crops and tiles lie: the numbers of the reference, and coverage of any image."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.automatic.crop_boxes import crop_boxes, crop_layers, near_crop_edge, points_per_side, tiles
from anymask.automatic.options import GeneratorOptions
from anymask.errors import PromptError

sizes = st.tuples(st.integers(60, 5000), st.integers(60, 5000))


def test_crop_boxes_are_the_numbers_of_the_official_code():
    assert crop_boxes((1500, 1000), 1) == [
        ((0, 0, 1500, 1000), 0),
        ((0, 0, 921, 671), 1),
        ((0, 330, 921, 1000), 1),
        ((580, 0, 1500, 671), 1),
        ((580, 330, 1500, 1000), 1),
    ]
    boxes = crop_boxes((1999, 333), 2)
    assert len(boxes) == 1 + 4 + 16
    assert boxes[5:8] == [((0, 0, 542, 126), 2), ((0, 70, 542, 196), 2), ((0, 140, 542, 266), 2)]


def test_without_layers_the_whole_image_is_the_only_crop():
    assert crop_boxes((640, 480)) == [((0, 0, 640, 480), 0)]


@given(sizes, st.integers(1, 3), st.floats(0.0, 0.6))
def test_every_layer_of_crops_covers_the_image(size, n_layers, ratio):
    for layer in range(1, n_layers + 1):
        boxes = [box for box, of in crop_boxes(size, n_layers, ratio) if of == layer]
        assert len(boxes) == 4**layer
        for axis in (0, 1):
            spans = sorted({(box[axis], box[axis + 2]) for box in boxes})
            assert spans[0][0] == 0
            assert spans[-1][1] == size[axis]
            assert all(end >= start for (_, end), (start, _) in pairwise(spans))


def test_points_per_side_shrink_with_the_layer_and_never_vanish():
    assert [points_per_side(32, layer, 2) for layer in range(4)] == [32, 16, 8, 4]
    assert points_per_side(32, 2, 3) == 3
    with pytest.raises(PromptError, match="leaves no points in layer 2"):
        points_per_side(8, 2, 3)


@given(sizes, st.integers(64, 1500), st.floats(0, 0.5))
def test_tiles_are_equal_cover_the_image_and_overlap_by_the_halo(size, tile, share):
    halo = int(share * tile)
    boxes = tiles(size, tile, halo)
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}) == 1
    for axis in (0, 1):
        spans = sorted({(box[axis], box[axis + 2]) for box in boxes})
        assert spans[0][0] == 0
        assert spans[-1][1] == size[axis]
        assert all(end - start <= tile for start, end in spans)
        assert all(end - start >= halo for (_, end), (start, _) in pairwise(spans))
    assert len(boxes) == len(set(boxes))


def test_an_image_no_larger_than_a_tile_is_the_only_crop():
    assert crop_layers((1024, 700), GeneratorOptions(tile=1024)) == [((0, 0, 1024, 700), 0)]


@pytest.mark.parametrize(("tile", "halo"), [(10, 0), (512, 300), (512, -1)])
def test_impossible_tiles_are_refused(tile, halo):
    with pytest.raises(PromptError, match=r"tile|halo"):
        tiles((2000, 2000), tile, halo)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_n_layers": -1}, "crop_n_layers"),
        ({"crop_overlap_ratio": 1.0}, "crop_overlap_ratio"),
        ({"crop_nms_thresh": 1.5}, "crop_nms_thresh"),
        ({"crop_n_points_downscale_factor": 0}, "crop_n_points_downscale_factor"),
        ({"crop_n_layers": 1, "tile": 512}, "either crop_n_layers or tile"),
        ({"crop_n_layers": 1, "point_grids": [np.zeros((1, 2))]}, "2 layers, not 1"),
    ],
)
def test_impossible_options_are_refused_by_name(options, message):
    with pytest.raises(PromptError, match=message):
        GeneratorOptions(**options)


def test_only_boxes_near_an_edge_of_their_crop_inside_the_image_are_near_a_crop_edge():
    crop, size = (0, 100, 500, 600), (1000, 600)
    boxes = np.array(
        [
            [0, 300, 50, 400],  # at the image's left border
            [200, 121, 300, 200],  # 21 pixels below the crop's top
            [200, 120, 300, 200],  # 20 pixels
            [300, 300, 481, 400],  # its last pixel 20 before the crop's right edge
            [300, 300, 480, 400],
            [300, 500, 400, 600],  # at the image's bottom
        ],
        float,
    )
    assert near_crop_edge(boxes, crop, size).tolist() == [False, False, True, True, False, False]
