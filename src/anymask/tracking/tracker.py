"""Following objects from one frame to the next with a model for images.

In each frame optical flow moves an object's mask, the model is prompted with the moved mask and its box, and of the
masks that it returns the one is chosen that agrees best with flow and with what the object looked like. If none is
like the object, the frame is searched for a place whose embedding is; if there is none, the object is lost until one
appears.
No mask is made for a lost object.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anymask.errors import InputError, ModelError
from anymask.io.image import Image
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.sam import SamImage
from anymask.prediction.segmenter import Segmenter
from anymask.structures.candidates import stability_score
from anymask.structures.mask import Mask
from anymask.structures.mask_input import mask_logits
from anymask.structures.mask_set import MaskSet
from anymask.structures.overlap import tight_box
from anymask.tracking.appearance import Appearance, FrameTokens
from anymask.tracking.candidates import CandidateViews, prompts_by_likeness, prompts_of_mask
from anymask.tracking.flow import Flow, flow_between, no_flow
from anymask.tracking.options import TrackOptions
from anymask.tracking.result import TrackedFrame, TrackedObject

MAX_OBJECTS = 254
"""One byte numbers the objects of a label map, and 255 is no object in palettes."""

_LEAST_CELLS = 6
"""Cells of 256×256 logits below which a mask is too small to be compared."""
_LEAST_SHARE = 0.03
"""Share of an object's usual area below which it counts as hidden."""
_FOUND_AREAS = 0.25, 4.0
"""An object that is found again has at least and at most so many times its usual area."""
_SURE_OVERLAP, _SURE_LIKENESS, _SURE_SCORE = 0.75, 0.7, 0.8
"""IoU with the moved mask, likeness and predicted IoU from which on a view is remembered."""
_DOUBT = 0.8
"""Quality of the mask where an object has moved to below which other places are looked at, too."""
_CLEARLY_MORE = 0.15
"""How much better the mask at another place has to be than the one where the object seems to have moved to."""
_CELLS_PER_TOKEN = 16
_AREAS = 15
"""How many areas of the latest sure views the usual one is the median of."""


@dataclass(eq=False)
class Track:
    """What is known of one object.

    Attributes:
        id, label: see `TrackedObject`.
        mask: in the last frame in which it was visible, bool [H, W].
        appearance: what it looks like.
        areas: as shares of the frame, in the latest frames in which the tracker was sure.
        size: (width, height) of its box, as shares of the frame's.
        lost: whether it is lost.
    """

    id: int
    label: str | None
    mask: NDArray[np.bool_]
    appearance: Appearance
    areas: list[float] = field(default_factory=list)
    size: tuple[float, float] = (0.0, 0.0)
    lost: bool = False

    @property
    def usual_area(self) -> float:
        """Its area as a share of the frame."""
        return float(np.median(self.areas))


