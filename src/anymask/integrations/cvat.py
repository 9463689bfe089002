"""Functions for CVAT, which `cvat-cli` runs on this machine: a click to a mask, and whole tasks from text or without.

```
cvat-cli function create-native clicks --function-module anymask.integrations.cvat
cvat-cli task auto-annotate 12 --function-module anymask.integrations.cvat -p "text=str:cat, dog"
```
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import models
from cvat_sdk.masks import encode_mask

from anymask.detection.phrases import parse_phrases
from anymask.errors import PromptError
from anymask.formats.helpers.outlines import bridge_holes, parts_of
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter, load
from anymask.structures.mask import Mask

if TYPE_CHECKING:
    import PIL.Image


def create(
    model: str = "mobile-sam",
    text: str = "",
    everything: str = "",
    detector: str = "auto",
    threads: int = 0,
    **options: Any,
) -> ClickFunction | ObjectFunction:
    """Make the function that `--function-module anymask.integrations.cvat` names; the arguments are given with `-p`.

    Args:
        model: of the catalogue, or a path to a checkpoint.
        text: what to find, commas between several: a function for `cvat-cli task auto-annotate`, with these labels.
        everything: label of all objects that are found without a prompt: a function for `auto-annotate`, too. Without
            both it is an interactor, for clicks and boxes in CVAT's window.
        detector: for text.
        threads: 0 for as many as there are cores.
        options: of `anymask.load`, such as `precision`.

    Raises:
        PromptError: both text and everything.
        ModelError: unknown model, or option.
    """
    if text and everything:
        raise PromptError("give text or everything, not both: create one function for each")
    segmenter = load(model, threads=threads or None, **options)
    if text or everything:
        return ObjectFunction(segmenter, parse_phrases(text) if text else [everything], detector if text else None)
    return ClickFunction(segmenter)


class ClickFunction:
    """An interactor: clicks, and a box, become one mask."""

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def preprocess_image(self, context: Any, image: PIL.Image.Image) -> EncodedImage:
        """Encode an image once for all clicks."""
        return self._segmenter.encode(image.convert("RGB"))

    def detect(self, context: Any, image: EncodedImage, prompts: Any) -> list[cvataa.InteractionResultShape]:
        """The mask of the prompts; none for excluded points alone."""
        points = [*prompts.pos_points, *prompts.neg_points]
        if not (prompts.pos_points or prompts.bounding_box):
            return []
        labels = [1] * len(prompts.pos_points) + [0] * len(prompts.neg_points)
        box = None if prompts.bounding_box is None else [side for corner in prompts.bounding_box for side in corner]
        (mask,) = image.segment(points or None, labels or None, box=box)
        if not mask.area:
            return []
        confidence = models.AttributeValRequest(
            spec_id=cvataa.InteractionResultAttributes.CONFIDENCE, value=str(_confidence(mask))
        )
        return [cvataa.InteractionResultShape(type="mask", points=encode_mask(mask.array), attributes=[confidence])]


class ObjectFunction:
    """A detector: all objects of an image that a text names, or all there are.

    Args:
        segmenter: the model.
        labels: of the objects, as the task names them.
        detector: that finds the labels as text; None finds everything, and gives it the one label.
    """

    def __init__(self, segmenter: Segmenter, labels: Sequence[str], detector: str | None) -> None:
        self._segmenter, self._labels, self._detector = segmenter, list(labels), detector
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[cvataa.label_spec(name, index, type="mask") for index, name in enumerate(self._labels)]
        )

    def detect(self, context: Any, image: PIL.Image.Image) -> list[models.LabeledShapeRequest]:
        """The objects of one image, masks or polygons as CVAT wants them."""
        encoded = self._segmenter.encode(image.convert("RGB"))
        threshold = context.conf_threshold or 0.0
        if self._detector is None:
            masks = [(0, mask) for mask in encoded.everything() if _confidence(mask) >= threshold]
        else:
            found = encoded.segment_text(self._labels, detector=self._detector)
            masks = [
                (self._labels.index(str(found.prompts[mask.prompt_index].text)), mask)
                for mask in found
                if (mask.detector_score or 0.0) >= threshold
            ]
        return [shape for label, mask in masks if mask.area for shape in _shapes(mask, label, context)]


def _shapes(mask: Mask, label: int, context: Any) -> list[models.LabeledShapeRequest]:
    """One mask, or a polygon for each of its parts."""
    if not context.conv_mask_to_poly:
        return [cvataa.mask(label, cast("Sequence[float]", encode_mask(mask.array)))]
    return [cvataa.polygon(label, bridge_holes(part).reshape(-1).tolist()) for part in parts_of(mask, 1.0)]


def _confidence(mask: Mask) -> float:
    """The predicted IoU, which can be a little above 1, as CVAT takes it."""
    return round(min(max(mask.confidence or 0.0, 0.0), 1.0), 4)
