"""One dataset from all results of a job, read and written image by image in the job's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.batch.results_folder import Results
from anymask.formats.datasets import write_dataset
from anymask.formats.registry import find_format

if TYPE_CHECKING:
    from anymask.batch.manifest import Manifest
    from anymask.structures.mask_set import MaskSet


def export_datasets(manifest: Manifest, results: Results, formats: Sequence[str], renew: bool) -> list[str]:
    """Write all results in the formats that hold many images.

    Args:
        manifest: of the job.
        results: its folder.
        formats: names; those that hold one image are passed over.
        renew: also write datasets that exist already.

    Returns:
        Paths or addresses of the files or folders written.

    Raises:
        InputError: masks that a format cannot hold.
        AnymaskError: the disk is full or failed.
    """
    written = []
    for name in formats:
        format = find_format(name)
        if not format.holds_many:
            continue
        target = f"{name}{format.suffix}"
        if renew or not results.has(target):
            with results.draft() as stage:
                write_dataset(_all_masks(manifest, results, stage), stage / target, name)
                (stage / _PAGE).unlink(missing_ok=True)
                results.publish(stage, last=target)
            written.append(f"{results.out.rstrip('/')}/{target}")
    return written


_PAGE = ".page.json"


def _all_masks(manifest: Manifest, results: Results, stage: Path) -> Iterator[MaskSet]:
    """The masks of every image that is done, in order, under the image's name within the job."""
    from dataclasses import replace

    from anymask.formats import masks_json
    from anymask.structures.mask_set import MaskSet

    for key, result in manifest.results():
        content = results.read(result)
        if content is None:
            continue  # deleted since the run began; the next run makes it again
        page = stage / _PAGE
        page.write_bytes(content)
        masks = masks_json.read(page)
        yield MaskSet(masks, image=replace(masks.record, path=key), prompts=masks.prompts, provenance=masks.provenance)
