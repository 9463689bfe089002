"""What helps to choose among the models that anymask knows: cost, and quality as others published it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a model without running it.

    Attributes:
        architecture: of the image encoder, see `anymask.models.sam.shapes`; None where a file brings its own graph.
        gmac: billions of multiply-adds for encoding an image; None where it depends on a file.
        good_at: one line.
        quality: what was published and what the figure is; "" for nothing.
        source: where it was published.
        box_ap: COCO mask AP with boxes of a detector, as published, and that of SAM ViT-H in the same table.
        fine_iou: mIoU on four datasets of fine shapes with true boxes, as published.
    """

    architecture: str | None = None
    gmac: float | None = None
    good_at: str = ""
    quality: str = ""
    source: str = ""
    box_ap: tuple[float, float] | None = None
    fine_iou: float | None = None

    @property
    def box_quality(self) -> float | None:
        """AP with boxes as a share of that of SAM ViT-H in the same table: tables differ in their boxes."""
        return self.box_ap[0] / self.box_ap[1] if self.box_ap else None


def model_facts(name: str) -> ModelFacts:
    """Return what is known about a model; nothing is about those that a user added."""
    table = _table().get(name, {})
    return ModelFacts(**{**table, "box_ap": tuple(table["box_ap"]) if "box_ap" in table else None})


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    table: dict[str, Any] = tomllib.loads(resources.files("anymask.weights").joinpath("facts.toml").read_text("utf-8"))
    return table
