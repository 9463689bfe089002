"""Plots for notebooks, with matplotlib (extra `notebook`); the functions have the names that SAM lessons use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError, InputError
from anymask.io.arrays import to_numpy
from anymask.visualization.overlay import EXCLUDE_COLOR, INCLUDE_COLOR, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from anymask.structures.candidates import Candidates
    from anymask.structures.mask import Mask
    from anymask.structures.prompt import Prompt

OPACITY = 0.55
"""Of plotted masks."""


def show_points(coords: ArrayLike, labels: ArrayLike, ax: Axes | None = None, marker_size: float = 375) -> Axes:
    """Plot a green ★ for each included point and a red ★ for each excluded one.

    Args:
        coords: [N, 2], (x, y) in pixels.
        labels: [N], 1 include, 0 exclude.
        ax: the axes of the image, the current ones if left out.
        marker_size: area of a star in square points.

    Returns:
        The axes.

    Raises:
        InputError: another number of labels than points, or labels other than 0 and 1.
    """
    axes = _axes(ax)
    points, kinds = to_numpy(coords).astype(float).reshape(-1, 2), to_numpy(labels).reshape(-1)
    if len(points) != len(kinds):
        raise InputError(f"every point needs a label, got {len(points)} points and {len(kinds)} labels")
    if not np.isin(kinds, (0, 1)).all():
        raise InputError(f"labels are 1 (include) or 0 (exclude), got {np.unique(kinds).tolist()}")
    for kind, color in ((1, INCLUDE_COLOR), (0, EXCLUDE_COLOR)):
        x, y = points[kinds == kind].T
        axes.scatter(x, y, s=marker_size, color=_unit(color), marker="*", edgecolor="white", linewidth=1.25, zorder=3)
    return axes


def show_boxes(boxes: ArrayLike, ax: Axes | None = None, color: Any = None) -> Axes:
    """Plot outlines of boxes.

    Args:
        boxes: [M, 4] or [4], [x_min, y_min, x_max, y_max] in pixels.
        ax: the axes of the image, the current ones if left out.
        color: any matplotlib colour; green if left out.

    Returns:
        The axes.
    """
    from matplotlib.patches import Rectangle

    axes = _axes(ax)
    for x0, y0, x1, y1 in to_numpy(boxes).astype(float).reshape(-1, 4):
        edge = _unit(INCLUDE_COLOR) if color is None else color
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, edgecolor=edge, facecolor="none", linewidth=2, zorder=2))
    return axes


def show_masks(masks: Any, ax: Axes | None = None, random_color: bool = False) -> Axes:
    """Plot masks over the image, large ones first, each in a colour of its own.

    Args:
        masks: a `MaskSet`, Masks, or bool [K, H, W] or [H, W].
        ax: the axes of the image, the current ones if left out.
        random_color: a random colour for each mask rather than `anymask.visualization.overlay.PALETTE` in order.

    Returns:
        The axes.
    """
    axes = _axes(ax)
    arrays = _arrays(masks)
    if not arrays:
        return axes
    rng = np.random.default_rng()
    colors = [rng.random(3) if random_color else _unit(PALETTE[i % len(PALETTE)]) for i in range(len(arrays))]
    overlay = np.zeros((*arrays[0].shape, 4), np.uint8)
    for index in sorted(range(len(arrays)), key=lambda i: -int(np.count_nonzero(arrays[i]))):
        overlay[arrays[index]] = np.round(np.array([*colors[index], OPACITY]) * 255)
    axes.imshow(overlay, zorder=1)
    return axes


def show_contours(masks: Any, ax: Axes | None = None, linewidth: float = 2) -> Axes:
    """Plot the outlines of masks, holes included, each in the colour that `show_masks` gives it.

    Args:
        masks: a `MaskSet`, Masks, or bool [K, H, W] or [H, W].
        ax: the axes of the image, the current ones if left out.
        linewidth: in points.

    Returns:
        The axes.
    """
    import cv2

    axes = _axes(ax)
    for index, array in enumerate(_arrays(masks)):
        inside = np.ascontiguousarray(array).view(np.uint8)
        rings, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for ring in rings:
            x, y = np.concatenate([ring, ring[:1]])[:, 0].T
            axes.plot(x, y, color=_unit(PALETTE[index % len(PALETTE)]), linewidth=linewidth, zorder=2)
    return axes


def show_candidates(image: ArrayLike, candidates: Candidates, prompt: Prompt | None = None) -> Figure:
    """Plot all candidate masks of one prompt in a row, each over the image with its score as title.

    ```python
    show_candidates(encoded.pixels, encoded.predict(points=[(350, 450)]))
    ```

    Args:
        image: uint8 [H, W, 3].
        candidates: of `EncodedImage.predict`.
        prompt: its points and its box are plotted, too.

    Returns:
        A new figure.
    """
    pixels = to_numpy(image)
    count = len(candidates.scores)
    height = 4.5 * pixels.shape[0] / pixels.shape[1] + 0.4
    figure, row = _pyplot().subplots(1, count, squeeze=False, figsize=(4.5 * count, height))
    for index, (axes, mask, score) in enumerate(zip(row[0], candidates.masks, candidates.scores, strict=True)):
        axes.imshow(pixels)
        show_masks(mask, axes)
        if prompt is not None and len(prompt.points):
            show_points(prompt.points, prompt.labels, axes, marker_size=200)
        if prompt is not None and prompt.box is not None:
            show_boxes(prompt.box, axes)
        axes.set_title(f"Mask {index}, score {score:.3f}")
        axes.axis("off")
    figure.tight_layout()
    result: Figure = figure
    return result


def show_binary_mask(mask: Mask | ArrayLike, score: float | None = None, ax: Axes | None = None) -> Axes:
    """Plot one mask in white on black, with its score as title.

    Args:
        mask: a Mask, or bool [H, W], or [1, H, W].
        score: predicted IoU; by default that of a Mask.
        ax: where to plot, the current axes if left out.

    Returns:
        The axes.
    """
    axes = _axes(ax)
    score = getattr(mask, "score", None) if score is None else score
    axes.imshow(_arrays(mask)[0], cmap="gray", vmin=0, vmax=1)
    if score is not None:
        axes.set_title(f"Score: {float(to_numpy(score).squeeze()):.3f}")
    axes.axis("off")
    return axes


def _arrays(masks: Any) -> list[NDArray[np.bool_]]:
    """Masks of any kind as bool [H, W] each."""
    if hasattr(masks, "array"):
        return [masks.array]
    if not isinstance(masks, np.ndarray) and isinstance(masks, Iterable):
        return [array for mask in masks for array in _arrays(mask if hasattr(mask, "array") else to_numpy(mask))]
    array = to_numpy(masks)
    if array.ndim < 2:
        raise InputError(f"a mask needs the shape [height, width], got {list(array.shape)}")
    return list(array.reshape(-1, *array.shape[-2:]) > 0)


def _axes(ax: Axes | None) -> Axes:
    axes: Axes = _pyplot().gca() if ax is None else ax
    return axes


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise AnymaskError("matplotlib is not installed; get it with: pip install 'anymask[notebook]'") from None
    return pyplot


def _unit(color: tuple[int, int, int]) -> tuple[float, float, float]:
    return color[0] / 255, color[1] / 255, color[2] / 255
