"""Write `coffee.npz` of the doctor with the official code: `python -m tests.reference.make_doctor_answers`.

To be run after the doctor's image or its prompts have changed.
"""

from __future__ import annotations

import numpy as np

from anymask.evaluation.doctor.known_image import EMBEDDING_SAMPLE, PROMPTS
from tests.reference.official import load_official_model, official_predictor
from tests.support.agreement import stabilities
from tests.support.example_images import ROOT, read_pixels
from tests.support.model_files import encoder_and_decoder

FOLDER = ROOT / "src" / "anymask" / "doctor"


def main() -> None:
    predictor = official_predictor(load_official_model(*encoder_and_decoder()), read_pixels(FOLDER / "coffee.jpg"))
    arrays = {"embedding": predictor.get_image_embedding().numpy()[EMBEDDING_SAMPLE]}
    for index, prompt in enumerate(PROMPTS.values()):
        points = {} if "points" not in prompt else {"point_coords": np.array(prompt["points"], float)}
        labels = {} if "labels" not in prompt else {"point_labels": np.array(prompt["labels"])}
        box = {} if "box" not in prompt else {"box": np.array(prompt["box"], float)}
        masks, _, logits = predictor.predict(**points, **labels, **box)
        arrays[f"masks_{index}"] = np.packbits(masks, axis=-1)
        arrays[f"stabilities_{index}"] = stabilities(logits).astype(np.float32)
    np.savez_compressed(FOLDER / "coffee.npz", **arrays)


if __name__ == "__main__":
    main()
