"""The licence gate: which licences may be used, enforced before anything is fetched or opened."""

import os
import re
from collections.abc import Iterable

from anymask.errors import InputError, WeightsError
from anymask.weights.model_entry import ModelEntry
from anymask.weights.unverified import UnpinnedModel

NOT_STATED = "licence not stated"
"""In a carrier of the catalogue."""
_NEEDS_CONSENT = {
    "agpl": "which obliges whoever offers it, also over a network, to give out the whole source",
    "dis5k": "the terms of the images that they were trained on, which restrict commercial use",
}
"""Beginnings of licences that need consent → what they mean."""


def licence_line(entry: ModelEntry) -> str:
    """Return the one line that tells a model's licences before it is fetched."""
    carriers = f"; carried by {', '.join(entry.carriers)}" if entry.carriers else ""
    home = f"; {entry.homepage}" if entry.homepage else ""
    return f"{entry.name}: weights {entry.weights_licence}, code {entry.code_licence}{carriers}{home}"


def carrier_line(entry: ModelEntry) -> str:
    """What it means that a package which carries the files states no licence; "" where each states one."""
    unstated = [carrier for carrier in entry.carriers if NOT_STATED in carrier]
    if not unstated:
        return ""
    package = unstated[0].partition(" (")[0]
    return (
        f"{package} states no licence for itself: only the weights are taken from it, which their authors published "
        f"under {entry.weights_licence}, and none of its code"
    )


def require_allowed(entry: ModelEntry | UnpinnedModel, allow: str | Iterable[str] | None = None) -> None:
    """Refuse a model whose weights or code are under a licence outside an allow-list.

    Args:
        entry: the model.
        allow: SPDX identifiers, upper or lower case, as a sequence or one string with commas. None takes
            those of `ANYMASK_ALLOW`; without that, every licence is allowed but those that need consent by name.

    Raises:
        InputError: the list is given and empty.
        WeightsError: a licence of the model is not in the list.
    """
    allowed = _allow_list(allow)
    if allowed is None:
        _require_consent(entry)
        return
    for part, licence in (("weights are", entry.weights_licence), ("code is", entry.code_licence)):
        if not _is_allowed(licence, allowed):
            raise WeightsError(
                f"{entry.name} is refused: its {part} under {licence}, and only {', '.join(sorted(allowed))} "
                "may be used (--allow or ANYMASK_ALLOW)"
            )


def _require_consent(entry: ModelEntry | UnpinnedModel) -> None:
    """Refuse licences that bind what is built on the weights, or who uses them, until they are allowed by name."""
    of_weights, of_code = _parts(entry.weights_licence), _parts(entry.code_licence)
    licences = dict.fromkeys((*of_weights, *of_code))
    bound = [
        f"its {'weights are' if licence in of_weights else 'code is'} under {licence}, {meaning}"
        for licence in licences
        for beginning, meaning in _NEEDS_CONSENT.items()
        if licence.lower().startswith(beginning)
    ]
    if bound:
        names = ",".join(licences).lower()
        raise WeightsError(
            f"{entry.name}: {'; '.join(bound)}; if that suits you, allow it by name: --allow {names} (or ANYMASK_ALLOW)"
        )


def _parts(licence: str) -> list[str]:
    """The licences that an SPDX expression without brackets names."""
    return re.split(" (?:or|and) ", licence, flags=re.IGNORECASE)


def _allow_list(allow: str | Iterable[str] | None) -> set[str] | None:
    if allow is None:
        allow = os.environ.get("ANYMASK_ALLOW") or None
    if allow is None:
        return None
    names = allow.split(",") if isinstance(allow, str) else allow
    allowed = {name.strip().lower() for name in names if name.strip()}
    if not allowed:
        raise InputError("the list of allowed licences is empty; name some, for example apache-2.0,mit")
    return allowed


def _is_allowed(licence: str, allowed: set[str]) -> bool:
    """Tell whether an SPDX expression without brackets is met: any alternative of OR, every part of AND."""
    alternatives = licence.lower().split(" or ")
    return any(all(part.strip() in allowed for part in each.split(" and ")) for each in alternatives)
