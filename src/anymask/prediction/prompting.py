"""One mask for each prompt: prompt the model, and prompt it again where its first masks leave the object open.

A click can mean a head, a dog or two dogs, and the model returns masks of all three. A box leaves less open, and the
mask of a box follows an object more closely. So the boxes of the larger masks are prompts as well, and the candidate of
highest rank (`anymask.prediction.ranking`) is selected.

After a box, and after a corrective click on an earlier mask, the good candidates differ in detail only, and their mean
follows the object more closely than any of them. The mean gains if boxes a little smaller and larger, and the mirrored
image (test-time augmentation), contribute to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.prediction.calibration import CalibratedKind, agreement_with, expected_iou
from anymask.prediction.corrective_clicks import choose_single_or_blend, enforce_last_click
from anymask.prediction.options import Refine, Select
from anymask.prediction.ranking import corrective_rank_features, corrective_rank_scores, rank_features, rank_scores
from anymask.prediction.selection import (
    CANDIDATES,
    SINGLE,
    blend,
    blend_by_rank,
    box_rank_scores,
    check_logits,
    exclusions_followed,
    select_by_rank,
    select_mask,
)
from anymask.structures.candidates import Candidates, stability_score
from anymask.structures.mask import Mask
from anymask.structures.prompt import Prompt, make_prompt
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.transforms import ResizeLongestSide

DecodePrompts = Callable[[Sequence[Prompt]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""B prompts → logits float32 [B, 4, 256, 256] and predicted IoU float32 [B, 4], the single-mask candidate first."""

REPROMPTED = (2, 3)
"""The candidates whose boxes are prompts as well: the middle and the largest. The smallest is seldom meant, and the
single-mask candidate nearly always looks like one of the others."""

MAX_AMBIGUOUS_POINTS = 4
"""Points beyond which the prompt leaves so little open that one pass of the decoder is enough."""

BOX_MARGINS = (-0.05, 0.05)
"""How much larger, on each side and as shares of the box, the other boxes are that are decoded with a box."""

BOX_SHIFT = 0.5
"""What is added to the logits of a box's mask. Models of this kind are trained by a focal loss in which a pixel of the
object counts a third of one outside, so logits are low, and masks of boxes small. Measured: 0, 0.5, 0.75 and 1."""

_PROMPTS_AT_ONCE = 16
"""How many prompts are decoded before the masks of the first are selected: the logits of a box take 3 MB."""

_BOX_BLEND, _CORRECTIVE_BLEND = 0.05, 0.5
"""See `anymask.prediction.selection.blend_by_rank`; for boxes, 0.05 to 0.15 differ by 0.003 at most."""


class PromptKind(Enum):
    """How much a prompt leaves open, which decides how it is decoded."""

    BOX = "a box, with or without points"
    CORRECTIVE = "one more click on an earlier mask"
    AMBIGUOUS = "a click or a few"
    PLAIN = "anything else, or a selection other than 'object'"


@dataclass(frozen=True, eq=False)
class SelectedMask:
    """The mask that was selected for one prompt.

    Attributes:
        logits: float32 [256, 256].
        score: predicted IoU.
        stability: see `anymask.structures.candidates.stability_score`.
        follows_prompt: whether it follows the prompt; None if the prompt sets no constraint.
        mirrored: whether the mirrored image contributed.
        kind: what the score of the result is calibrated by; None for the predicted IoU as it is.
        agreement: with the other candidates, see `anymask.prediction.calibration.agreement_with`.
        points: how many the prompt has.
    """

    logits: NDArray[np.float32]
    score: float
    stability: float
    follows_prompt: PromptCheck | None
    mirrored: bool = False
    kind: CalibratedKind | None = None
    agreement: float = 1.0
    points: int = 1

    @property
    def expected_iou(self) -> float:
        """The score of the result: the IoU to expect, see `anymask.prediction.calibration`."""
        if self.kind is None:
            return self.score
        return expected_iou(self.kind, self.score, self.stability, self.agreement, self.points)


def segment_prompts(
    decode: DecodePrompts,
    frame: ResizeLongestSide,
    prompts: Sequence[Prompt],
    select: Select,
    refine: Refine = "off",
    mirrored: DecodePrompts | None = None,
) -> list[SelectedMask]:
    """Select one mask for each prompt about one image.

    Args:
        decode: decodes prompts.
        frame: the image's geometry in the model.
        prompts: at least one.
        select: see `anymask.prediction.selection.select_mask`.
        refine: "auto" and "max" decode boxes also a little smaller and larger, in the same run of the decoder; "max"
            decodes them in the mirrored image, too.
        mirrored: decodes prompts about the mirrored image, prompts and masks in the frame of the image itself; it is
            called for corrective clicks, and for boxes with "max".
    """
    selected: list[SelectedMask] = []
    decoders = _Decoders(decode, mirrored, refine)
    for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
        some = [
            (prompt, kind, _variants(frame, prompt, kind, refine))
            for prompt in prompts[start : start + _PROMPTS_AT_ONCE]
            for kind in [prompt_kind(prompt, select)]
        ]
        logits, scores = decode([variant for *_, variants in some for variant in variants])
        first = 0
        for prompt, kind, variants in some:
            own = slice(first, first := first + len(variants))
            candidates = Candidates(frame, logits[own].reshape(-1, *logits.shape[2:]), scores[own].ravel())
            selected.append(_STRATEGIES[kind](decoders, candidates, prompt, select))
    return selected


