"""`MaskSet`: the masks that one call returns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError
from anymask.structures.annotation import BoxAnnotation, DatasetRecord
from anymask.structures.mask import Mask
from anymask.structures.memory import iter_bounded
from anymask.structures.provenance import ImageRecord, Provenance

if TYPE_CHECKING:
    import PIL.Image
    from typing_extensions import Self

    from anymask.io.image import Image
    from anymask.structures.prompt import Prompt

_LATE = {
    "save": "anymask.formats.registry:save",
    "draw": "anymask.visualization.overlay:draw",
    "_repr_html_": "anymask.visualization.result_html:result_html",
    "to_pandas": "anymask.integrations.pandas:to_pandas",
    "to_supervision": "anymask.formats.supervision:to_supervision",
}
"""Method → the function of a later package that it calls, imported when the method is first called."""


def _late(method: str) -> Callable[..., Any]:
    module, name = _LATE[method].split(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


class MaskSet(Sequence[Mask]):
    """All masks that one call returned, best first within an object; slices are MaskSets too.

    ```python
    result = encoded.segment(boxes=[...])
    result[0].area, result.union(), result.draw().show(), result.save("out.json")
    ```

    Attributes:
        prompts: that led to the masks; `Mask.prompt_index` is an index into them.
        provenance: model, engine, call and seconds of the result; a blank `Provenance` if they are unknown.
        shows_prompts: whether images of the result show the prompts.
        box_annotations: objects of which a file has a box and no mask; slices keep them all.
        dataset: what a file of many images states about all of them; None if the masks come from no such file.
        colour_indices: each mask's index in the whole result, which selects its colour; a slice keeps them.
    """

    def __init__(
        self,
        masks: Iterable[Mask],
        *,
        image: Image | ImageRecord,
        prompts: Sequence[Prompt] = (),
        provenance: Provenance | None = None,
        shows_prompts: bool = True,
        box_annotations: Sequence[BoxAnnotation] = (),
        dataset: DatasetRecord | None = None,
    ) -> None:
        """Gather the masks of one image.

        Args:
            masks: all of the image's size.
            image: the image, or a record of it if its pixels are not at hand.
            prompts: that led to the masks.
            provenance: of the masks.
            shows_prompts: False where hundreds of automatic points would cover the image.
            box_annotations: objects of the image that have a box and no mask.
            dataset: that the image belongs to.

        Raises:
            InputError: a mask whose size differs from the image's.
        """
        self._masks = tuple(masks)
        self.prompts = tuple(prompts)
        self.provenance = provenance or Provenance()
        self.shows_prompts = shows_prompts
        self.box_annotations, self.dataset = tuple(box_annotations), dataset
        self._image = None if isinstance(image, ImageRecord) else image
        self._record = image if isinstance(image, ImageRecord) else None
        self.colour_indices = tuple(range(len(self._masks)))
        for mask in self._masks:
            if mask.size != self.size:
                raise InputError(f"a mask of {mask.size} pixels does not belong to an image of {self.size}")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image as displayed, also when there are no masks."""
        return (self.record.width, self.record.height) if self._image is None else self._image.size

    @property
    def has_image(self) -> bool:
        """Whether the pixels of the image are available, so that the masks can be drawn on it."""
        return self._image is not None

    @property
    def image(self) -> Image:
        """The image.

        Raises:
            InputError: the masks were read from a file without their image.
        """
        if self._image is None:
            raise InputError("these masks came without their image; read them with image=open_image(...)")
        return self._image

    @property
    def record(self) -> ImageRecord:
        """Which image the masks belong to; hashes the pixels of an image that did not come from a file."""
        if self._record is None:
            image = self.image
            notes, opened_with = tuple(image.notes), dict(image.opened_with)
            self._record = ImageRecord(*image.size, image.path, image.sha256, notes, opened_with)
        return self._record

    @property
    def notes(self) -> list[str]:
        """What was noticed when the image was opened and the prompts were read, one line each, without repetition."""
        about_image = self._image.notes if self._image is not None else self.record.notes
        return list(dict.fromkeys([*about_image, *(note for prompt in self.prompts for note in prompt.notes)]))

    def __len__(self) -> int:
        return len(self._masks)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> Self: ...

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[Any]) -> Mask | Self:
        """One mask; or a result of several, by a slice, a list of indices, or an array of bool or indices."""
        if isinstance(index, slice):
            return self._take(range(len(self))[index])
        if isinstance(index, Sequence | np.ndarray) and np.ndim(index) == 1:
            return self._take(np.arange(len(self))[np.asarray(index) if len(index) else []].tolist())
        return self._masks[index]  # type: ignore[index]  # a tuple says best what it does not take

    @property
    def arrays(self) -> NDArray[np.bool_]:
        """All masks in full size, bool [N, H, W]; made at each call, one byte a pixel."""
        width, height = self.size
        arrays = np.zeros((len(self), height, width), np.bool_)
        for array, mask in zip(arrays, iter_bounded(self._masks), strict=True):
            x0, y0, x1, y1 = mask.box
            array[y0:y1, x0:x1] = mask.array[y0:y1, x0:x1]
        return arrays

    @property
    def boxes(self) -> NDArray[np.int64]:
        """The masks' tight boxes, int64 [N, 4], xyxy in pixels, maxima exclusive."""
        return np.array([mask.box for mask in iter_bounded(self._masks)], np.int64).reshape(-1, 4)

    @property
    def scores(self) -> NDArray[np.float32]:
        """The masks' scores, float32 [N]; NaN for a mask without one."""
        return np.array([np.nan if mask.score is None else mask.score for mask in self._masks], np.float32)

    @property
    def labels(self) -> list[str | None]:
        """The masks' labels."""
        return [mask.label for mask in self._masks]

    def filter(
        self,
        *,
        min_area: float = 0,
        max_area: float | None = None,
        min_score: float | None = None,
        label: str | Sequence[str] | None = None,
    ) -> Self:
        """The masks that meet all conditions, in their order and colours.

        Args:
            min_area: least area, in pixels.
            max_area: greatest area, in pixels.
            min_score: least score; masks without a score do not meet it.
            label: one label or several.
        """
        labels = None if label is None else {label} if isinstance(label, str) else set(label)
        indices = [
            index
            for index, mask in enumerate(iter_bounded(self._masks))
            if mask.area >= min_area
            and (max_area is None or mask.area <= max_area)
            and (min_score is None or (mask.score is not None and mask.score >= min_score))
            and (labels is None or mask.label in labels)
        ]
        return self._take(indices)

    def _take(self, indices: Sequence[int]) -> Self:
        """The same result with only some of its masks."""
        part = copy.copy(self)
        part._masks = tuple(self._masks[index] for index in indices)
        part.colour_indices = tuple(self.colour_indices[index] for index in indices)
        return part

    def replace(
        self,
        masks: Iterable[Mask] | None = None,
        image: Image | ImageRecord | None = None,
        *,
        box_annotations: Sequence[BoxAnnotation] | None = None,
        dataset: DatasetRecord | None = None,
    ) -> MaskSet:
        """The same result with other masks, another image or record, other boxes or dataset; all else stays.

        Raises:
            InputError: a mask whose size differs from the image's.
        """
        return MaskSet(
            self if masks is None else masks,
            image=image or self._image or self.record,
            prompts=self.prompts,
            provenance=self.provenance,
            shows_prompts=self.shows_prompts,
            box_annotations=self.box_annotations if box_annotations is None else box_annotations,
            dataset=self.dataset if dataset is None else dataset,
        )

    def union(self) -> NDArray[np.bool_]:
        """The union of all masks, bool [H, W]; all False without masks."""
        width, height = self.size
        union = np.zeros((height, width), np.bool_)
        for mask in iter_bounded(self._masks):
            x0, y0, x1, y1 = mask.box
            union[y0:y1, x0:x1] |= mask.array[y0:y1, x0:x1]
        return union

    def save(self, path: str | Path, format: str | None = None, **options: Any) -> list[Path]:
        """Write the masks into a file, or files, in any known format.

        Args:
            path: the file; for formats with one file per mask, also a folder.
            format: such as "masks-json" or "png"; by default that of the extension.
            options: of the format's `write`, such as ``polygons=True`` for "coco".

        Returns:
            The files written.

        Raises:
            InputError: an unknown format, extension or option, or a path that cannot be written.
        """
        files: list[Path] = _late("save")(self, Path(path), format, **options)
        return files

    def draw(self, **options: Any) -> PIL.Image.Image:
        """Draw the result over its image: translucent masks, boxes, a green ★ for include and a red ★ for exclude.

        Args:
            options: fields of `anymask.visualization.overlay.Style`, such as ``opacity``, ``colors``, ``max_side``.

        Raises:
            InputError: the masks have no image.
        """
        prompts = self.prompts if self.shows_prompts else ()
        drawing: PIL.Image.Image = _late("draw")(self.image.pixels, self, prompts, **options)
        return drawing

    def to_supervision(self) -> Any:
        """The masks as ``supervision.Detections``, see `anymask.formats.supervision`.

        Raises:
            AnymaskError: supervision is not installed.
        """
        return _late("to_supervision")(self._masks)

    def to_pandas(self) -> Any:
        """The masks as a ``pandas.DataFrame``, a row each, see `anymask.integrations.pandas`.

        Raises:
            AnymaskError: pandas is not installed.
        """
        return _late("to_pandas")(self)

    def __repr__(self) -> str:
        width, height = self.size
        about = [f"{len(self)} mask{'s' * (len(self) != 1)} of {width}x{height}"]
        if self.provenance.model:
            about.append(f"{self.provenance.model} on {self.provenance.engine} {self.provenance.precision}")
        if scores := [mask.score for mask in self._masks if mask.score is not None]:
            high, low = f"{max(scores):.3f}", f"{min(scores):.3f}"
            about.append(f"score {high}" if high == low else f"scores {high} to {low}")
        broken = sum(mask.follows_prompt is not None and not mask.follows_prompt for mask in self._masks)
        about += [f"{broken} not following the prompt"] if broken else []
        return f"<{type(self).__name__}: {', '.join(about)}{''.join(f'; {note}' for note in self.notes)}>"

    def _repr_html_(self) -> str | None:
        """The drawing for notebooks, with a switch for each mask; None without an image."""
        return None if self._image is None else str(_late("_repr_html_")(self))

    def _repr_png_(self) -> bytes | None:
        """The drawing as PNG, for notebooks; None without an image."""
        if self._image is None:
            return None
        buffer = BytesIO()
        self.draw(max_side=1024).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
