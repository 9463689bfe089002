"""Masks from a single pass of the decoder, for a preview under the cursor: a third of the time of `segment_prompts`.

`anymask.prediction.prompting` prompts again with the boxes of the first masks, and `anymask.prediction.refinement` may
run the encoder once more. Here the first masks are ranked by the same features and the best one is selected.
"""

from __future__ import annotations

from collections.abc import Sequence

from anymask.prediction.options import Select
from anymask.prediction.prompting import DecodePrompts, PromptKind, SelectedMask, prompt_kind
from anymask.prediction.ranking import rank_features, rank_scores
from anymask.prediction.selection import exclusions_followed, select_by_rank, select_mask
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.prompt import Prompt
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.transforms import ResizeLongestSide


def preview(
    decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt], select: Select = "object"
) -> list[SelectedMask]:
    """Select one mask for each prompt about one image, with a single call of the decoder.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompts: at least one.
        select: see `anymask.prediction.selection.select_mask`.
    """
    logits, scores = decode(prompts)
    previews = []
    for prompt, own_logits, own_scores in zip(prompts, logits, scores, strict=True):
        index, check = _select(Candidates(frame, own_logits, own_scores), prompt, select)
        stability = float(stability_score(frame, own_logits[index][None])[0])
        previews.append(SelectedMask(own_logits[index], float(own_scores[index]), stability, check))
    return previews


def _select(candidates: Candidates, prompt: Prompt, select: Select) -> tuple[int, PromptCheck | None]:
    """Index of the selected candidate, and whether it follows the prompt."""
    if prompt_kind(prompt, select) is not PromptKind.AMBIGUOUS:
        return select_mask(candidates, prompt, select)
    included, logits = prompt.points[prompt.labels == 1], candidates.logits
    followed = exclusions_followed(candidates, prompt)
    features = rank_features(candidates.frame, logits, candidates.scores, included, logits, False, followed)
    return select_by_rank(candidates, prompt, rank_scores(features))
