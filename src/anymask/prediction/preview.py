"""Answer from one look alone: what a mask under the cursor needs, in a third of the time of a whole answer.

`anymask.prediction.prompting` asks the model again about the boxes of its first answers, and `anymask.prediction.refinement` may run the encoder
once more. Here the first answers are weighed by the same evidence and the best is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from anymask.prediction.prompting import Answer, Decode, meaning
from anymask.prediction.ranking import evidence, worth
from anymask.prediction.selection import Select, choose, choose_meant, exclusions_kept
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import Frame


def glimpse(decode: Decode, frame: Frame, prompts: Sequence[Prompt], select: Select = "object") -> list[Answer]:
    """Answer prompts about one photo with a single call of the decoder.

    Args:
        decode: asks the model.
        frame: the photo's geometry.
        prompts: what was asked.
        select: see `anymask.prediction.selection.choose`.
    """
    logits, scores = decode(prompts)
    answers = []
    for prompt, own, own_scores in zip(prompts, logits, scores, strict=True):
        found = Candidates(frame, own, own_scores)
        if select == "object" and meaning(prompt) == "open":
            included = prompt.points[prompt.labels == 1]
            index, satisfied = choose_meant(
                found,
                prompt,
                worth(evidence(frame, own, own_scores, included, own, False, exclusions_kept(found, prompt))),
            )
        else:
            index, satisfied = choose(found, prompt, select)
        stability = float(stability_score(frame, own[index][None])[0])
        answers.append(Answer(own[index], float(own_scores[index]), stability, satisfied))
    return answers
