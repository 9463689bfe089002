"""Write `answers/*.npz` with the official code: `python -m tests.reference.make_answers`.

To be run after an example image or the list of stored prompts has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.official import load_official_model, official_predictor
from tests.support.agreement import stabilities
from tests.support.example_images import EXAMPLES, example_image_paths, read_pixels
from tests.support.model_files import encoder_and_decoder
from tests.support.relative_prompts import PROMPTS, official_arguments
from tests.support.repository_references import (
    FOLDER,
    PROMPT_NAMES,
    STORED_EMBEDDING,
    STORED_LOGITS,
    ImageReference,
    PromptReference,
    write,
)


def main() -> None:
    model = load_official_model(*encoder_and_decoder())
    for stale in FOLDER.glob("*.npz"):
        stale.unlink()
    for image in example_image_paths():
        path = write(_image_reference(model, image))
        print(f"{path.relative_to(EXAMPLES.parent.parent)}: {path.stat().st_size:,} bytes")


def _image_reference(model: Any, image: Path) -> ImageReference:
    predictor = official_predictor(model, read_pixels(image))
    size = predictor.original_size[::-1]
    prompts = {
        prompt.name: _prompt_reference(predictor, official_arguments(prompt.in_pixels(size)))
        for prompt in PROMPTS
        if prompt.name in PROMPT_NAMES
    }
    return ImageReference(image, predictor.get_image_embedding().numpy()[STORED_EMBEDDING], prompts)


def _prompt_reference(predictor: Any, arguments: dict[str, Any]) -> PromptReference:
    several = predictor.predict(**arguments)
    single = predictor.predict(**arguments, multimask_output=False)
    best = several[2][several[1].argmax()][None]
    refined = predictor.predict(**arguments, mask_input=best, multimask_output=False)
    masks, scores, logits = (np.concatenate(parts) for parts in zip(several, single, refined, strict=True))
    return PromptReference(masks, scores, stabilities(logits).astype(np.float32), logits[STORED_LOGITS])


if __name__ == "__main__":
    main()
