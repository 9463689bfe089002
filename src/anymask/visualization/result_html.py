"""A result as HTML for notebooks: the image with its masks, and a switch for each of them, without any script."""

from __future__ import annotations

import base64
import html
import io
import uuid
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL.Image

from anymask.visualization.overlay import PALETTE

if TYPE_CHECKING:
    from anymask.structures.mask import Mask
    from anymask.structures.mask_set import MaskSet

_MAX_SIDE = 1024
"""Of the image in the page, in pixels."""
_MOST = 100
"""Masks that have a switch of their own; the others have one together."""
_OPACITY = 0.45


def result_html(masks: MaskSet) -> str:
    """The masks over their image as SVG, with a labelled checkbox for each, which styles alone switch.

    Args:
        masks: with their image.
    """
    width, height = masks.size
    scale = max(1.0, max(masks.size) / _MAX_SIDE)
    key = f"anymask-{uuid.uuid4().hex[:8]}"
    groups = [[index] for index in range(min(len(masks), _MOST))]
    if len(masks) > _MOST:
        groups.append(list(range(_MOST, len(masks))))
    switches, styles, shapes = [], [], []
    for number, group in enumerate(groups):
        name = f"{key}-{number}"
        color = f"rgb{PALETTE[masks.colour_indices[group[0]] % len(PALETTE)]}"
        title = _title(masks[group[0]], group[0]) if len(group) == 1 else f"{len(group)} more"
        switches.append(f'<input type="checkbox" id="{name}" checked>')
        switches.append(f'<label for="{name}" style="color:{color}">■ {html.escape(title)}</label>')
        styles.append(f"#{name}:not(:checked) ~ svg .{name} {{display: none}}")
        shapes.append(f'<g class="{name}">{"".join(_shape(masks, index, scale) for index in group)}</g>')
    notes = "".join(f"<div>{html.escape(note)}</div>" for note in masks.notes)
    return (
        f'<div class="{key}"><style>.{key} label {{margin-right: 1em}} {" ".join(styles)}</style>{"".join(switches)}'
        f'<svg viewBox="0 0 {width} {height}" style="display:block;width:100%;max-width:{min(width, _MAX_SIDE)}px">'
        f'<image href="{_data_uri(masks)}" width="{width}" height="{height}"/>{"".join(shapes)}</svg>{notes}</div>'
    )


def mask_html(mask: Mask) -> str:
    """A mask in white on black with what is known of it below, as HTML."""
    width = min(mask.size[0], _MAX_SIDE)
    content = base64.b64encode(encode_jpeg(mask.draw(), _MAX_SIDE)).decode()
    return (
        f'<img src="data:image/jpeg;base64,{content}" alt="mask" style="display:block;width:100%;max-width:{width}px">'
        f"<code>{html.escape(repr(mask))}</code>"
    )


def svg_path(mask: Mask, tolerance: float) -> str:
    """The outlines of a mask, holes among them, as an SVG path in pixels, to be filled by the even-odd rule.

    Args:
        mask: of any shape; an empty one has the path "".
        tolerance: how far the path may leave the pixels' edges, in pixels.
    """
    rings = [ring for part in mask.polygons for ring in part]
    drawn = []
    for ring in rings:
        fewer = cv2.approxPolyDP(ring.astype(np.float32), tolerance, True).reshape(-1, 2)
        if len(fewer) >= 3:
            drawn.append("M" + "L".join(f"{x:g} {y:g}" for x, y in fewer.tolist()) + "Z")
    return "".join(drawn)


def encode_jpeg(pixels: PIL.Image.Image, max_side: int) -> bytes:
    """An image as JPEG, not larger than a number of pixels at its longer side."""
    shown = pixels.convert("RGB")
    shown.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _title(mask: Mask, index: int) -> str:
    words = [mask.label or f"mask {index}"]
    if mask.confidence is not None:
        words.append(f"{mask.confidence:.2f}")
    return " ".join(words)


def _shape(masks: MaskSet, index: int, scale: float) -> str:
    color = f"rgb{PALETTE[masks.colour_indices[index] % len(PALETTE)]}"
    path = svg_path(masks[index], 0.5 * scale)
    return (
        f'<path d="{path}" fill="{color}" fill-opacity="{_OPACITY}" fill-rule="evenodd" stroke="{color}" '
        f'stroke-width="{2 * scale:.3g}"><title>{html.escape(_title(masks[index], index))}</title></path>'
    )


def _data_uri(masks: MaskSet) -> str:
    content = encode_jpeg(PIL.Image.fromarray(masks.image.pixels), _MAX_SIDE)
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
