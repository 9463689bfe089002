"""anymask: object masks from clicks, boxes or text, on an ordinary CPU.

```python
import anymask

segmenter = anymask.load("mobile-sam")
image = segmenter.encode("chelsea.jpg")
mask = image.segment(points=[(200, 150)])[0]
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anymask._version import __version__

_NAMES = {
    "AnymaskError": "anymask.errors",
    "EngineError": "anymask.errors",
    "ImageError": "anymask.errors",
    "InputError": "anymask.errors",
    "ModelError": "anymask.errors",
    "PromptError": "anymask.errors",
    "WeightsError": "anymask.errors",
    "CandidateMasks": "anymask.structures.candidates",
    "Candidates": "anymask.structures.candidates",
    "Client": "anymask.server.client",
    "Cutout": "anymask.editing.cutout",
    "DetectionOptions": "anymask.detection.options",
    "Detections": "anymask.detection.detections",
    "Detector": "anymask.detection.base",
    "EncodedImage": "anymask.prediction.encoded_image",
    "GeneratedMasks": "anymask.automatic.result",
    "GroundedSegmenter": "anymask.prediction.grounded",
    "Image": "anymask.io.image",
    "ImageRecord": "anymask.structures.provenance",
    "InpaintResult": "anymask.editing.inpainting",
    "Mask": "anymask.structures.mask",
    "MaskSet": "anymask.structures.mask_set",
    "Partition": "anymask.automatic.partition",
    "Prompt": "anymask.structures.prompt",
    "PromptCheck": "anymask.structures.prompt_check",
    "Provenance": "anymask.structures.provenance",
    "RemoteImage": "anymask.server.remote_image",
    "Segmenter": "anymask.prediction.segmenter",
    "ServerError": "anymask.server.connection",
    "SubjectModel": "anymask.prediction.subject_model",
    "TrackOptions": "anymask.tracking.options",
    "TrackedFrame": "anymask.tracking.result",
    "TrackedObject": "anymask.tracking.result",
    "cutout": "anymask.editing.cutout",
    "inpaint": "anymask.editing.inpainting",
    "load": "anymask.prediction.segmenter",
    "load_detector": "anymask.detection.loading",
    "load_subject_model": "anymask.prediction.subject_model",
    "open_image": "anymask.io.image",
    "page_count": "anymask.io.image",
    "show_binary_mask": "anymask.visualization.notebook",
    "show_boxes": "anymask.visualization.notebook",
    "show_candidates": "anymask.visualization.notebook",
    "show_contours": "anymask.visualization.notebook",
    "show_masks": "anymask.visualization.notebook",
    "show_points": "anymask.visualization.notebook",
    "track": "anymask.tracking.track",
}
"""Public name → the module that holds it; imported when first used, so that `import anymask` stays light."""

_MODULES = {"notebook": "anymask.integrations.notebook"}
"""Public name → the module that it is."""

__all__ = ["__version__", *_NAMES, *_MODULES]

if TYPE_CHECKING:
    from anymask.automatic.partition import Partition as Partition
    from anymask.automatic.result import GeneratedMasks as GeneratedMasks
    from anymask.detection.base import Detector as Detector
    from anymask.detection.detections import Detections as Detections
    from anymask.detection.loading import load_detector as load_detector
    from anymask.detection.options import DetectionOptions as DetectionOptions
    from anymask.editing.cutout import Cutout as Cutout
    from anymask.editing.cutout import cutout as cutout
    from anymask.editing.inpainting import InpaintResult as InpaintResult
    from anymask.editing.inpainting import inpaint as inpaint
    from anymask.errors import AnymaskError as AnymaskError
    from anymask.errors import EngineError as EngineError
    from anymask.errors import ImageError as ImageError
    from anymask.errors import InputError as InputError
    from anymask.errors import ModelError as ModelError
    from anymask.errors import PromptError as PromptError
    from anymask.errors import WeightsError as WeightsError
    from anymask.integrations import notebook as notebook
    from anymask.io.image import Image as Image
    from anymask.io.image import open_image as open_image
    from anymask.io.image import page_count as page_count
    from anymask.prediction.encoded_image import EncodedImage as EncodedImage
    from anymask.prediction.grounded import GroundedSegmenter as GroundedSegmenter
    from anymask.prediction.segmenter import Segmenter as Segmenter
    from anymask.prediction.segmenter import load as load
    from anymask.prediction.subject_model import SubjectModel as SubjectModel
    from anymask.prediction.subject_model import load_subject_model as load_subject_model
    from anymask.server.client import Client as Client
    from anymask.server.connection import ServerError as ServerError
    from anymask.server.remote_image import RemoteImage as RemoteImage
    from anymask.structures.candidates import CandidateMasks as CandidateMasks
    from anymask.structures.candidates import Candidates as Candidates
    from anymask.structures.mask import Mask as Mask
    from anymask.structures.mask_set import MaskSet as MaskSet
    from anymask.structures.prompt import Prompt as Prompt
    from anymask.structures.prompt_check import PromptCheck as PromptCheck
    from anymask.structures.provenance import ImageRecord as ImageRecord
    from anymask.structures.provenance import Provenance as Provenance
    from anymask.tracking.options import TrackOptions as TrackOptions
    from anymask.tracking.result import TrackedFrame as TrackedFrame
    from anymask.tracking.result import TrackedObject as TrackedObject
    from anymask.tracking.track import track as track
    from anymask.visualization.notebook import show_binary_mask as show_binary_mask
    from anymask.visualization.notebook import show_boxes as show_boxes
    from anymask.visualization.notebook import show_candidates as show_candidates
    from anymask.visualization.notebook import show_contours as show_contours
    from anymask.visualization.notebook import show_masks as show_masks
    from anymask.visualization.notebook import show_points as show_points


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _NAMES:
        raise AttributeError(f"module 'anymask' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
