"""Awkward shapes come back from every format that was added for datasets, and from the readers of its own field."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from pycocotools.coco import COCO

from anymask.errors import InputError
from anymask.formats import yolo
from anymask.formats.registry import find_format
from anymask.formats.skipped import collect_skipped
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import iou
from anymask.structures.provenance import ImageRecord
from tests.support.mask_shapes import SHAPES, BoolMask, disc, masks, ring

EXACT = {
    "coco": {},
    "coco polygons": {"polygons": True},
    "csv": {},
    "cvat": {},
    "yolo": {},
    "voc": {},
    "geojson": {},
    "labelme": {"shapes": "mask"},
    "label-studio": {},
    "label-studio polygons": {"polygons": True},
    "sa1b": {},
    "masks-json": {},
    "folder": {},
    "png": {},
    "label-map": {},
}
DROPS_EMPTY = ("cvat", "yolo", "voc", "labelme", "label-map")


def image_of(*arrays: BoolMask, path: str | None = "photo.jpg") -> MaskSet:
    height, width = arrays[0].shape
    found = [Mask.from_array(array, label=f"thing {i}", score=0.5) for i, array in enumerate(arrays)]
    return MaskSet(found, image=ImageRecord(width, height, path))


def there_and_back(result: MaskSet, name: str, options: dict[str, object]) -> MaskSet:
    format = find_format(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        result.save(path, name, **options)
        return format.read(path)


@pytest.mark.parametrize("case", EXACT)
@given(array=masks)
def test_every_shape_comes_back_pixel_for_pixel(case: str, array: BoolMask) -> None:
    name = case.split()[0]
    back = there_and_back(image_of(array), name, EXACT[case])
    if (name in DROPS_EMPTY or case == "label-studio polygons") and not array.any():
        assert len(back) == 0
    else:
        assert len(back) == 1
        assert np.array_equal(back[0].array, array)


@given(array=masks)
def test_labelme_polygons_hold_holes_by_bridges_and_parts_by_group(array: BoolMask) -> None:
    back = there_and_back(image_of(array), "labelme", {})
    assert len(back) == int(array.any())
    assert all(np.array_equal(mask.array, array) for mask in back)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("polygons", [False, True])
def test_t11_coco_objects_are_no_crowds_and_their_area_and_box_are_the_masks(
    shape: str, polygons: bool, tmp_path: Path
) -> None:
    """T11: holes and parts make no crowd; area is the mask's, not the box's.

    https://github.com/roboflow/supervision/issues/2322
    """
    array = SHAPES[shape]
    (path,) = image_of(array).save(tmp_path / "coco.json", "coco", polygons=polygons)
    dataset = COCO(str(path))
    (entry,) = dataset.anns.values()
    x0, y0, x1, y1 = Mask.from_array(array).box
    assert entry["iscrowd"] == 0
    assert entry["area"] == int(array.sum())
    assert entry["bbox"] == [x0, y0, x1 - x0, y1 - y0]
    if not polygons:
        assert np.array_equal(dataset.annToMask(entry), array)


def test_t11_polygons_of_large_objects_read_by_pycocotools_keep_their_shape(tmp_path: Path) -> None:
    """T11: vertices thinned out until the polygon is another shape.

    https://github.com/roboflow/supervision/issues/2322
    """
    ring_shape = np.pad(ring(120, 150, 20), 5)
    two = disc(130, 160, 30)
    two[5:25, 5:40] = True
    (path,) = image_of(ring_shape, two).save(tmp_path / "coco.json", "coco", polygons=True)
    dataset = COCO(str(path))
    for entry, array in zip(dataset.anns.values(), (ring_shape, two), strict=True):
        assert iou(dataset.annToMask(entry).astype(bool), array) >= 0.99


def test_crowd_only_when_asked(tmp_path: Path) -> None:
    (path,) = image_of(SHAPES["ring"]).save(tmp_path / "coco.json", "coco", crowd=True)
    assert [entry["iscrowd"] for entry in json.loads(path.read_text())["annotations"]] == [1]


@pytest.mark.parametrize("name", [*EXACT, "labelme"])
def test_t9_a_ring_and_a_small_island_survive_every_format(name: str) -> None:
    """T9: dropping small contours, or inner ones, loses both.

    https://github.com/vietanhdev/anylabeling/issues/154
    """
    array = np.pad(ring(60, 60, 8), 10)
    array[0, 0] = array[40, 40] = True
    back = there_and_back(image_of(array), name.split()[0], EXACT.get(name, {}))
    assert np.array_equal(back[0].array, array)


@pytest.mark.parametrize("name", ["coco", "yolo", "csv", "cvat", "voc", "label-studio"])
def test_many_images_in_one_dataset_keep_names_labels_and_order(name: str, tmp_path: Path) -> None:
    format = find_format(name)
    apart = np.pad(SHAPES["ring"], ((9, 0), (0, 0)))
    sets = [image_of(np.pad(SHAPES["ring"], ((0, 9), (0, 0))), apart, path=f"set/{i}.jpg") for i in (3, 1, 2)]
    sets.insert(1, MaskSet([], image=ImageRecord(9, 8, "set/none.jpg")))
    format.write_dataset(iter(sets), tmp_path / "out")  # type: ignore[attr-defined]
    back = list(format.read_dataset(tmp_path / "out"))  # type: ignore[attr-defined]
    assert [masks.record.path for masks in back] == ["set/3.jpg", "set/none.jpg", "set/1.jpg", "set/2.jpg"]
    assert [[mask.label for mask in masks] for masks in back] == [[mask.label for mask in masks] for masks in sets]


@pytest.mark.parametrize("name", ["coco", "csv", "cvat", "yolo", "voc", "label-studio"])
def test_a_failing_source_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    def source() -> object:
        yield image_of(SHAPES["ring"])
        raise InputError("the second photo is damaged")

    format = find_format(name)
    with pytest.raises(InputError, match="second photo"):
        format.write_dataset(source(), tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def test_absolute_paths_become_names_that_tell_images_apart(tmp_path: Path) -> None:
    sets = [image_of(SHAPES["ring"], path=path) for path in ("/a/1.jpg", "/b/1.jpg", "../c/2.jpg")]
    yolo.write_dataset(sets, tmp_path / "out")
    assert [masks.record.path for masks in yolo.read_dataset(tmp_path / "out")] == ["1.jpg", "b/1.jpg", "2.jpg"]


DAMAGED = ["", "[]", "{}", "null", "{", "[" * 100_000, '{"images": 3}', '{"images": [], "annotations": [3]}',
           '{"images": [{"id": 1}], "annotations": []}', '{"shapes": [{}], "imageWidth": 4, "imageHeight": 4}',
           '{"shapes": [], "imageWidth": 1e12, "imageHeight": 1e12}',
           '{"images": [{"id": 1, "file_name": "a", "width": 4, "height": 4}], "categories": [], "annotations": '
           '[{"image_id": 1, "segmentation": [[90, 90, 95, 90, 95, 95]]}]}',
           "photo,width,height,mask,rle\na.jpg,4,4,0,zz\n", "photo,area\na.jpg,4\n",
           "<annotations>", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "<annotations><image/></annotations>",
           '<annotations><image name="a" width="4" height="4"><mask label="a" left="0" top="0" width="4" height="4" '
           'rle="99999999999"/></image></annotations>']  # fmt: skip


@pytest.mark.parametrize("name", ["coco", "csv", "cvat", "geojson", "labelme", "voc", "yolo"])
@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_files_are_one_line_that_names_them(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.write_text(text)
    with pytest.raises(InputError, match="damaged") as caught, collect_skipped(strict=True):
        find_format(name).read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_geojson_of_a_geotiff_is_in_its_crs_as_geopandas_reads_it(tmp_path: Path) -> None:
    import geopandas
    import rasterio

    file = tmp_path / "field.tif"
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000)}
    with rasterio.open(file, "w", driver="GTiff", width=70, height=80, count=1, dtype="uint8", **place) as raster:
        raster.write(np.zeros((1, 80, 70), np.uint8))
    array = np.pad(ring(60, 50, 8), 10)
    (path,) = image_of(array, path=str(file)).save(tmp_path / "field.geojson")
    frame = geopandas.read_file(path)
    assert frame.crs.to_epsg() == 32633
    assert frame.geometry[0].is_valid
    assert frame.geometry[0].area == array.sum() / 4
    assert frame.total_bounds.tolist() == [400_005.5, 4_999_965.5, 400_029.5, 4_999_994.5]
    assert np.array_equal(find_format("geojson").read(path)[0].array, array)


@pytest.mark.parametrize("format", ["labelme", "coco", "geojson", "cvat", "yolo"])
def test_many_large_masks_of_a_small_file_are_made_one_by_one(format: str, tmp_path: Path) -> None:
    """A hundred squares of an image of 1,000 megapixels: together they would take 100 GB."""
    side, square = 31_000, [[10, 10], [30, 10], [30, 30], [10, 30]]
    flat = [number for corner in square for number in corner]
    xml = f'<image id="0" name="a.jpg" width="{side}" height="{side}">%s</image>'
    polygon = f'<polygon label="a" points="{";".join(f"{x},{y}" for x, y in square)}"/>'
    content = {
        "labelme": {"imageWidth": side, "imageHeight": side, "shapes": [{"label": "a", "points": square}] * 100},
        "coco": {"images": [{"id": 1, "file_name": "a.jpg", "width": side, "height": side}],
                 "annotations": [{"image_id": 1, "segmentation": [flat]}] * 100},
        "geojson": {"type": "FeatureCollection", "anymask": {"image": {"width": side, "height": side}}, "features":
                    [{"geometry": {"type": "Polygon", "coordinates": [[*square, square[0]]]}}] * 100},
        "cvat": f"<annotations>{xml % (polygon * 100)}</annotations>",
        "yolo": "0 " + " ".join(f"{number / side:.9f}" for number in flat) + "\n",
    }[format]  # fmt: skip
    path = tmp_path / "file"
    if format == "yolo":
        (path / "labels").mkdir(parents=True)
        (path / "labels" / "a.txt").write_text(content * 100)
        (path / "data.yaml").write_text("names: [a]")
        (path / "photos.jsonl").write_text(json.dumps({"photo": "a.jpg", "width": side, "height": side}))
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    masks = find_format(format).read(path)
    assert len(masks) == 100
    assert not any(mask.is_rendered for mask in masks)


def test_a_zigzag_of_many_corners_is_filled_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from anymask.structures import polygons as polygon

    x = np.arange(101).repeat(1)
    ring = np.stack([np.r_[x, 100, 0], np.r_[np.where(x % 2, 90, 3), 99, 99]], axis=1).astype(float)
    whole = polygon.polygons_to_mask([[ring]], (100, 100))
    monkeypatch.setattr(polygon, "_MAX_CROSSINGS", 7)
    assert np.array_equal(polygon.polygons_to_mask([[ring]], (100, 100)), whole)
    assert 0 < whole.sum() < whole.size
