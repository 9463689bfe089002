"""COCO's layout: a JSON of instances, with polygons or run lengths, beside a folder of images.

Polygons are filled by `pycocotools`, so that figures are those of COCO's own evaluation.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import MIN_AREA, AnnotatedImage, Object, sample_indices
from anymask.formats.coco import FORMAT
from anymask.formats.helpers.coco_reading import load_index
from anymask.formats.helpers.outlines import parse_ring
from anymask.formats.helpers.validation import image_size, reading, safe_name
from anymask.formats.skipped import collect_skipped
from anymask.structures import rle as runs


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotations of one image; see `anymask.evaluation.datasets.ground_truth.Segmentation`.

    Attributes:
        source: the JSON.
        image: its file name there.
        size: (width, height) as stated there.
        entries: annotations as they stand there.
        categories: id → name, of the whole dataset.
    """

    source: Path
    image: str
    size: tuple[int, int]
    entries: tuple[dict[str, Any], ...]
    categories: dict[Any, str]

    @property
    def labels(self) -> Sequence[str]:
        """All categories of the dataset: the annotators searched for all of them."""
        return list(self.categories.values())

    def objects(self) -> Iterator[Object]:
        """All annotations, crowds included."""
        return map(self._object, self.entries)

    def sample_objects(self, max_objects: int | None, seed: int) -> Iterator[Object]:
        """See `Segmentation.sample_objects`."""
        counted = [entry for entry in self.entries if not entry.get("iscrowd")]
        large = [entry for entry in counted if runs.area(self._runs(entry)) >= MIN_AREA]
        return (self._object(large[index]) for index in sample_indices(len(large), max_objects, self.image, seed))

    def content(self) -> bytes:
        """The annotations as canonical JSON."""
        values = [self.size, self.entries, list(self.categories.items())]
        return json.dumps(values, sort_keys=True).encode()

    def _object(self, entry: dict[str, Any]) -> Object:
        mask = runs.decode(self._runs(entry))
        area = entry.get("area")
        return Object(
            f"{Path(self.image).stem}#{entry['id']}",
            mask,
            np.zeros(mask.shape, np.bool_),
            self.categories[entry["category_id"]],
            bool(entry.get("iscrowd")),
            float(area) if isinstance(area, int | float) else None,
        )

    def _runs(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Run lengths of one annotation, checked.

        Raises:
            InputError: no polygon, no run lengths, or those of another image.
        """
        from pycocotools import mask as coco

        width, height = self.size
        shape = entry.get("segmentation")
        with reading(self.source, f"COCO, annotation {entry.get('id')!r}"):
            if isinstance(shape, list) and shape:
                rings: list[NDArray[np.float64]] = [parse_ring(ring, self.size) for ring in shape]
                filled = coco.frPyObjects([ring.reshape(-1).tolist() for ring in rings], height, width)
                return dict(coco.merge(filled))
            if not isinstance(shape, dict):
                raise InputError("it has no segmentation")
            if runs.rle_size(shape) != (height, width):
                raise InputError(f"its mask is {shape['size'][::-1]}, the JSON states {[width, height]} pixels")
            runs.run_lengths(shape)
            return shape


def annotation_file(dataset: Path) -> Path | None:
    """The JSON of instances of a dataset; None if there is none.

    Raises:
        InputError: there are several, or the file that was named is none.
    """
    if dataset.is_file():
        if not _holds_instances(dataset):
            raise InputError(f"{dataset} is no COCO annotation file: it takes a JSON with images and annotations")
        return dataset
    candidates = [*sorted(dataset.glob("*.json")), *sorted(dataset.glob("annotations/*.json"))]
    named = [path for path in candidates if path.name.startswith("instances")]
    files = [path for path in named or candidates if _holds_instances(path)]
    if len(files) > 1:
        raise InputError(
            f"{dataset} holds {len(files)} annotation files, such as {files[0].name} and {files[1].name}: name the one "
            f"to use, for example {files[0]}"
        )
    return files[0] if files else None


def _holds_instances(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    with reading(path, "COCO"):
        content = json.loads(path.read_bytes())
    return isinstance(content, dict) and FORMAT.signature.json_keys <= content.keys()


def read_coco(path: Path, images: Path | None = None) -> list[AnnotatedImage]:
    """List the images of a COCO dataset, in the order of its `images`, those without annotations included.

    Args:
        path: the JSON.
        images: the folder that file names count from; found beside the JSON if None.

    Raises:
        InputError: a damaged file, or an image that does not exist.
    """
    with collect_skipped(strict=True):  # figures are of all annotations or of none
        index = load_index(path)
    with reading(path, "COCO"):
        for entry in itertools.chain.from_iterable(index.annotations.values()):
            if entry["category_id"] not in index.categories:
                raise InputError(f"annotation {entry['id']!r} has the category {entry['category_id']!r}, which is none")
        folders = _image_folders(path) if images is None else [images]
        annotated = []
        for image in index.images:
            name = safe_name(image["file_name"])
            size = image_size(image["width"], image["height"])
            own = Annotations(path, name, size, tuple(index.annotations[image["id"]]), index.categories)
            annotated.append(AnnotatedImage(_find_image(name, folders, path), name, (own,)))
    return annotated


def _image_folders(path: Path) -> list[Path]:
    """Folders in which the images of a COCO dataset may lie: beside the JSON, or in a folder named as its part."""
    part = path.stem.removeprefix("instances_")
    roots = [path.parent, path.parent.parent] if path.parent.name == "annotations" else [path.parent]
    return [root / below for root in roots for below in ("", "images", part, f"images/{part}")]


def _find_image(name: str, folders: Sequence[Path], source: Path) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{source} names {name!r}, which is not there: give the folder of the images with --images")
