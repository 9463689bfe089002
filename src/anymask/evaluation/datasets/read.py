from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import INDEX, Photograph


def read_dataset(
    dataset: str | Path,
    most: int | None = None,
    *,
    seed: int = 0,
    limit: int | None = None,
    images: str | Path | None = None,
) -> list[Photograph]:
    """List the photographs of a dataset, in its order.

    Args:
        dataset: a folder with `index.csv`, a folder in COCO's layout, or the JSON of one.
        most: objects to ask about in each segmentation; None for all.
        seed: of the random choices.
        limit: take this many photographs, chosen at random; a larger limit takes the same ones and more.
        images: the folder with a COCO dataset's pictures, if it is not found beside the JSON.

    Raises:
        InputError: no such dataset, or one that does not hold what it says.
    """
    from anymask.evaluation.datasets.coco import annotation_file, read_coco
    from anymask.evaluation.datasets.index_csv import read_index

    root = Path(dataset)
    if not root.exists():
        raise InputError(f"there is no dataset {root}")
    if (root / INDEX).is_file():
        photographs = read_index(root)
    elif found := annotation_file(root):
        photographs = read_coco(found, None if images is None else Path(images))
    else:
        raise InputError(
            f"{root} holds no {INDEX} and no COCO annotations: evaluate needs an {INDEX} with the columns image and "
            "mask, or a JSON with images and annotations"
        )
    if not photographs:
        raise InputError(f"{root} names no pictures")
    if limit is not None and limit < len(photographs):
        drawn = np.random.default_rng(seed).permutation(len(photographs))[:limit]
        photographs = [photographs[index] for index in sorted(drawn)]
    return [replace(photograph, most=most, seed=seed) for photograph in photographs]
