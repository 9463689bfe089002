"""Write `answers/*.npz` with the official code: `python -m tests.reference.make_answers`.

To be run after an example photograph or the list of stored prompts has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.official import load_official_model, official_predictor
from tests.support.agreement import stabilities
from tests.support.model_files import encoder_and_decoder
from tests.support.photographs import EXAMPLES, example_photographs, read_pixels
from tests.support.relative_prompts import PROMPTS, official_arguments
from tests.support.repository_answers import (
    EMBEDDING_KEPT,
    FOLDER,
    LOGITS_KEPT,
    PROMPT_NAMES,
    PhotoAnswer,
    PromptAnswer,
    write,
)


def main() -> None:
    model = load_official_model(*encoder_and_decoder())
    for stale in FOLDER.glob("*.npz"):
        stale.unlink()
    for photo in example_photographs():
        path = write(_answer(model, photo))
        print(f"{path.relative_to(EXAMPLES.parent.parent)}: {path.stat().st_size:,} bytes")


def _answer(model: Any, photo: Path) -> PhotoAnswer:
    predictor = official_predictor(model, read_pixels(photo))
    size = predictor.original_size[::-1]
    prompts = {
        prompt.name: _prompt_answer(predictor, official_arguments(prompt.in_pixels(size)))
        for prompt in PROMPTS
        if prompt.name in PROMPT_NAMES
    }
    return PhotoAnswer(photo, predictor.get_image_embedding().numpy()[EMBEDDING_KEPT], prompts)


def _prompt_answer(predictor: Any, arguments: dict[str, Any]) -> PromptAnswer:
    several = predictor.predict(**arguments)
    single = predictor.predict(**arguments, multimask_output=False)
    best = several[2][several[1].argmax()][None]
    refined = predictor.predict(**arguments, mask_input=best, multimask_output=False)
    masks, scores, logits = (np.concatenate(parts) for parts in zip(several, single, refined, strict=True))
    return PromptAnswer(masks, scores, stabilities(logits).astype(np.float32), logits[LOGITS_KEPT])


if __name__ == "__main__":
    main()
