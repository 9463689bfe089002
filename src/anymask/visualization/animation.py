"""Masks after each click, as an animated GIF or WebP."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import PIL.Image
from numpy.typing import ArrayLike

from anymask.errors import InputError, PromptError
from anymask.io.atomic import write_file
from anymask.io.image import Image
from anymask.structures.mask_set import MaskSet
from anymask.visualization.overlay import EXCLUDE_COLOR, INCLUDE_COLOR, INK, WHITE, draw

ANIMATION_SIDE = 640
"""Long side of the frames of larger images, in pixels."""
CLICK_MS, MASK_MS, LAST_MS = 500, 1100, 2600
"""Milliseconds that a click is shown before its mask, that a mask is shown, and that the last mask is shown."""


class Promptable(Protocol):
    """An encoded image, such as `anymask.EncodedImage`."""

    @property
    def source(self) -> Image:
        """The opened image."""
        ...

    def segment(self, points: Any = None, labels: Any = None) -> MaskSet:
        """One mask for points [N, 2] with labels [N]."""
        ...


def click_frames(
    encoded: Promptable, points: ArrayLike, labels: ArrayLike | None = None, **style: Any
) -> tuple[list[PIL.Image.Image], list[int]]:
    """Segment with one click more each time, and draw every click and every mask.

    ```python
    frames, milliseconds = click_frames(encoded, [(290, 215), (362, 285)], [1, 0])
    save_animation(Path("clicks.gif"), frames, milliseconds)
    ```

    Args:
        encoded: the encoded image.
        points: [N, 2], (x, y) in pixels, in the order of the clicks.
        labels: [N], 1 include, 0 exclude; all 1 if left out.
        style: fields of `anymask.visualization.overlay.Style`.

    Returns:
        The frames, all of one size, and the duration of each in milliseconds.

    Raises:
        PromptError: no point, or none that is included.
    """
    options = {"max_side": ANIMATION_SIDE, **style}
    clicks = np.asarray(points, np.float64).reshape(-1, 2)
    marks = np.ones(len(clicks), np.int64) if labels is None else np.asarray(labels).reshape(-1)
    if not len(clicks) or not (marks == 1).any():
        raise PromptError("an animation needs at least one included point")
    pixels = encoded.source.pixels
    frames, durations = [draw(pixels, (), (), **options)], [CLICK_MS]
    earlier: Sequence[Any] | MaskSet = ()
    for count in range(1, len(clicks) + 1):
        if not (marks[:count] == 1).any():
            continue  # excluded points alone are no prompt
        result = encoded.segment(points=clicks[:count], labels=marks[:count])
        frames.append(draw(pixels, [mask.replace(prompt_index=0) for mask in earlier], result.prompts, **options))
        frames.append(draw(pixels, result, result.prompts, **options))
        durations += [CLICK_MS, MASK_MS]
        earlier = result
    durations[-1] = LAST_MS
    return frames, durations


def save_animation(path: Path, frames: Sequence[PIL.Image.Image], milliseconds: Sequence[int]) -> Path:
    """Write frames as an endless animation, atomically.

    Args:
        path: ends with .gif or .webp.
        frames: all of one size.
        milliseconds: the duration of each.

    Raises:
        InputError: another ending, no frames, frames of several sizes, or another number of durations.
    """
    kind = path.suffix.lower()
    if kind not in (".gif", ".webp"):
        raise InputError(f"{path.name}: an animation ends with .gif or .webp")
    if not frames or len(frames) != len(milliseconds) or len({frame.size for frame in frames}) != 1:
        raise InputError(f"an animation needs frames of one size with a duration each, got {len(frames)} frames")
    buffer = io.BytesIO()
    timing: dict[str, Any] = {"save_all": True, "duration": list(milliseconds), "loop": 0}
    if kind == ".gif":
        # One palette for all frames: with one each, colours of the image would flicker.
        indexed = _indexed(frames)
        indexed[0].save(buffer, "GIF", append_images=indexed[1:], optimize=False, **timing)
    else:
        first, *rest = frames
        first.save(buffer, "WEBP", append_images=rest, quality=80, method=4, **timing)
    write_file(path, buffer.getvalue())
    return path


def _indexed(frames: Sequence[PIL.Image.Image]) -> list[PIL.Image.Image]:
    """Frames in one palette of 256 colours, of which some are reserved for stars, which cover few pixels."""
    width, height = frames[0].size
    small = [frame.resize((max(1, width // 2), max(1, height // 2))) for frame in (frames[0], frames[-1])]
    both = PIL.Image.new("RGB", (small[0].width, small[0].height * 2))
    for index, frame in enumerate(small):
        both.paste(frame, (0, index * frame.height))
    own = [level for color in (INCLUDE_COLOR, EXCLUDE_COLOR, WHITE, INK) for level in color]
    common = both.quantize(256 - len(own) // 3, PIL.Image.Quantize.MEDIANCUT).getpalette() or []
    palette = PIL.Image.new("P", (1, 1))
    palette.putpalette([*own, *common][:768])
    return [frame.quantize(palette=palette, dither=PIL.Image.Dither.FLOYDSTEINBERG) for frame in frames]
