"""What tracking says of each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anymask.io.image import Image
from anymask.structures.annotation import Annotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import Provenance

ObjectState = Literal["visible", "lost"]


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One object in one frame.

    Attributes:
        id: of the object, from 1 on, the same in all frames.
        label: its name; None if it has none.
        state: "visible", or "lost": it is hidden, has left the frame, or cannot be told from its surroundings.
        mask: where it is; None if it is lost.
        score: IoU that the model predicts; None if it is lost.
        likeness: to what the object looked like before, see `anymask.tracking.appearance`; of a lost object that of the
            best mask that was refused, None if there was none.
        found_again: whether it was lost, or its motion was, and the likeness of embeddings has found it.
    """

    id: int
    label: str | None
    state: ObjectState
    mask: Mask | None = None
    score: float | None = None
    likeness: float | None = None
    found_again: bool = False


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """All objects in one frame.

    Attributes:
        index: of the frame, from 0 on.
        name: of its file without extension, or its number.
        image: the frame; None if it cannot be read.
        objects: all that were named up to this frame; empty if the frame cannot be read.
        error: why the frame cannot be read; None if it can.
        seconds: that the frame took.
        provenance: what ran.
    """

    index: int
    name: str
    image: Image | None
    objects: tuple[TrackedObject, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    provenance: Provenance | None = None

    @property
    def masks(self) -> MaskSet:
        """The masks of the visible objects, each with its number as `annotation.attributes["track_id"]`.

        Raises:
            ValueError: the frame could not be read.
        """
        if self.image is None:
            raise ValueError(f"frame {self.name} could not be read: {self.error}")
        masks = [
            each.mask.replace(annotation=Annotation(attributes={"track_id": each.id}))
            for each in self.objects
            if each.mask is not None
        ]
        return MaskSet(masks, image=self.image, provenance=self.provenance)

    @property
    def labels(self) -> NDArray[np.uint16]:
        """The number of the object at each pixel, 0 for none: uint16 [H, W].

        Raises:
            ValueError: the frame could not be read.
        """
        if self.image is None:
            raise ValueError(f"frame {self.name} could not be read: {self.error}")
        width, height = self.image.size
        labels = np.zeros((height, width), np.uint16)
        for each in self.objects:
            if each.mask is not None:
                labels[each.mask.array] = each.id
        return labels
