"""What an encoded image needs of the Segmenter that encoded it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anymask.models.base import Model
from anymask.structures.provenance import Provenance


@dataclass(frozen=True)
class Runtime:
    """A loaded model and how to use it again; safe to use from several threads at once.

    Attributes:
        name: of the model.
        model: encodes pixels and decodes prompts.
        provenance: (seconds of encoding, seconds of decoding) → what ran.
        encode: an image, or pixels uint8 [H, W, 3], → `EncodedImage`.
        detector_options: engine, precision, threads and device for a detector beside the model.
        segmenter: the Segmenter itself, as which it pickles.
    """

    name: str
    model: Model
    provenance: Callable[[float, float], Provenance]
    encode: Callable[[Any], Any]
    detector_options: Mapping[str, Any]
    segmenter: Any

    def __reduce__(self) -> tuple[Callable[[Any], Runtime], tuple[Any]]:
        """Pickle as the segmenter, see `anymask.prediction.segmenter.Segmenter.__reduce__`."""
        return _runtime_of, (self.segmenter,)


def _runtime_of(segmenter: Any) -> Runtime:
    runtime: Runtime = segmenter.runtime
    return runtime
