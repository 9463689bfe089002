"""What happens before the first image: is it the same job, what is there to do, and can it work at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anymask.batch.dataset_export import FAILURES, dataset_name, edited_note, set_edited_aside
from anymask.batch.embeddings import check_capacity, embedding_bytes, embedding_store, size_in
from anymask.batch.identity import changed_settings, same_inputs
from anymask.batch.manifest import UNRECORDED
from anymask.batch.outputs import remove_unrecorded
from anymask.batch.results_folder import RESULTS, RemoteResults, Results
from anymask.batch.tasks import BatchJob, TaskSettings
from anymask.batch.worker import same_content
from anymask.errors import InputError, quantity
from anymask.formats.helpers.image_names import ImageNames
from anymask.formats.registry import find_format
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    from anymask.batch.manifest import Manifest

_BYTES_PER_IMAGE = {"everything": 10_000, "text": 1_500, "prompts": 1_500}
"""Of a result at the least, before the first ones can be measured."""

_MEASURED_IMAGES = 20


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    Attributes:
        settings: of the job, with all formats that any of its runs named.
        look_first: whether results may exist that the manifest does not know of.
        resumed: whether an earlier run of this job may have been killed.
        notes: remarks for the user.
    """

    settings: TaskSettings
    look_first: bool
    resumed: bool
    notes: list[str]


def plan_job(job: BatchJob, results: Results, manifest: Manifest) -> Plan:
    """Compare the job with the one that the folder was begun with, list the images, and remove what is no longer true.

    Raises:
        InputError: the folder was begun with other settings, there are no images, or the job cannot work.
        WriteError: the disk is full or failed.
    """
    resumed = not job.restart and manifest.settings() is not None
    if resumed:
        _check_same_job(job, manifest)
    formats = tuple(dict.fromkeys((*(manifest.formats() if resumed else ()), *job.settings.formats)))
    settings = replace(job.settings, formats=formats)
    look_first = resumed or (manifest.settings() is None and results.has(RESULTS))
    values = {"settings": settings.as_dict(), "inputs": job.inputs.identity(job.out), "formats": list(formats)}

    def check(keys: Iterable[str]) -> None:
        _check_images(job, list(keys), formats)
        _check_targets(results, manifest, formats)

    repeated = manifest.plan(job.inputs, values, same_content, check, job.restart)
    notes = [*job.inputs.notes, *_class_notes(manifest, settings)]
    if repeated:
        notes.append(f"processed once: {quantity(repeated, 'image')} named more than once")
    embeddings = embedding_store() if settings.kind == "embed" else None
    if lost := manifest.forget_lost(results.size_of if embeddings is None else size_in(embeddings), results.has):
        notes.append(f"made again: the results of {quantity(lost, 'image')}, missing or incomplete")
    if job.retry_failed:
        manifest.retry_failed()
    if embeddings is not None:
        check_capacity(embeddings, manifest.counts().images, embedding_bytes(settings.model), job.store_bytes)
    notes += _remove_stale(results, manifest, formats)
    _check_room(results, manifest, settings)
    return Plan(settings, look_first, resumed, notes)


def _check_same_job(job: BatchJob, manifest: Manifest) -> None:
    """Refuse to go on with other settings.

    Raises:
        InputError: names the first three that differ.
    """
    changes = changed_settings(manifest.settings() or {}, job.settings.as_dict())
    before, now = manifest.inputs() or {}, job.inputs.identity(job.out)
    if not same_inputs(before, now):
        changes = [*changed_settings(_paths(before), _paths(now)), *changes]
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise InputError(
            f"{job.out} was begun with other settings: {'; '.join(changes[:3])}{more}. Use the same ones, "
            "--restart to delete its results and start again, or another --out"
        )


def _paths(identity: dict[str, list[list[str]]]) -> dict[str, str]:
    """The inputs as a person would name them."""
    titles = {"names": "INPUT", "prompts": "--prompts", "images": "--images"}
    return {titles[role]: ", ".join(each[0] for each in named) or "none" for role, named in identity.items()}


def _check_images(job: BatchJob, keys: Sequence[str], formats: Sequence[str]) -> None:
    """Refuse a job without images, or with two images that a format cannot tell apart."""
    if not keys:
        raise InputError(f"there are no images in {', '.join(job.inputs.names)}")
    for format_name in formats:
        format = find_format(format_name)
        if not format.holds_many:
            continue
        names = ImageNames(format.image_suffix)
        for key in keys:
            try:
                names.name(ImageRecord(1, 1, key))
            except InputError:
                other = f"file {key.rpartition('.')[0]}{format.image_suffix}" if format.image_suffix else f"entry {key}"
                raise InputError(
                    f"{format_name} has one {other} for two images: rename one of them, or leave out "
                    f"--format {format_name}"
                ) from None


def _class_notes(manifest: Manifest, settings: TaskSettings) -> list[str]:
    """A remark on formats that lose the classes of the masks."""
    has_classes = bool(settings.text) or manifest.has_named_prompts()
    without = [name for name in settings.formats if not find_format(name).holds.labels]
    if not has_classes or not without:
        return []
    return [f"{', '.join(without)} cannot hold the names of the masks: they are in {RESULTS}/ alone"]


def _check_targets(results: Results, manifest: Manifest, formats: Sequence[str]) -> None:
    """Refuse to write over a file of all images that this job did not write."""
    targets = {name: dataset_name(name) for name in formats if find_format(name).holds_many}
    for format_name, target in {**targets, FAILURES: FAILURES}.items():
        if manifest.output("", format_name) is None and results.has(target):
            raise InputError(
                f"{target} already exists, and was not written by this job: move it away, or use another --out"
            )


def _remove_stale(results: Results, manifest: Manifest, formats: Sequence[str]) -> list[str]:
    """Remove the files of images that left the job or wait again; returns remarks for the user."""
    stale = manifest.stale()
    edited: list[str] = []
    for key, format_name, files in stale:
        if format_name == UNRECORDED:
            for fingerprint in files:
                remove_unrecorded(results, key, fingerprint, formats)
            continue
        edited += set_edited_aside(results, files)
        for name in files:
            results.remove(name)
    if stale:
        manifest.forget_stale()
    return edited_note(edited)


def _check_room(results: Results, manifest: Manifest, settings: TaskSettings) -> None:
    """Refuse a job whose results certainly do not fit the disk.

    Raises:
        InputError: says how much is needed, and how much there is.
    """
    if isinstance(results, RemoteResults) and settings.kind != "embed":
        return
    folder = embedding_store().folder if settings.kind == "embed" else results.home
    counts = manifest.counts()
    if settings.kind == "embed":
        per_image = embedding_bytes(settings.model)
    elif counts.done >= _MEASURED_IMAGES:
        per_image = manifest.result_bytes() // counts.done
    else:
        per_image = _BYTES_PER_IMAGE[settings.kind] * (1 + len(settings.formats))
    needed = counts.waiting * per_image
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"the results of {quantity(counts.waiting, 'image')} take about {needed / 1e9:.2g} GB, and {folder} has "
            f"{free / 1e9:.2g} GB left: make room, or use a folder on another disk"
        )