def prompt_kind(prompt: Prompt, select: Select = "object") -> PromptKind:
    """The kind of a prompt."""
    if select != "object":
        return PromptKind.PLAIN
    if prompt.box is not None:
        return PromptKind.BOX
    if prompt.mask_input is not None and len(prompt.points):
        return PromptKind.CORRECTIVE
    few = 0 < len(prompt.points) <= MAX_AMBIGUOUS_POINTS and bool((prompt.labels == 1).any())
    return PromptKind.AMBIGUOUS if few and prompt.mask_input is None else PromptKind.PLAIN


def reprompt_boxes(
    decode: DecodePrompts, candidates: Candidates, prompt: Prompt
) -> tuple[Candidates, NDArray[np.float64]]:
    """Add the masks of the boxes of `REPROMPTED` to the candidates.

    Where one of these breaks a constraint, the box of the single-mask candidate is decoded too: a jacket without the
    head that was excluded, where the larger candidates are two jackets and two dogs.

    Args:
        decode: decodes prompts.
        candidates: of the prompt, the single-mask one first.
        prompt: points, at least one of them included.

    Returns:
        All K candidates, and their rank scores, float64 [K].
    """
    frame, included = candidates.frame, prompt.points[prompt.labels == 1]
    followed = exclusions_followed(candidates, prompt)
    all_followed = followed is None or followed[[*REPROMPTED]].all()
    boxes = [
        frame.box_above(candidates.logits[index]) for index in (REPROMPTED if all_followed else (*REPROMPTED, SINGLE))
    ]
    points, labels = (prompt.points, prompt.labels) if len(prompt.points) > 1 else (None, None)
    prompts = [
        make_prompt((frame.width, frame.height), points=points, labels=labels, box=box)
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]
    ]
    first = candidates.logits
    logits, scores = [first], [candidates.scores]
    ranks = [rank_scores(rank_features(frame, first, candidates.scores, included, first, False, followed))]
    if prompts:
        boxed, boxed_scores = (part[:, SINGLE] for part in decode(prompts))
        logits.append(boxed)
        scores.append(boxed_scores)
        ranks.append(rank_scores(rank_features(frame, boxed, boxed_scores, included, first, True, followed)))
    return Candidates(frame, np.concatenate(logits), np.concatenate(scores)), np.concatenate(ranks)


@dataclass(frozen=True)
class _Decoders:
    """What decodes prompts about an image, and about its mirror image if that is to contribute."""

    decode: DecodePrompts
    mirrored: DecodePrompts | None
    refine: Refine


_Strategy = Callable[[_Decoders, Candidates, Prompt, Select], SelectedMask]
"""Selects the mask of a prompt, given its candidates: four, and for a box those of the other boxes."""


def _variants(frame: ResizeLongestSide, prompt: Prompt, kind: PromptKind, refine: Refine) -> list[Prompt]:
    """What to decode for a prompt: the prompt itself first, and a box also a little smaller and larger."""
    margins = BOX_MARGINS if kind is PromptKind.BOX and refine != "off" else ()
    return [prompt, *(_with_margin(frame, prompt, share) for share in margins)]


def _segment_box(decoders: _Decoders, candidates: Candidates, prompt: Prompt, select: Select) -> SelectedMask:
    """Blend the candidates of a box, and with a mirror those of the mirrored image; the mask grows by `BOX_SHIFT`."""
    assert prompt.box is not None
    frame, mirrored = candidates.frame, decoders.mirrored if decoders.refine == "max" else None
    if mirrored is not None:
        variants = _variants(frame, prompt, PromptKind.BOX, decoders.refine)
        candidates = _with_candidates(candidates, mirrored(variants))
    logits, index, check = blend_by_rank(candidates, prompt, box_rank_scores(candidates, prompt.box), _BOX_BLEND)
    grown = logits + np.float32(BOX_SHIFT)
    grown_check = check_logits(frame, grown, prompt)
    if grown_check or not check:
        logits, check = grown, grown_check
    stability = float(stability_score(frame, logits[None])[0])
    selected = SelectedMask(logits, float(candidates.scores[index]), stability, check, mirrored is not None)
    return calibrated(selected, "box", candidates, prompt)


