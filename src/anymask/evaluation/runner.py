"""Measuring one setting, or two on the same objects, over a whole dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import Photograph
from anymask.evaluation.protocols import MOST_CLICKS, ProtocolResult, asking
from anymask.evaluation.record import Record, code_digest
from anymask.evaluation.settings import Setting
from anymask.weights import find_model

if TYPE_CHECKING:
    from anymask.prediction.segmenter import Segmenter


@dataclass(eq=False)
class Variant:
    """A setting, and what was found with it.

    Attributes:
        setting: what is measured.
        segmenter: loaded with its runtime.
        record: where the figures are written down; None for nowhere.
        found: name of the photograph → figures, in the dataset's order.
        changed: how many photographs the record held when they, or their ground truth, were others.

    Raises:
        InputError: official answers of a model that has none.
    """

    setting: Setting
    segmenter: Segmenter
    record: Record | None = None
    found: dict[str, ProtocolResult] = field(default_factory=dict)
    changed: int = 0

    def __post_init__(self) -> None:
        if self.setting.official and find_model(self.segmenter.model).family != "sam":
            raise InputError(f"select=official is SAM's habit, which {self.segmenter.model} does not have")


def about(
    setting: Setting, segmenter: Segmenter, *, clicks: int, per_picture: int, seed: int, words: Sequence[str]
) -> dict[str, Any]:
    """What a record is about: everything but the photographs that decides about its figures."""
    own: dict[str, Any] = {}
    if setting.protocol == "clicks":
        own = {"clicks": clicks}
    elif setting.protocol == "text":
        own = {"words": list(words)}
    choice = {"per_picture": per_picture, "seed": seed} if setting.protocol in ("clicks", "boxes") else {}
    names = ("model", "weights", "engine", "precision", "device")
    run = segmenter.provenance()
    return {
        "protocol": setting.protocol, **own, **choice, "options": setting.options,
        **{name: getattr(run, name) for name in names}, "engine_version": run.engine_version,
        "version": run.version, "code": code_digest(),
    }  # fmt: skip


def evaluate(
    photographs: Sequence[Photograph],
    contestants: Sequence[Variant],
    *,
    clicks: int = MOST_CLICKS,
    words: Sequence[str] = (),
    seen: Callable[[int], None] | None = None,
) -> None:
    """Ask every contestant about every photograph; what is in its record already is not asked again.

    Args:
        photographs: with their ground truth.
        contestants: all of one protocol; their `found` is filled.
        clicks: how many at most, for each object.
        words: of the protocol text: only these categories.
        seen: told how many photographs are done.

    Raises:
        InputError: a photograph or ground truth that cannot be used; all before it are in the records.
    """
    asks = [asking(each.setting.protocol, clicks, words) for each in contestants]
    for done, photograph in enumerate(photographs, 1):
        digest = photograph.digest()
        encoded_images: dict[int, Any] = {}
        for contestant, ask in zip(contestants, asks, strict=True):
            known = None if contestant.record is None else contestant.record.get(photograph.name, digest)
            if known is None:
                segmenter = contestant.segmenter
                if id(segmenter) not in encoded_images:
                    encoded_images[id(segmenter)] = segmenter.encode(photograph.path)
                known = ask(encoded_images[id(segmenter)], photograph, contestant.setting)
                if contestant.record is not None:
                    contestant.changed += photograph.name in contestant.record
                    contestant.record.add(photograph.name, digest, known)
            contestant.found[photograph.name] = known
        if seen is not None:
            seen(done)
