"""anymask: exact object masks from clicks, boxes or words, on an ordinary CPU.

```python
import anymask

segmenter = anymask.load("mobile-sam")
scene = segmenter.encode("chelsea.jpg")
mask = scene.segment(points=[(200, 150)])[0]
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "AnymaskError": "anymask.errors",
    "EngineError": "anymask.errors",
    "ImageError": "anymask.errors",
    "InputError": "anymask.errors",
    "ModelError": "anymask.errors",
    "PromptError": "anymask.errors",
    "WeightsError": "anymask.errors",
    "Candidates": "anymask.candidates",
    "Client": "anymask.client",
    "Detections": "anymask.detect",
    "Image": "anymask.image",
    "Mask": "anymask.mask",
    "MaskSet": "anymask.mask",
    "Pipeline": "anymask.pipeline",
    "Prompt": "anymask.prompt",
    "Scene": "anymask.scene",
    "Search": "anymask.detect",
    "Segmenter": "anymask.segmenter",
    "cut_out": "anymask.edit.cutout",
    "inpaint": "anymask.edit.inpaint",
    "load": "anymask.segmenter",
    "load_detector": "anymask.detect",
    "open_image": "anymask.image",
    "show_binary_mask": "anymask.plot",
    "show_boxes": "anymask.plot",
    "show_candidates": "anymask.plot",
    "show_contours": "anymask.plot",
    "show_masks": "anymask.plot",
    "show_points": "anymask.plot",
}
"""Public name → the module that holds it; imported when first used, so that `import anymask` stays light."""

__all__ = ["__version__", *_NAMES]

if TYPE_CHECKING:
    from anymask.candidates import Candidates as Candidates
    from anymask.client import Client as Client
    from anymask.detect import Detections as Detections
    from anymask.detect import Search as Search
    from anymask.detect import load_detector as load_detector
    from anymask.edit.cutout import cut_out as cut_out
    from anymask.edit.inpaint import inpaint as inpaint
    from anymask.errors import AnymaskError as AnymaskError
    from anymask.errors import EngineError as EngineError
    from anymask.errors import ImageError as ImageError
    from anymask.errors import InputError as InputError
    from anymask.errors import ModelError as ModelError
    from anymask.errors import PromptError as PromptError
    from anymask.errors import WeightsError as WeightsError
    from anymask.image import Image as Image
    from anymask.image import open_image as open_image
    from anymask.mask import Mask as Mask
    from anymask.mask import MaskSet as MaskSet
    from anymask.pipeline import Pipeline as Pipeline
    from anymask.plot import show_binary_mask as show_binary_mask
    from anymask.plot import show_boxes as show_boxes
    from anymask.plot import show_candidates as show_candidates
    from anymask.plot import show_contours as show_contours
    from anymask.plot import show_masks as show_masks
    from anymask.plot import show_points as show_points
    from anymask.prompt import Prompt as Prompt
    from anymask.scene import Scene as Scene
    from anymask.segmenter import Segmenter as Segmenter
    from anymask.segmenter import load as load


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'anymask' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
