"""`Mask`: the mask of one object."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from anymask.errors import InputError
from anymask.io.interruption import check_stopped
from anymask.structures.annotation import Annotation, SourceShape
from anymask.structures.overlap import tight_box
from anymask.structures.prompt_check import PromptCheck

if TYPE_CHECKING:
    from pathlib import Path

    import PIL.Image

    from anymask.io.image import ImageSource
    from anymask.structures.polygons import Ring
    from anymask.structures.prompt import Prompt
    from anymask.structures.rle import Rle

_ABOUT = (
    "score", "stability", "logits", "label", "detector_score", "object_score", "follows_prompt", "prompt_index",
    "edits", "annotation", "source_shape",
)  # fmt: skip
_STORED_AS = {"logits": "_logits"}


class Mask:
    """The mask of one object, made in full size when its pixels are first read.

    ```python
    mask = result[0]
    mask.array, mask.area, mask.box, mask.score, mask.rle, mask.polygons
    ```

    A Mask never changes, and may be read from several threads.

    Attributes:
        size: (width, height) in pixels of the image as displayed.
        score: IoU with the object to expect, 0 to 1, see `anymask.prediction.calibration`; in `everything`, with
            ``select="part"`` or ``"score"`` and of FastSAM what the model predicts, which can exceed 1 a little; None
            if no model made the mask.
        stability: IoU between the mask cut at logit +1 and at −1; None if unknown.
        label: name of the object; None if it has none.
        detector_score: confidence of the detector that found the object by text, 0 to 1; None without a detector.
        object_score: how sure the model is that there is an object at all, 0 to 1; None if it does not say.
        follows_prompt: which constraints of its prompt the mask meets, true if all; None if unknown or without
            constraints.
        prompt_index: of its prompt, in the prompts of the result.
        edits: notes on the holes filled and islands dropped after prediction.
        annotation: what a file that the mask was read from states besides: ids, attributes, crowd.
        source_shape: the shape as that file has it; None if the mask was read from none, or has been changed.
    """

    def __init__(
        self,
        render: Callable[[], NDArray[np.bool_]] | NDArray[np.bool_],
        size: tuple[int, int],
        *,
        score: float | None = None,
        stability: float | None = None,
        logits: NDArray[np.float32] | Callable[[], NDArray[np.float32]] | None = None,
        label: str | None = None,
        detector_score: float | None = None,
        object_score: float | None = None,
        follows_prompt: PromptCheck | None = None,
        prompt_index: int = 0,
        edits: Sequence[str] = (),
        annotation: Annotation | None = None,
        source_shape: SourceShape | None = None,
        full_logits: Callable[[], NDArray[np.float32]] | None = None,
    ) -> None:
        """Wrap a mask, bool [H, W], or a function that returns one; the other arguments are described at the class.

        The function is called when the pixels are first read, and again only after `release`; one in the place of
        `logits` each time that they are read. `full_logits` returns
        logits in full size, float32 [H, W], where they have more detail than `logits` enlarged.

        Raises:
            InputError: an array that is not bool or not of that size.
        """
        self.size = (int(size[0]), int(size[1]))
        self.score, self.stability, self._logits = score, stability, logits
        self.label, self.detector_score, self.object_score = label, detector_score, object_score
        self.follows_prompt, self.prompt_index, self.edits = follows_prompt, prompt_index, tuple(edits)
        self.annotation, self.source_shape = annotation or Annotation(), source_shape
        self._lock = threading.Lock()
        self._render, self._full_logits = render if callable(render) else None, full_logits
        self._array = None if callable(render) else self._checked(render)
        self._area: int | None = None
        self._box: list[int] | None = None
        self._rle: Rle | None = None
        self._polygons: list[list[Ring]] | None = None

    @classmethod
    def from_array(cls, array: ArrayLike, **about: Any) -> Mask:
        """Make a Mask from an array: bool [H, W], or integers, of which all but 0 are inside.

        Args:
            array: [H, W]; a bool array is not copied.
            about: score, stability, label and other arguments of the class.

        Raises:
            InputError: not two-dimensional, empty, or of real numbers.
        """
        pixels = np.asarray(array)
        if pixels.ndim != 2 or 0 in pixels.shape:
            raise InputError(f"a mask needs the shape [height, width], got {list(pixels.shape)}")
        if pixels.dtype != np.bool_ and not np.issubdtype(pixels.dtype, np.integer):
            raise InputError(f"a mask needs bool or whole numbers, got {pixels.dtype}; compare with a threshold first")
        return cls(pixels.astype(np.bool_, copy=False), (pixels.shape[1], pixels.shape[0]), **about)

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any], **about: Any) -> Mask:
        """Make a Mask from COCO RLE, compressed or not; it is decoded when the pixels are first read.

        Args:
            rle: {"size": [height, width], "counts": str, bytes or list of int}.
            about: score, stability, label and other arguments of the class.

        Raises:
            InputError: runs that are malformed or whose sum is not the number of pixels.
        """
        from anymask.structures import rle as runs

        height, width = runs.rle_size(rle)
        own = dict(rle)
        mask = cls(lambda: runs.decode(own), (width, height), **about)
        mask._area, mask._box = runs.area_and_box(own)
        if isinstance(own["counts"], str):
            mask._rle = {"size": [height, width], "counts": own["counts"]}
        return mask

    def _checked(self, array: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A read-only, C-contiguous view of a mask, bool [H, W]; raises InputError for any other array."""
        width, height = self.size
        if not isinstance(array, np.ndarray) or array.dtype != np.bool_ or array.shape != (height, width):
            actual = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            raise InputError(f"a mask of size {width}x{height} needs a bool array [{height}, {width}], got {actual}")
        view: NDArray[np.bool_] = np.ascontiguousarray(array).view()
        view.setflags(write=False)
        return view

    @property
    def array(self) -> NDArray[np.bool_]:
        """The mask in full size, bool [H, W], read-only.

        Raises:
            StoppedError: it has to be made, and the work around is to end, see `anymask.io.interruption`.
        """
        array = self._array
        if array is None:
            with self._lock:
                if self._array is None:
                    assert self._render is not None
                    check_stopped()
                    self._array = self._checked(self._render())
                array = self._array
        return array

    @property
    def logits(self) -> NDArray[np.float32] | None:
        """Logits float32 [256, 256], before the sigmoid, in the padded 1024 frame divided by 4; None if unknown."""
        return self._logits() if callable(self._logits) else self._logits

    @property
    def probabilities(self) -> NDArray[np.float32] | None:
        """The soft mask, float32 [H, W], 0 to 1: the probability that a pixel is inside; None if `logits` is None.

        Above 0.5 exactly where `array` is True. Computed on every read, because it takes four bytes per pixel.
        """
        logits = self.logits
        if logits is None:
            return None
        from anymask.structures.probabilities import probabilities
        from anymask.structures.transforms import ResizeLongestSide

        full = (
            self._full_logits() if self._full_logits is not None else ResizeLongestSide(*self.size).interpolate(logits)
        )
        return probabilities(full, self.array)

    @property
    def confidence(self) -> float | None:
        """How sure it is that this is the object: `detector_score` where a detector found it, else `score`."""
        return self.score if self.detector_score is None else self.detector_score

    @property
    def is_rendered(self) -> bool:
        """Whether the full-size array is in memory."""
        return self._array is not None

    def release(self) -> None:
        """Free the full-size array if it can be made again when it is next read."""
        if self._render is not None:
            self._array = None

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        if self._area is None:
            self._area = int(np.count_nonzero(self.array))
        return self._area

    @property
    def box(self) -> list[int]:
        """Tight box ``[x_min, y_min, x_max, y_max]`` in pixel edges; zeros for an empty mask.

        The maxima are exclusive: width is ``x_max - x_min``, and ``array[y_min:y_max, x_min:x_max]`` is the object.
        """
        if self._box is None:
            self._box = tight_box(self.array)
        return list(self._box)

    @property
    def rle(self) -> Rle:
        """COCO RLE ``{"size": [height, width], "counts": str}``, as ``pycocotools`` writes and reads it."""
        if self._rle is None:
            from anymask.structures import rle as runs

            self._rle = runs.encode(self.array)
        return {"size": list(self._rle["size"]), "counts": self._rle["counts"]}

    @property
    def polygons(self) -> list[list[Ring]]:
        """Exact outlines: per part (largest first) the outer ring, then its holes; see `anymask.structures.polygons`.

        Rings are float64 [N, 2] of (x, y) along pixel edges; `polygons_to_mask` of that module gives the same mask.
        """
        if self._polygons is None:
            from anymask.structures.polygons import mask_to_polygons

            self._polygons = mask_to_polygons(self.array)
        return [list(part) for part in self._polygons]

    def replace(self, **changes: Any) -> Mask:
        """The same mask with another score, label, follows_prompt … (any attribute but the size).

        Raises:
            InputError: an unknown attribute.
        """
        if unknown := changes.keys() - set(_ABOUT):
            raise InputError(f"a mask has no {', '.join(sorted(unknown))} to replace")
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)  # `copy.copy` would go through `__reduce__`, and lose array and logits
        twin._lock = threading.Lock()
        for name, value in changes.items():
            setattr(twin, _STORED_AS.get(name, name), tuple(value) if name == "edits" else value)
        return twin

    def remove_small_regions(self, holes: float = 0, islands: float = 0, prompt: Prompt | None = None) -> Mask:
        """Fill holes, then drop islands, of fewer pixels than these; 0 leaves them.

        Same meaning as ``min_mask_region_area`` of segment-anything (8-connected; the largest island always stays).
        The changes are noted in `edits`. Score, stability and logits stay those that the model predicted.

        Args:
            holes: fill holes of fewer pixels.
            islands: drop islands of fewer pixels.
            prompt: of the mask, to check `follows_prompt` again; without it `follows_prompt` of a changed mask is
                None, because filling a hole can include an excluded point.

        Returns:
            A new Mask, or this one if there was nothing to remove.

        Raises:
            InputError: an area below 0.
        """
        from anymask.structures.small_regions import remove_holes_and_islands

        if not (holes >= 0 and islands >= 0):
            raise InputError(f"areas to remove must be 0 or more pixels, got {holes} and {islands}")
        cleaned, done = remove_holes_and_islands(self.array, holes, islands)
        if not done:
            return self
        follows_prompt = None if prompt is None else PromptCheck.of(cleaned, prompt)
        return self.with_array(cleaned, follows_prompt, done)

    def with_array(
        self, array: NDArray[np.bool_], follows_prompt: PromptCheck | None, edits: Sequence[str] = ()
    ) -> Mask:
        """A mask with other pixels; score, stability and logits stay those that the model predicted.

        Args:
            array: bool [H, W].
            follows_prompt: of these pixels.
            edits: notes to add on what was changed.
        """
        about = {name: getattr(self, name) for name in _ABOUT} | {"full_logits": self._full_logits}
        about |= {"follows_prompt": follows_prompt, "edits": (*self.edits, *edits), "source_shape": None}
        return Mask(array, self.size, **about)

    def save(self, path: str | Path, format: str | None = None, **options: Any) -> list[Path]:
        """Write the mask into a file, as `MaskSet.save` does; a PNG is white inside and black outside.

        Args:
            path: the file.
            format: such as "masks-json" or "png"; by default that of the extension.
            options: of the format's `write`.

        Returns:
            The files written.

        Raises:
            InputError: an unknown format, extension or option, or a path that cannot be written.
        """
        from anymask.structures.provenance import ImageRecord

        files: list[Path] = self._as_result(ImageRecord(*self.size)).save(path, format, **options)
        return files

    def draw(self, image: ImageSource | None = None, **options: Any) -> PIL.Image.Image:
        """Draw the mask over an image; without one in white on black (mode "L", 255 inside).

        Args:
            image: that the mask is of, as `anymask.open_image` takes it; or an encoded image.
            options: fields of `anymask.visualization.overlay.Style`, such as ``opacity`` and ``colors``.

        Raises:
            InputError: an image of another size, or options without an image.
            TypeError: no such option.
        """
        from PIL import Image

        from anymask.io.image import open_image

        if image is not None:
            drawing: Image.Image = self._as_result(open_image(image)).draw(**options)
            return drawing
        if options:
            raise InputError(f"{', '.join(options)} needs an image to draw over: mask.draw(image, …)")
        return Image.fromarray(self.array.view(np.uint8) * np.uint8(255))

    def _as_result(self, image: Any) -> Any:
        """A `MaskSet` of this mask alone; its module imports this one."""
        mask_set = import_module("anymask.structures.mask_set")
        return mask_set.MaskSet([self.replace(prompt_index=0)], image=image)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The mask for `np.asarray`: bool [H, W], or of ``dtype``."""
        array = self.array
        if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
            raise ValueError(f"a mask is bool: as {np.dtype(dtype)} it has to be copied")
        return array.astype(array.dtype if dtype is None else dtype, copy=bool(copy))

    def __and__(self, other: Mask) -> Mask:
        """The intersection of two masks, without score and logits."""
        return self._combined(np.logical_and, other)

    def __or__(self, other: Mask) -> Mask:
        """The union of two masks, without score and logits."""
        return self._combined(np.logical_or, other)

    def __xor__(self, other: Mask) -> Mask:
        """What is in one of two masks only, without score and logits."""
        return self._combined(np.logical_xor, other)

    def __sub__(self, other: Mask) -> Mask:
        """The mask without what is in the other, without score and logits."""
        return self._combined(np.greater, other)

    def __invert__(self) -> Mask:
        """The complement of the mask, without score and logits."""
        return Mask(~self.array, self.size)

    def _combined(self, operation: Callable[..., NDArray[np.bool_]], other: Mask) -> Mask:
        """The mask of an operation on two arrays, bool [H, W] each."""
        if not isinstance(other, Mask):
            return NotImplemented
        if other.size != self.size:
            raise InputError(f"masks of different images: {self.size} and {other.size} pixels")
        return Mask(operation(self.array, other.array), self.size)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as run lengths: a few kilobytes, where the array takes a byte per pixel."""
        return partial(type(self).from_rle, **{name: getattr(self, name) for name in _ABOUT}), (self.rle,)

    def __getattr__(self, name: str) -> Any:
        """Say where the methods of an array are.

        Raises:
            AttributeError: always.
        """
        hint = f": use mask.array.{name}" if not name.startswith("_") and hasattr(np.ndarray, name) else ""
        raise AttributeError(f"a Mask has no attribute {name!r}{hint}", name=name, obj=self)

    def _repr_html_(self) -> str:
        """The mask for notebooks, in white on black."""
        html: str = import_module("anymask.visualization.result_html").mask_html(self)
        return html

    def __repr__(self) -> str:
        about = [f"{self.size[0]}x{self.size[1]}"]
        if self._area is not None or self.is_rendered:
            about.append(f"area {self.area}, box {self.box}")
        about += [f"score {self.score:.3f}"] if self.score is not None else []
        about += [f"label {self.label!r}"] if self.label is not None else []
        about += [f"follows_prompt {bool(self.follows_prompt)}"] if self.follows_prompt is not None else []
        return f"<Mask {', '.join([*about, *self.edits])}>"
