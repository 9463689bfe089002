"""One dataset from all results of a job: image after image is read and written on, in the job's order."""

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


def collect(manifest: Manifest, results: Results, formats: Sequence[str], renew: bool) -> list[str]:
    """Write all results in the formats that hold many images.

    Args:
        manifest: of the job.
        results: its folder.
        formats: as asked for; those of single images are passed over.
        renew: write also what is there already.

    Returns:
        Paths or addresses of the files or folders made.

    Raises:
        InputError: masks that a format cannot hold.
        AnymaskError: the disk is full or failed.
    """
    made = []
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
            made.append(f"{results.out.rstrip('/')}/{target}")
    return made


_PAGE = ".page.json"


def _all_masks(manifest: Manifest, results: Results, stage: Path) -> Iterator[MaskSet]:
    """The masks of every image that is done, in order, under the image's name within the job."""
    from dataclasses import replace

    from anymask.formats import masks_json
    from anymask.structures.mask_set import MaskSet

    for key, result in manifest.results():
        content = results.read(result)
        if content is None:
            continue  # gone since the run began; the next run misses it and makes it again
        page = stage / _PAGE
        page.write_bytes(content)
        masks = masks_json.read(page)
        yield MaskSet(masks, image=replace(masks.record, path=key), prompts=masks.prompts, provenance=masks.provenance)
