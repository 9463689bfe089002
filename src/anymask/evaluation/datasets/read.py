"""Read a dataset in any of the layouts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import INDEX_CSV, AnnotatedImage
from anymask.structures.image_options import ImageOptions


def load_dataset(
    dataset: str | Path,
    max_objects: int | None = None,
    *,
    seed: int = 0,
    limit: int | None = None,
    images: str | Path | None = None,
    opening: ImageOptions | None = None,
) -> list[AnnotatedImage]:
    """List the images of a dataset, in its order.

    Args:
        dataset: a folder with `index.csv`, a folder in COCO's layout, or the JSON of one.
        max_objects: objects to prompt in each segmentation; None for all.
        seed: of the random choices.
        limit: take this many images, chosen at random; a larger limit takes the same ones and more.
        images: the folder with a COCO dataset's images, if it is not found beside the JSON.
        opening: how the images are opened; None for the defaults.

    Raises:
        InputError: no such dataset, or a damaged one.
    """
    from anymask.evaluation.datasets.coco import annotation_file, read_coco
    from anymask.evaluation.datasets.index_csv import read_index

    root = Path(dataset)
    if not root.exists():
        raise InputError(f"there is no dataset {root}")
    if (root / INDEX_CSV).is_file():
        annotated = read_index(root)
    elif file := annotation_file(root):
        annotated = read_coco(file, None if images is None else Path(images))
    else:
        raise InputError(
            f"{root} holds no {INDEX_CSV} and no COCO annotations: evaluate needs an {INDEX_CSV} with the columns "
            "image and mask, or a JSON with images and annotations"
        )
    if not annotated:
        raise InputError(f"{root} names no images")
    if limit is not None and limit < len(annotated):
        chosen = np.random.default_rng(seed).permutation(len(annotated))[:limit]
        annotated = [annotated[index] for index in sorted(chosen)]
    opening = opening or ImageOptions()
    return [replace(image, max_objects=max_objects, seed=seed, opening=opening) for image in annotated]
