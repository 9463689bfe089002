"""The labelling configuration of a project: which image a task has, and in which shape it takes masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from anymask.errors import InputError

_OUTPUTS = ("BrushLabels", "Brush", "PolygonLabels", "Polygon")
"""Controls that take masks, the most exact first."""


@dataclass(frozen=True)
class MaskControl:
    """The control of a project that takes masks.

    Attributes:
        name: of the control, `from_name` of its regions.
        image: name of the image tag, `to_name` of its regions.
        data_key: of the image in a task's data.
        shape: of its regions.
        labels: that it offers; empty for a control without labels.
        has_labels: whether its regions have labels.
    """

    name: str
    image: str
    data_key: str
    shape: Literal["brush", "polygon"]
    labels: tuple[str, ...]
    has_labels: bool

    @property
    def type(self) -> str:
        """Type of its regions, which is also the key of their labels."""
        return f"{self.shape}labels" if self.has_labels else self.shape


def read_config(config: str) -> MaskControl:
    """Find the control that takes masks.

    Raises:
        InputError: not a labelling configuration, or one without an image and a brush or polygon for it.
    """
    if "<!DOCTYPE" in config or "<!ENTITY" in config:
        raise InputError("a labelling configuration must not declare a document type")
    try:
        root = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise InputError(f"the labelling configuration is not valid XML: {error}") from None
    images = {
        each.get("name", ""): (each.get("value") or each.get("valueList") or "").removeprefix("$")
        for each in root.iter("Image")
    }
    for tag in _OUTPUTS:
        for control in root.iter(tag):
            image = control.get("toName", "")
            if image in images:
                labels = tuple(each.get("alias") or each.get("value") or "" for each in control.iter("Label"))
                shape: Literal["brush", "polygon"] = "brush" if tag.startswith("Brush") else "polygon"
                return MaskControl(control.get("name", ""), image, images[image], shape, labels, tag.endswith("Labels"))
    raise InputError(
        "the labelling configuration needs <Image> and, with its name as toName, <BrushLabels> or <PolygonLabels>"
    )
