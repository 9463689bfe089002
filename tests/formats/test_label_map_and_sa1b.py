"""Label maps and SA-1B files: written, read back, and what cannot be written."""

import json
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import InputError
from anymask.formats.helpers import label_images as _labels
from anymask.formats.registry import find_format
from anymask.structures import rle
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import ImageRecord


def rectangle(x0, y0, x1, y1, **about):
    array = np.zeros((40, 60), np.bool_)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array, **about)


@pytest.fixture
def masks():
    big = rectangle(0, 0, 30, 30, score=0.9, stability=0.95, prompt_index=0)
    small = rectangle(10, 10, 20, 20, score=0.8, stability=0.97, prompt_index=1)
    prompts = [Prompt(points=[(5, 5)], labels=[1]), Prompt(points=[(15, 15)], labels=[1])]
    return MaskSet([big, small], image=ImageRecord(60, 40, "photo.jpg"), prompts=prompts)


def test_small_masks_lie_on_top_of_the_label_map(masks, tmp_path):
    find_format("label-map").write(masks, tmp_path / "labels.png")
    labels = cv2.imread(str(tmp_path / "labels.png"), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == np.uint16
    assert labels.shape == (40, 60)
    assert (labels[15, 15], labels[5, 5], labels[35, 50]) == (2, 1, 0)


def test_more_than_255_objects_keep_distinct_ids(tmp_path):
    """T14: tiled masks written into one 8-bit band run into each other.

    https://github.com/opengeos/segment-geospatial/issues/379
    """
    masks = MaskSet(
        [rectangle(i % 60, i // 60, i % 60 + 1, i // 60 + 1) for i in range(400)], image=ImageRecord(60, 40, None)
    )
    find_format("label-map").write(masks, tmp_path / "labels.png")
    again = find_format("label-map").read(tmp_path / "labels.png")
    assert len(again) == 400
    assert all(np.array_equal(a.array, b.array) for a, b in zip(masks, again, strict=True))


@given(seed=st.integers(0, 999), height=st.integers(1, 12), width=st.integers(1, 12), step=st.sampled_from([1, 9, 99]))
def test_numbers_become_the_masks_that_comparing_gives(seed, height, width, step):
    """Whatever numbers there are, and wherever the walk over the columns is cut."""
    labels = np.random.default_rng(seed).integers(0, 5, (height, width)).astype(np.uint16) * 13_107
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_labels, "_BLOCK_PIXELS", step)
        found = dict(_labels.masks_of_labels(labels))
    assert list(found) == [value for value in np.unique(labels) if value]
    for value, mask in found.items():
        assert np.array_equal(mask.array, labels == value)
        assert mask.rle == rle.encode(labels == value)


def test_noise_is_not_held_as_runs(monkeypatch):
    monkeypatch.setattr(_labels, "_MAX_RUNS", 100)
    labels = np.random.default_rng(0).integers(0, 65536, (30, 30)).astype(np.uint16)
    found = list(_labels.masks_of_labels(labels))
    assert all(np.array_equal(mask.array, labels == value) for value, mask in found)
    assert len(found) == len(np.unique(labels[labels > 0]))


def test_a_map_of_very_many_objects_takes_no_array_for_each(tmp_path):
    """4,000 objects of 4 megapixels: as arrays they would take 17 GB."""
    rows, columns = np.indices((2048, 2048)) // 32
    cv2.imwrite(str(tmp_path / "labels.png"), (rows * 64 + columns).astype(np.uint16))
    tracemalloc.start()
    masks = find_format("label-map").read(tmp_path / "labels.png")
    areas = {mask.area for mask in masks}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(masks), areas) == (4_095, {1024})
    assert peak < 150e6


def test_an_image_with_colours_is_no_label_map(tmp_path):
    cv2.imwrite(str(tmp_path / "colours.png"), np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    with pytest.raises(InputError, match="one channel"):
        find_format("label-map").read(tmp_path / "colours.png")


def test_sa1b_has_the_keys_of_the_dataset_and_comes_back(masks, tmp_path):
    path = tmp_path / "sa1b.json"
    find_format("sa1b").write(masks, path)
    content = json.loads(path.read_text())
    assert content["image"] == {"image_id": 1, "width": 60, "height": 40, "file_name": "photo.jpg"}
    first = content["annotations"][0]
    assert first["bbox"] == [0, 0, 30, 30]
    assert first["area"] == 900
    assert first["point_coords"] == [[5, 5]]
    assert set(first) == {
        "id", "segmentation", "bbox", "area", "predicted_iou", "stability_score", "point_coords", "crop_box"
    }  # fmt: skip
    again = find_format("sa1b").read(path)
    assert [mask.score for mask in again] == [0.9, 0.8]
    assert all(np.array_equal(a.array, b.array) for a, b in zip(masks, again, strict=True))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image": {}, "annotations": []}', '{"image": 1, "annotations": 2}'])
def test_what_is_no_sa1b_file_is_one_line(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match="as SA-1B") as raised:
        find_format("sa1b").read(path)
    assert "\n" not in str(raised.value)
