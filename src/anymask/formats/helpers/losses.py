"""What a format cannot hold of the masks of an image, by what it declares to hold."""

from __future__ import annotations

from collections import Counter

from anymask.formats.base import Holds
from anymask.formats.helpers.outlines import drawn_ring
from anymask.structures.annotation import Annotation, BoxAnnotation
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet


def losses(masks: MaskSet, holds: Holds, format_name: str = "") -> Counter[str]:
    """Count what a format cannot hold; changes of shape are measured instead, see `round_trips`.

    Args:
        masks: of one image.
        holds: what the format holds.
        format_name: of the format, since it holds fields of its own that other formats do not know.

    Returns:
        What is lost, in words, such as "crowd flags" → number of objects, or of images.
    """
    lost: Counter[str] = Counter()
    if not holds.boxes:
        lost["boxes without masks"] = len(masks.box_annotations)
    if not holds.backgrounds and not masks and not (holds.boxes and masks.box_annotations):
        lost["images without objects"] = 1
    id = masks.record.id
    if id is not None and (holds.ids == "no" or (holds.ids == "of images" and isinstance(id, str))):
        lost["ids of images"] = 1
    keeps_extra = holds.further_fields == "all" or (
        holds.further_fields == "its own" and masks.dataset is not None and masks.dataset.format == format_name
    )
    if not keeps_extra and (masks.record.extra or (masks.dataset is not None and masks.dataset.extra)):
        lost["images with further fields"] = 1
    for each in [*masks, *(masks.box_annotations if holds.boxes else ())]:
        lost.update(_of_object(each, holds, masks.size))
        lost["objects with further fields"] += bool(each.annotation.extra) and not keeps_extra
    return +lost


def _of_object(each: Mask | BoxAnnotation, holds: Holds, size: tuple[int, int]) -> list[str]:
    about, blank = each.annotation, Annotation()
    found = {
        "labels": not holds.labels and each.label is not None,
        "scores": _loses_score(each, holds),
        "numbers of classes": not holds.categories and about.category_id is not None,
        "ids of annotations": holds.ids != "yes" and about.id is not None,
        "objects with attributes": not holds.attributes and bool(about.attributes),
        "crowd flags": not holds.crowd and about.crowd,
        "polygons as they were drawn": isinstance(each, Mask) and _loses_vertices(each, holds.vertices, size),
    }
    if isinstance(each, Mask):
        found["stabilities"] = each.stability is not None and "stability" not in holds.scores
        found["scores of detectors"] = each.detector_score is not None and not {"confidence", "detector_score"} & set(
            holds.scores
        )
    for name, words in (("occluded", "occluded flags"), ("z_order", "z_orders"), ("group_id", "groups"),
                        ("source", "sources")):  # fmt: skip
        found[words] = not holds.details and getattr(about, name) != getattr(blank, name)
    return [words for words, is_lost in found.items() if is_lost]


def _loses_score(each: Mask | BoxAnnotation, holds: Holds) -> bool:
    """Whether the score is lost: of a mask that a detector found it is, where one score is held, see `Holds.scores`."""
    if each.score is None or "score" in holds.scores:
        return False
    other = isinstance(each, Mask) and each.detector_score not in (None, each.score)
    return other or "confidence" not in holds.scores


def _loses_vertices(mask: Mask, held: str, size: tuple[int, int]) -> bool:
    """Whether the vertices of a mask's polygons are lost where only some are held, see `Holds.vertices`."""
    source = mask.source_shape
    if source is None or not source.rings or held == "yes":
        return False
    if held == "if filled alike":
        return source.fill != "coco"
    if held == "no":
        return True
    return drawn_ring(mask, size if held == "of one polygon within the image" else None) is None
