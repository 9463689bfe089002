"""GeoJSON: one feature per mask, with holes and parts, in pixels or, for a GeoTIFF, in its coordinates.

Pixel coordinates are x to the right and y down, along the pixels' edges. For a GeoTIFF that is still where it was read
from, and with rasterio (extra `geo`), coordinates are those of its CRS, which is named in the member `crs`; `anymask`
holds image size and transform, so that the file can be read back.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.formats.base import Format, FormatOption, Holds, Signature
from anymask.formats.helpers.annotations import encode_json, known_scores
from anymask.formats.helpers.outlines import TOLERANCE, check_tolerance, parse_ring, parts_of
from anymask.formats.helpers.validation import (
    as_list,
    as_object,
    image_size,
    load_json,
    optional_float,
    optional_text,
    reading,
    with_image,
)
from anymask.io.atomic import write_file
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.memory import iter_bounded
from anymask.structures.polygons import polygons_to_mask, signed_area
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.io.image import Image

Affine = NDArray[np.float64]
"""float64 [2, 3]: (x, y) = affine @ (column, row, 1)."""


def write(masks: MaskSet, path: Path, *, tolerance: float = 0, pixels: bool = False) -> list[Path]:
    """Write one image. An empty mask is a feature without geometry.

    Args:
        masks: what to write.
        path: of the file.
        tolerance: how far outlines may leave the pixels' edges, in pixels.
        pixels: pixel coordinates, also for a GeoTIFF.

    Raises:
        InputError: a path that cannot be written.
    """
    check_tolerance(tolerance)
    record = masks.record
    crs, affine = (None, None) if pixels else _georeference(record)
    features = [_feature(mask, affine, tolerance) for mask in iter_bounded(masks)]
    about = {"path": record.path, "width": record.width, "height": record.height, "sha256": record.sha256}
    content: dict[str, Any] = {"type": "FeatureCollection"}
    if crs is not None:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    content["anymask"] = {"image": about, "transform": None if affine is None else affine.tolist()}
    content["features"] = features
    write_file(path, encode_json(content))
    return [path]


def _georeference(record: ImageRecord) -> tuple[str | None, Affine | None]:
    """Name of the CRS and the transform from pixels into it, float64 [2, 3]; nothing for an image that has none."""
    file = Path(record.path or "")
    if file.suffix.lower() not in (".tif", ".tiff") or not file.is_file():
        return None, None
    try:
        import rasterio
    except ImportError:
        return None, None
    try:
        with rasterio.open(file.resolve()) as image:
            if image.crs is None or (image.width, image.height) != (record.width, record.height):
                return None, None
            authority = image.crs.to_authority()
            name = f"urn:ogc:def:crs:{authority[0]}::{authority[1]}" if authority else image.crs.to_wkt()
            return name, np.array(tuple(image.transform)[:6], np.float64).reshape(2, 3)
    except rasterio.errors.RasterioError:
        return None, None


def _feature(mask: Mask, affine: Affine | None, tolerance: float) -> dict[str, Any]:
    parts = [[_close_ring(ring, affine, outer=place == 0) for place, ring in enumerate(part)]
             for part in parts_of(mask, tolerance)]  # fmt: skip
    geometry: dict[str, Any] | None = None
    if parts:
        single = len(parts) == 1
        geometry = {"type": "Polygon" if single else "MultiPolygon", "coordinates": parts[0] if single else parts}
    properties = {"label": mask.label, "area": mask.area, **known_scores(mask, "stability")}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _close_ring(ring: NDArray[np.float64], affine: Affine | None, outer: bool) -> list[list[float]]:
    """A ring, float64 [N, 2] in pixels, with its first corner again at the end.

    Outer rings run counterclockwise with y up, holes clockwise (RFC 7946, 3.1.6).
    """
    points = ring if affine is None else ring @ affine[:, :2].T + affine[:, 2]
    if (signed_area(points) > 0) != outer:
        points = points[::-1]
    corners: list[list[float]] = np.concatenate([points, points[:1]]).tolist()
    return corners


def read(path: Path, image: Image | None = None) -> MaskSet:
    """Read features as masks; see `anymask.formats.base.Format`.

    Files of other programs do not say how large the image is: for them ``image`` is needed, and if it is a GeoTIFF,
    their coordinates are taken to be of its CRS where they name one.

    Raises:
        InputError: not such a file, no image size, or a geometry that is no area.
    """
    with reading(path, "GeoJSON"):
        content = load_json(path)
        if content.get("type") != "FeatureCollection":
            raise InputError(f"its type is {content.get('type')!r}, not 'FeatureCollection'")
        record, affine = _image_and_transform(content, image)
        features = [as_object(each, "features") for each in as_list(content["features"], "features")]
        size = (record.width, record.height)
        masks = MaskSet([_read_mask(feature, size, affine) for feature in features], image=record)
        return with_image(masks, image)


def _image_and_transform(content: dict[str, Any], image: Image | None) -> tuple[ImageRecord, Affine | None]:
    own = content.get("anymask")
    if own is None:
        if image is None:
            raise InputError("it does not say how large the image is; read it with image=open_image(...)")
        record = ImageRecord(*image.size, image.path)
        return record, _georeference(record)[1] if "crs" in content else None
    about = as_object(as_object(own, "anymask")["image"], "image")
    path, sha256 = about.get("path"), about.get("sha256")
    size = image_size(about["width"], about["height"])
    record = ImageRecord(*size, None if path is None else str(path), None if sha256 is None else str(sha256))
    if own.get("transform") is None:
        return record, None
    affine = np.asarray(own["transform"], np.float64)
    if affine.shape != (2, 3) or not np.isfinite(affine).all() or np.linalg.det(affine[:, :2]) == 0:
        raise InputError("its transform is not an invertible 2x3 matrix")
    return record, affine


def _read_mask(feature: dict[str, Any], size: tuple[int, int], affine: Affine | None) -> Mask:
    values = as_object(feature.get("properties") or {}, "properties")
    label = values.get("label")
    about: dict[str, Any] = {
        "score": optional_float(values.get("score")),
        "stability": optional_float(values.get("stability")),
    }
    parts = [
        [parse_ring(_to_pixels(ring, affine), size) for ring in part]
        for part in _geometry_parts(feature.get("geometry"))
    ]
    return Mask(partial(polygons_to_mask, parts, size), size, label=optional_text(label), **about)


def _geometry_parts(geometry: Any) -> list[Any]:
    if geometry is None:
        return []
    kind = as_object(geometry, "geometry").get("type")
    if kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"a geometry of type {kind!r} is not an area")
    coordinates = as_list(geometry["coordinates"], "coordinates")
    return [coordinates] if kind == "Polygon" else coordinates


def _to_pixels(ring: Any, affine: Affine | None) -> NDArray[np.float64]:
    """A closed ring's corners in pixels, float64 [N, 2]; ``affine`` leads from pixels to the ring's coordinates."""
    corners = np.asarray(ring, np.float64)
    if corners.ndim != 2 or corners.shape[1] not in (2, 3) or len(corners) < 4:
        raise InputError("a ring needs at least 4 positions [x, y], the last one equal to the first")
    corners = corners[:-1, :2]
    if affine is None:
        return corners
    # Corners were whole pixels: a millionth of a pixel is what going there and back may have cost.
    back = np.linalg.solve(affine[:, :2], (corners - affine[:, 2]).T).T
    snapped: NDArray[np.float64] = np.where(np.abs(back - back.round()) < 1e-6, back.round(), back)
    return snapped


FORMAT = Format(
    name="geojson",
    title="GeoJSON",
    summary="GeoJSON polygons with holes and parts, in pixels or in the CRS of a GeoTIFF",
    holds=Holds(empty_masks=True, scores=("confidence", "stability")),
    suffix=".geojson",
    media_type="application/geo+json",
    extensions=(".geojson",),
    options=(TOLERANCE, FormatOption(name="pixels", help="Pixel coordinates, also for a GeoTIFF.")),
    signature=Signature(extensions=(".geojson", ".json"), json_keys=frozenset({"features"})),
    menu_position=100,
    write=write,
    read=read,
)
