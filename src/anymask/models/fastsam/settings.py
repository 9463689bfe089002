"""Settings of FastSAM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from anymask.models.fastsam.output import MIN_CONF
from anymask.structures.options import Options, option


@dataclass(frozen=True)
class FastSamSettings(Options):
    """Which segments are returned; names and meaning are those of the reference.

    Raises:
        PromptError: a value out of its range.
    """

    conf: float = option(0.4, "Minimum confidence.", at_least=MIN_CONF, at_most=1)
    iou: float = option(
        0.9, "Of two boxes that overlap more only the one of higher score counts.", at_least=0, at_most=1
    )
    max_det: int = option(300, "Maximum number of segments; the most confident are kept.", at_least=1)

    def changed(self, **changes: Any) -> FastSamSettings:
        """The same settings with the changes that are not None.

        Raises:
            PromptError: a value out of its range.
        """
        return replace(self, **{name: value for name, value in changes.items() if value is not None})
