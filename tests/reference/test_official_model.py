"""The yardstick itself: is the official model that the comparisons use the right one?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anymask.weights.checkpoints.state_dict import read_state_dict
from benchmarks.peers.official_parameters import read_official_parameters
from tests.support.example_images import BESIDE, all_image_paths, read_pixels
from tests.support.model_files import encoder_and_decoder
from tests.support.relative_prompts import PROMPTS, official_arguments
from tests.support.stored_references import stored_references

pytestmark = pytest.mark.reference


def test_the_official_model_gives_the_stored_masks_to_the_last_bit(official: Any) -> None:
    references = stored_references()
    if not references:
        pytest.skip(f"no stored official masks: {BESIDE}/reference does not exist")
    for reference in references:
        predictor = official(reference.image)
        embedding = predictor.get_image_embedding().numpy().astype(np.float16)
        assert np.array_equal(embedding, reference.embedding), reference.image
        for prompt, stored in zip(reference.prompts, reference.candidates, strict=True):
            arguments = official_arguments(prompt)
            _, scores, logits = predictor.predict(**arguments)
            assert np.array_equal(logits.astype(np.float16), stored.logits), prompt
            assert np.array_equal(scores, stored.scores), prompt
            best = logits[scores.argmax()][None]
            _, _, refined = predictor.predict(**arguments, mask_input=best, multimask_output=False)
            assert np.array_equal(refined.astype(np.float16), stored.refined_logits), prompt


def test_original_segment_anything_decodes_like_mobile_sam(official_model: Any, official: Any) -> None:
    from tests.reference.official import segment_anything

    image = all_image_paths()[0]
    mobile = official(image)
    original = segment_anything().SamPredictor(official_model)
    original.set_image(read_pixels(image))
    for prompt in PROMPTS:
        arguments = official_arguments(prompt.in_pixels(mobile.original_size[::-1]))
        for ours, theirs in zip(mobile.predict(**arguments), original.predict(**arguments), strict=True):
            assert np.array_equal(ours, theirs), prompt.name


def test_library_recovers_the_official_parameters_as_an_independent_reading_does() -> None:
    files = encoder_and_decoder()
    library = read_state_dict(files)
    independent = read_official_parameters(*files)
    folded = {name for name in independent if ".bn." in name}
    expanded = {name for name in independent if name.endswith("_expanded")}
    for name in independent.keys() - folded - expanded:
        assert np.array_equal(library[name], independent[name]), name
    for name in folded:
        if name.endswith(".bn.bias"):
            assert np.array_equal(library[name.replace(".bn.bias", ".c.bias")], independent[name]), name
    for name in expanded:
        first_row = independent[name][:, 0]
        assert np.array_equal(library[name.removesuffix("_expanded")], first_row), name
    recovered = len(independent) - len(folded) * 3 // 4
    assert len(library) == recovered