@dataclass(frozen=True, eq=False)
class _Found:
    """The mask that was chosen for an object; `logits` is None for a lost one."""

    logits: NDArray[np.float32] | None
    score: float
    likeness: float | None
    overlap: float = 0.0
    quality: float = 0.0
    by_likeness: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the object may as well be elsewhere."""
        return self.logits is None or self.quality < _DOUBT or self.overlap < _SURE_OVERLAP


_NOWHERE = _Found(None, 0.0, None)


class Tracker:
    """Follows objects frame by frame.

    ```python
    tracker = Tracker(segmenter)
    first = segmenter.encode("frame_1.jpg")
    tracker.step(first, first.segment(box=[10, 20, 110, 220]))
    tracker.step(segmenter.encode("frame_2.jpg"))
    ```

    Attributes:
        tracks: all objects.
        previous: the last frame that could be read; None before the first.
    """

    def __init__(self, segmenter: Segmenter, options: TrackOptions | None = None) -> None:
        if not segmenter.image_type.capabilities.mask_input:
            raise ModelError(f"{segmenter.model} takes no mask as a prompt, which tracking needs: take a SAM model")
        self.segmenter = segmenter
        self.options = options or TrackOptions()
        self.tracks: list[Track] = []
        self.previous: Image | None = None
        self._flipped: tuple[SamImage, FrameTokens] | None = None

    def step(self, image: EncodedImage, added: MaskSet | None = None, index: int = 0, name: str = "") -> TrackedFrame:
        """Find all objects in the next frame.

        Args:
            image: the frame, encoded by the segmenter.
            added: masks of objects that are followed from this frame on; each with its label.
            index: see `TrackedFrame`.
            name: see `TrackedFrame`.

        Raises:
            InputError: an added mask is empty, or there are more than `MAX_OBJECTS` objects.
        """
        started = time.perf_counter()
        assert isinstance(image, SamImage)
        tokens = FrameTokens.of(image)
        found = self._follow(image, tokens) if self.tracks else []
        logits = [None if each.logits is None else image.transform.interpolate(each.logits) for each in found]
        new = list(added or ())
        self._check_added(new)
        masks = _one_object_per_pixel(logits, [mask.array for mask in new])
        objects = [
            self._update(track, each, mask, image, tokens)
            for track, each, mask in zip(self.tracks, found, masks, strict=False)
        ]
        for mask, pixels in zip(new, masks[len(found) :], strict=True):
            assert pixels is not None
            objects.append(self._begin(mask, pixels, image, tokens))
        self.previous, self._flipped = image.source, None
        seconds = time.perf_counter() - started + image.provenance.seconds["encode"]
        return TrackedFrame(index, name, image.source, tuple(objects), seconds=seconds, provenance=image.provenance)

    def _check_added(self, masks: list[Mask]) -> None:
        if len(self.tracks) + len(masks) > MAX_OBJECTS:
            raise InputError(f"{len(self.tracks) + len(masks)} objects: at most {MAX_OBJECTS} are followed at once")
        for number, mask in enumerate(masks, start=len(self.tracks) + 1):
            if not mask.area:
                raise InputError(f"the mask of object {number} is empty: there is nothing to follow")

    def _begin(self, mask: Mask, pixels: NDArray[np.bool_], image: SamImage, tokens: FrameTokens) -> TrackedObject:
        """Follow one more object from this frame on; its mask in the frame is bool [H, W]."""
        if not pixels.any():
            raise InputError(
                f"object {len(self.tracks) + 1} is hidden by another one in its first frame: nothing is left"
            )
        mirrored = self._mirrored(image)
        views = [
            (own, own.coverage(_cells(each, image)))
            for own, each in ((tokens, pixels), (mirrored, np.ascontiguousarray(pixels[:, ::-1])))
        ]
        track = Track(len(self.tracks) + 1, mask.label, pixels, Appearance.of(views))
        _remember_size(track, pixels)
        self.tracks.append(track)
        return TrackedObject(
            track.id, track.label, "visible", _mask(pixels, mask.score, mask.stability, track), mask.score, 1.0
        )

    def _mirrored(self, image: SamImage) -> FrameTokens:
        """The tokens of a frame flipped left to right, encoded once for all objects that are named in it."""
        if self._flipped is None or self._flipped[0] is not image:
            flipped = self.segmenter.encode(np.ascontiguousarray(image.pixels[:, ::-1]))
            assert isinstance(flipped, SamImage)
            self._flipped = (image, FrameTokens.of(flipped))
        return self._flipped[1]

    # ------------------------------------------------------------ finding

    def _follow(self, image: SamImage, tokens: FrameTokens) -> list[_Found]:
        """Where each object is in a new frame."""
        assert self.previous is not None
        likeness = _contrasted([track.appearance.likeness(tokens) for track in self.tracks])
        flow: Flow | None = None
        if any(not track.lost for track in self.tracks):
            flow = flow_between(self.previous.pixels, image.pixels) if self.options.flow else no_flow(image.size)
        found = [
            _NOWHERE if track.lost or flow is None else self._move(track, flow, image, tokens, own)
            for track, own in zip(self.tracks, likeness, strict=True)
        ]
        if self.options.redetect:
            for place, track in enumerate(self.tracks):
                if found[place].is_doubtful:
                    rest = [*found[:place], *found[place + 1 :]]
                    others = [each.logits > 0 for each in rest if each.logits is not None]
                    found[place] = self._search(track, image, tokens, likeness[place], others, found[place])
        return found

    def _move(
        self, track: Track, flow: Flow, image: SamImage, tokens: FrameTokens, likeness: NDArray[np.float32]
    ) -> _Found:
        """Prompt the model where flow moves an object to; likeness is float32 [rows, columns]."""
        moved = flow.move(track.mask)
        if np.count_nonzero(moved) < max(1, _LEAST_SHARE * track.usual_area * moved.size):
            return _NOWHERE
        expected = _cells(moved, image)
        views = CandidateViews.of(*image.decode(prompts_of_mask(image, moved)), tokens, likeness)
        overlaps = views.overlap(expected)
        usual = track.usual_area * likeness.size
        growth = np.log2(np.maximum(views.areas / (_CELLS_PER_TOKEN * usual), 1))
        quality = views.quality(float(tokens.coverage(expected).sum()))
        fit = 0.5 * overlaps + quality + 0.3 * views.scores - 0.3 * growth
        fit[views.areas < _LEAST_CELLS] = -np.inf
        best = int(fit.argmax())
        if not np.isfinite(fit[best]) or views.likeness[best] < self.options.min_likeness:
            return replace(_NOWHERE, likeness=float(views.likeness[best]))
        return _Found(
            views.blended(best), float(views.scores[best]), float(views.likeness[best]), float(overlaps[best]),
            float(views.quality(usual)[best]),
        )  # fmt: skip

    def _search(
        self,
        track: Track,
        image: SamImage,
        tokens: FrameTokens,
        likeness: NDArray[np.float32],
        others: list[NDArray[np.bool_]],
        doubtful: _Found,
    ) -> _Found:
        """Look for an object by its likeness.

        Args:
            track: of the object.
            image: the frame.
            tokens: of the frame.
            likeness: of each token, float32 [rows, columns].
            others: where other objects are, bool [256, 256] each.
            doubtful: what was found by motion, or nothing.
        """
        width, height = image.size
        size = (track.size[0] * width, track.size[1] * height)
        prompts = prompts_by_likeness(image, likeness, track.appearance.side, size)
        if not prompts:
            return doubtful
        views = CandidateViews.of(*image.decode(prompts), tokens, likeness)
        usual = track.usual_area * likeness.size
        sizes = views.areas / (_CELLS_PER_TOKEN * usual)
        allowed = (sizes >= _FOUND_AREAS[0]) & (sizes <= _FOUND_AREAS[1]) & (views.areas >= _LEAST_CELLS)
        for other in others:
            common = ((views.logits > 0) & other).sum(axis=(1, 2))
            allowed &= common < 0.5 * np.maximum(views.areas, 1)
        if not allowed.any():
            return doubtful
        quality = views.quality(usual)
        fit = quality + 0.3 * views.scores - 0.1 * np.abs(np.log2(np.maximum(sizes, 1e-6)))
        best = int(np.where(allowed, fit, -np.inf).argmax())
        if doubtful.logits is not None and quality[best] < doubtful.quality + _CLEARLY_MORE:
            return doubtful
        if views.likeness[best] < self.options.found_likeness:
            return doubtful if doubtful.logits is not None else replace(_NOWHERE, likeness=float(views.likeness[best]))
        return _Found(views.blended(best), float(views.scores[best]), float(views.likeness[best]), by_likeness=True)

    # ------------------------------------------------------------ remembering

    def _update(
        self, track: Track, found: _Found, mask: NDArray[np.bool_] | None, image: SamImage, tokens: FrameTokens
    ) -> TrackedObject:
        """Remember where an object is, its mask bool [H, W], or that it is lost."""
        least = max(1.0, _LEAST_SHARE * track.usual_area * (0 if mask is None else mask.size))
        if found.logits is None or mask is None or np.count_nonzero(mask) < least:
            track.lost = True
            return TrackedObject(track.id, track.label, "lost", likeness=found.likeness)
        track.lost = False
        track.mask = mask
        is_sure = (
            found.overlap >= _SURE_OVERLAP and (found.likeness or 0) >= _SURE_LIKENESS and found.score >= _SURE_SCORE
        )
        if is_sure:
            track.appearance = track.appearance.with_view(tokens, tokens.coverage(found.logits > 0))
            _remember_size(track, mask)
        stability = float(stability_score(image.transform, found.logits[None])[0])
        shown = _mask(mask, found.score, stability, track)
        return TrackedObject(track.id, track.label, "visible", shown, found.score, found.likeness, found.by_likeness)


def _contrasted(likeness: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Likeness to each object, float32 [rows, columns], less where a token is more like another object."""
    if len(likeness) < 2:
        return likeness
    return [
        own - np.maximum(0, np.max([*likeness[:place], *likeness[place + 1 :]], axis=0) - own)
        for place, own in enumerate(likeness)
    ]


