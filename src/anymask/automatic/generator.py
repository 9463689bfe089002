"""Automatic mask generation: find the objects of an image without a prompt (`SamAutomaticMaskGenerator`).

```python
generator = MaskGenerator(GeneratorOptions(points_per_side=16))
data = generator.generate(image_view(model, pixels, embedding, searching=True))
```
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from anymask.automatic.budget import Budget, Estimate
from anymask.automatic.crop_boxes import crop_layers, layer_points
from anymask.automatic.crops import CropGeneratedData, crop_points, planned_crops, search_crops
from anymask.automatic.image_view import ImageView
from anymask.automatic.options import GeneratorOptions
from anymask.automatic.search import GeneratedData, check_memory, prompt_bytes, search, seconds_per_prompt


class MaskGenerator:
    """Finds the objects of encoded images. Holds no image; safe to use from several threads at once.

    Args:
        options: how points are sampled, what a mask must reach, and which crops are prompted.
        budget: when to stop early; a budget with a deadline is for one call.
    """

    def __init__(self, options: GeneratorOptions | None = None, budget: Budget | None = None) -> None:
        self.options = options or GeneratorOptions()
        self.budget = budget or Budget()

    def generate(self, view: ImageView) -> GeneratedData | CropGeneratedData:
        """Find the objects of an image, and of crops of it if the options name any.

        Raises:
            PromptError: no points to prompt, or a budget that does not hold the masks of one batch.
        """
        options = self.options
        ((whole, _), *parts) = crop_layers(view.size, options)
        if parts:
            return search_crops(view, options, self.budget)
        return search(view, crop_points(options, whole, 0), options, options.thresholds, self.budget)

    def estimate(self, view: ImageView) -> Estimate:
        """Work out what `generate` will take; times one batch, and with crops one pass of the encoder.

        Raises:
            PromptError: as `generate`.
        """
        check_memory(view.transform, self.options, self.budget)
        crops = planned_crops(view.size, self.options)
        prompts = [self.options.max_prompts(len(crop.points)) for crop in crops]
        whole: NDArray[np.float64] = layer_points(self.options) * view.size
        each = seconds_per_prompt(view, whole, self.options)
        encoding = 0.0
        if len(crops) > 1 and view.crop is not None:
            began = time.perf_counter()
            view.crop(crops[-1].box)
            encoding = time.perf_counter() - began
        count = sum(prompts)
        seconds = count * each + (len(crops) - 1) * encoding
        frames = [type(view.transform)(*crop.size) for crop in crops]
        most = max((number * prompt_bytes(frame) for number, frame in zip(prompts, frames, strict=True)), default=0)
        return Estimate(count, len(crops), seconds, most / 1e6, self.budget.reaches(count, seconds, most))
