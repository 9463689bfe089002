"""Masks from a single pass of the decoder, for a preview under the cursor: a third of the time of `segment_prompts`.

`anymask.prediction.prompting` prompts again with the boxes of the first masks, and `anymask.prediction.refinement` may
run the encoder once more. Here the first masks are ranked by the same features and the best one is selected.
"""

from __future__ import annotations

from collections.abc import Sequence

from anymask.prediction.calibration import CalibratedKind
from anymask.prediction.options import Select
from anymask.prediction.prompting import DecodePrompts, PromptKind, SelectedMask, calibrated, prompt_kind, selected_mask
from anymask.prediction.ranking import rank_features, rank_scores
from anymask.prediction.selection import exclusions_followed, select_by_rank, select_mask
from anymask.structures.candidates import Candidates
from anymask.structures.prompt import Prompt
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
    return [
        _select(Candidates(frame, *own), prompt, select) for prompt, *own in zip(prompts, logits, scores, strict=True)
    ]


_CALIBRATED: dict[PromptKind, CalibratedKind] = {
    PromptKind.BOX: "box",
    PromptKind.CORRECTIVE: "corrective",
    PromptKind.PLAIN: "points",
}


def _select(candidates: Candidates, prompt: Prompt, select: Select) -> SelectedMask:
    """The selected mask of one prompt."""
    kind = prompt_kind(prompt, select)
    if kind is not PromptKind.AMBIGUOUS:
        selected = selected_mask(candidates, *select_mask(candidates, prompt, select))
        return calibrated(selected, _CALIBRATED[kind], candidates, prompt) if select == "object" else selected
    included, logits = prompt.points[prompt.labels == 1], candidates.logits
    followed = exclusions_followed(candidates, prompt)
    ranks = rank_scores(rank_features(candidates.frame, logits, candidates.scores, included, logits, False, followed))
    return calibrated(
        selected_mask(candidates, *select_by_rank(candidates, prompt, ranks)), "click", candidates, prompt, ranks
    )