def _cells(mask: NDArray[np.bool_], image: SamImage) -> NDArray[np.bool_]:
    """A mask, bool [H, W], on the grid of logits, bool [256, 256]; not empty for a mask that is not."""
    logits = mask_logits(mask, type(image.transform))
    inside = logits > 0
    return inside if inside.any() else logits > logits.min()


def _mask(pixels: NDArray[np.bool_], score: float | None, stability: float | None, track: Track) -> Mask:
    """The mask of an object, bool [H, W]."""
    return Mask.from_array(pixels, score=score, stability=stability, label=track.label)


def _remember_size(track: Track, mask: NDArray[np.bool_]) -> None:
    """Remember the area and the box of a mask, bool [H, W]."""
    height, width = mask.shape
    x0, y0, x1, y1 = tight_box(mask)
    track.size = ((x1 - x0) / width, (y1 - y0) / height)
    track.areas = [*track.areas, np.count_nonzero(mask) / mask.size][-_AREAS:]


def _one_object_per_pixel(
    logits: list[NDArray[np.float32] | None], added: list[NDArray[np.bool_]]
) -> list[NDArray[np.bool_] | None]:
    """Give each pixel to one object: to an added one, of several to the smallest, else to the one of the highest logit.

    Args:
        logits: of each object, float32 [H, W], None for a lost one.
        added: masks of further objects, bool [H, W].

    Returns:
        A mask for each object, bool [H, W], None for a lost one.
    """
    masks: list[NDArray[np.bool_] | None] = [None] * (len(logits) + len(added))
    taken: NDArray[np.bool_] | None = None
    for place in sorted(range(len(added)), key=lambda i: int(np.count_nonzero(added[i]))):
        mask = added[place] if taken is None else added[place] & ~taken
        masks[len(logits) + place] = mask
        taken = mask if taken is None else taken | mask
    best: NDArray[np.float32] | None = None
    for each in logits:
        if each is not None:
            best = each if best is None else np.maximum(best, each)
    for place, each in enumerate(logits):
        if each is None or best is None:
            continue
        own = (each > 0) & (each >= best)
        if taken is not None:
            own &= ~taken
        taken = own if taken is None else taken | own  # of equal logits the first object has the pixel
        masks[place] = own
    return masks
