from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymask.errors import PromptError
from anymask.models.fastsam.output import LEAST_CONF

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class FastSamSettings:
    """Which segments count; the names and the meaning are those of the original.

    Attributes:
        conf: least confidence, 0.001 to 1.
        iou: of two boxes that overlap more than this only the surer one counts, 0 to 1.
        max_det: at most so many segments, the surest ones.
    """

    conf: float = 0.4
    iou: float = 0.9
    max_det: int = 300

    def __post_init__(self) -> None:
        for name, least in (("conf", LEAST_CONF), ("iou", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 1:
                raise PromptError(f"{name} must lie between {least} and 1, not {value!r}")
        if isinstance(self.max_det, bool) or not isinstance(self.max_det, int) or self.max_det < 1:
            raise PromptError(f"max_det must be a whole number from 1 on, not {self.max_det!r}")

    def changed(self, **changes: Any) -> FastSamSettings:
        """The same with what is not None replaced.

        Raises:
            PromptError: a value out of its range.
        """
        return replace(self, **{name: value for name, value in changes.items() if value is not None})
