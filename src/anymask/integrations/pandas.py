"""Masks as a table of pandas (extra `pandas`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError
from anymask.structures.memory import iter_bounded

if TYPE_CHECKING:
    from anymask.structures.mask_set import MaskSet


def to_pandas(*results: MaskSet) -> Any:
    """Make a ``pandas.DataFrame`` with a row for each mask, in order.

    ```python
    table = result.to_pandas()
    table[table.area > 1000].groupby("label").score.mean()
    pandas.concat([each.to_pandas() for each in results])
    ```

    Columns: `image` (its path), `label`, `score` and `detector_score` (see `anymask.Mask`), `stability`, `area` in
    pixels, the box as `x_min`, `y_min`, `x_max`, `y_max` (maxima exclusive), `follows_prompt`, `prompt` (index of the
    prompt), and `rle` (COCO run lengths, which ``anymask.Mask.from_rle`` reads).

    Args:
        results: of one image each.

    Raises:
        AnymaskError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise AnymaskError("pandas is not installed; get it with: pip install 'anymask[pandas]'") from None
    types = {
        "image": "str", "label": "str", "score": "float64", "detector_score": "float64", "stability": "float64",
        "area": "int64", "x_min": "int64", "y_min": "int64", "x_max": "int64", "y_max": "int64",
        "follows_prompt": "boolean", "prompt": "int64", "rle": "object",
    }  # fmt: skip
    rows = [row for result in results for row in _rows(result)]
    return pandas.DataFrame(rows, columns=list(types)).astype({n: t for n, t in types.items() if t != "str"})


def _rows(result: MaskSet) -> Iterable[list[Any]]:
    path = result.record.path
    for mask in iter_bounded(result):
        follows = None if mask.follows_prompt is None else bool(mask.follows_prompt)
        yield [
            path, mask.label, mask.score, mask.detector_score, mask.stability, mask.area, *mask.box, follows,
            mask.prompt_index, mask.rle,
        ]  # fmt: skip