def _segment_corrective(decoders: _Decoders, candidates: Candidates, prompt: Prompt, select: Select) -> SelectedMask:
    """The mean of the candidates, weighted by rank, with the newest click enforced.

    After several clicks the single-mask candidate may take the place of the mean, see
    `anymask.prediction.corrective_clicks`.
    """
    if decoders.mirrored is not None:
        candidates = _with_candidates(candidates, decoders.mirrored([prompt]))
    frame = candidates.frame
    ranks = corrective_rank_scores(corrective_rank_features(frame, candidates.logits, candidates.scores, prompt))
    weights = np.exp((ranks - ranks.max()) / _CORRECTIVE_BLEND)
    mean = blend(candidates.logits, weights / weights.sum())
    single = candidates.logits[SINGLE::CANDIDATES].mean(0)
    chosen = choose_single_or_blend(frame, mean, single, prompt)
    best = candidates.scores[SINGLE::CANDIDATES].mean() if chosen is single else candidates.scores[int(ranks.argmax())]
    logits = enforce_last_click(frame, chosen, candidates.logits, prompt)
    stability = float(stability_score(frame, logits[None])[0])
    check = check_logits(frame, logits, prompt)
    selected = SelectedMask(logits, float(best), stability, check, decoders.mirrored is not None)
    return calibrated(selected, "corrective", candidates, prompt)


def _segment_ambiguous(decoders: _Decoders, candidates: Candidates, prompt: Prompt, select: Select) -> SelectedMask:
    """The candidate of highest rank, also among those of the boxes of the larger ones."""
    candidates, ranks = reprompt_boxes(decoders.decode, candidates, prompt)
    selected = selected_mask(candidates, *select_by_rank(candidates, prompt, ranks))
    return calibrated(selected, "click", candidates, prompt, ranks)


def _segment_plain(decoders: _Decoders, candidates: Candidates, prompt: Prompt, select: Select) -> SelectedMask:
    """One of the candidates as it is."""
    selected = selected_mask(candidates, *select_mask(candidates, prompt, select))
    return calibrated(selected, "points", candidates, prompt) if select == "object" else selected


_STRATEGIES: dict[PromptKind, _Strategy] = {
    PromptKind.BOX: _segment_box,
    PromptKind.CORRECTIVE: _segment_corrective,
    PromptKind.AMBIGUOUS: _segment_ambiguous,
    PromptKind.PLAIN: _segment_plain,
}


def selected_mask(candidates: Candidates, index: int, check: PromptCheck | None) -> SelectedMask:
    """The candidate of that index."""
    scores, stability = candidates.scores, candidates.stability
    return SelectedMask(candidates.logits[index], float(scores[index]), float(stability[index]), check)


def calibrated(
    selected: SelectedMask,
    kind: CalibratedKind,
    candidates: Candidates,
    prompt: Prompt,
    ranks: NDArray[np.float64] | None = None,
) -> SelectedMask:
    """The selected mask with what its expected IoU depends on.

    Args:
        selected: one of the candidates, or made from them.
        kind: of the prompt.
        candidates: K masks of the prompt.
        prompt: theirs.
        ranks: float64 [K], rank scores; None where the candidates have none.
    """
    agreement = agreement_with(selected.logits, candidates.logits, ranks)
    return replace(selected, kind=kind, agreement=agreement, points=len(prompt.points))


def _with_candidates(candidates: Candidates, *more: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Candidates:
    """The candidates and those of further prompts: logits [B, 4, 256, 256] and scores [B, 4] each."""
    logits = np.concatenate([candidates.logits, *(each.reshape(-1, *each.shape[2:]) for each, _ in more)])
    scores = np.concatenate([candidates.scores, *(each.ravel() for _, each in more)])
    return Candidates(candidates.frame, logits, scores)


def _with_margin(frame: ResizeLongestSide, prompt: Prompt, share: float) -> Prompt:
    """The prompt with a box that is larger by a share of its sides, within the image."""
    assert prompt.box is not None
    margin = share * np.tile(prompt.box[2:] - prompt.box[:2], 2) * [-1, -1, 1, 1]
    box = np.clip(prompt.box + margin, 0, [frame.width, frame.height] * 2)
    return replace(prompt, box=box)


def logits_of(previous: Mask, mask_input: Any = None) -> NDArray[np.float32]:
    """Logits of an earlier mask, float32 [256, 256].

    Raises:
        PromptError: no Mask, a mask without logits, or a mask input beside it.
    """
    if mask_input is not None:
        raise PromptError("give either previous or mask_input, not both: each takes the place of the other")
    if not isinstance(previous, Mask):
        kind = type(previous).__name__
        raise PromptError(f"previous is of type {kind}: it takes a Mask, such as result[0]; other masks are mask_input")
    if previous.logits is None:
        raise PromptError("the previous mask has no logits to feed back; pass it as mask_input instead")
    return previous.logits
