"""Answer from one look alone: what a mask under the cursor needs, in a third of the time of a whole answer.

`anymask.prediction.prompting` prompts again with the boxes of the first masks, and `anymask.prediction.refinement` may
run the encoder once more. Here the first masks are ranked by the same features and the best is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from anymask.prediction.options import Select
from anymask.prediction.prompting import DecodePrompts, SelectedMask, prompt_kind
from anymask.prediction.ranking import rank_features, rank_scores
from anymask.prediction.selection import exclusions_followed, select_by_rank, select_mask
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import ResizeLongestSide


def preview(
    decode: DecodePrompts, frame: ResizeLongestSide, prompts: Sequence[Prompt], select: Select = "object"
) -> list[SelectedMask]:
    """Answer prompts about one photo with a single call of the decoder.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompts: what was asked.
        select: see `anymask.prediction.selection.select_mask`.
    """
    logits, scores = decode(prompts)
    answers = []
    for prompt, own, own_scores in zip(prompts, logits, scores, strict=True):
        found = Candidates(frame, own, own_scores)
        if select == "object" and prompt_kind(prompt) == "open":
            included = prompt.points[prompt.labels == 1]
            index, follows_prompt = select_by_rank(
                found,
                prompt,
                rank_scores(
                    rank_features(frame, own, own_scores, included, own, False, exclusions_followed(found, prompt))
                ),
            )
        else:
            index, follows_prompt = select_mask(found, prompt, select)
        stability = float(stability_score(frame, own[index][None])[0])
        answers.append(SelectedMask(own[index], float(own_scores[index]), stability, follows_prompt))
    return answers
