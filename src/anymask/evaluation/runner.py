"""Measure one setting, or two on the same objects, over a whole dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anymask.errors import InputError
from anymask.evaluation.datasets.ground_truth import AnnotatedImage
from anymask.evaluation.protocols import MAX_CLICKS, ProtocolResult, protocol_function
from anymask.evaluation.record import Record, code_digest
from anymask.evaluation.settings import PROMPTED, Setting
from anymask.weights import find_model

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.prediction.segmenter import Segmenter


@dataclass(eq=False)
class Variant:
    """A setting, and its results.

    Attributes:
        setting: what is measured.
        segmenter: loaded with its runtime.
        record: where the results are stored; None for nowhere.
        results: name of the image → its result, in the dataset's order.
        changed: how many images of the record, or their ground truth, have changed since it was written.

    Raises:
        InputError: `select=official` with a model that is no SAM.
    """

    setting: Setting
    segmenter: Segmenter
    record: Record | None = None
    results: dict[str, ProtocolResult] = field(default_factory=dict)
    changed: int = 0

    def __post_init__(self) -> None:
        if self.setting.official and find_model(self.segmenter.model).family != "sam":
            raise InputError(f"select=official works with SAM models only, not with {self.segmenter.model}")


def record_header(
    setting: Setting, segmenter: Segmenter, *, clicks: int, max_objects: int, seed: int, categories: Sequence[str]
) -> dict[str, Any]:
    """The header of a record: everything but the images that the results depend on."""
    own: dict[str, Any] = {}
    if setting.protocol == "clicks":
        own = {"clicks": clicks}
    elif setting.protocol == "text":
        own = {"categories": list(categories)}
    choice = {"max_objects": max_objects, "seed": seed} if setting.protocol in PROMPTED else {}
    names = ("model", "weights", "engine", "precision", "device")
    run = segmenter.provenance()
    return {
        "protocol": setting.protocol, **own, **choice, "options": setting.options,
        **{name: getattr(run, name) for name in names}, "engine_version": run.engine_version,
        "version": run.version, "code": code_digest(),
    }  # fmt: skip


def evaluate(
    images: Sequence[AnnotatedImage],
    variants: Sequence[Variant],
    *,
    clicks: int = MAX_CLICKS,
    categories: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> None:
    """Measure every variant on every image, except for the images that its record holds.

    Args:
        images: with their ground truth.
        variants: all of one protocol; their `results` are filled.
        clicks: maximum for each object.
        categories: of the protocol text: only these.
        progress: called with the number of images that are done.
        note: called with a line for each choice that was made when an image was opened.

    Raises:
        InputError: an image or its ground truth cannot be used; the images before it are in the records.
    """
    functions = [protocol_function(each.setting.protocol, clicks, categories) for each in variants]
    for done, image in enumerate(images, 1):
        digest = image.digest()
        encoded_images: dict[int, Any] = {}
        opened: Image | None = None
        for variant, measure in zip(variants, functions, strict=True):
            result = None if variant.record is None else variant.record.get(image.name, digest)
            if result is None:
                segmenter = variant.segmenter
                if id(segmenter) not in encoded_images:
                    opened = opened or _open(image, note)
                    encoded_images[id(segmenter)] = segmenter.encode(opened)
                result = measure(encoded_images[id(segmenter)], image, variant.setting)
                if variant.record is not None:
                    variant.changed += image.name in variant.record
                    variant.record.add(image.name, digest, result)
            variant.results[image.name] = result
        if progress is not None:
            progress(done)


def _open(image: AnnotatedImage, note: Callable[[str], None] | None) -> Image:
    """Open an image, and say what was chosen."""
    opened = image.open()
    if note is not None:
        for line in opened.notes:
            note(f"{image.name}: {line}")
    return opened
