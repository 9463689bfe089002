"""The results of a job in further formats: files for each image, and files of all images in the job's order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anymask.batch.outputs import draft_output, image_formats, output_name, output_stamps
from anymask.batch.results_folder import EDITED, Results, files_below
from anymask.batch.worker import open_source
from anymask.errors import AnymaskError, InputError, one_line, quantity
from anymask.formats.datasets import write_dataset
from anymask.formats.helpers.job_folder import FAILURES as FAILURES
from anymask.formats.registry import find_format
from anymask.io.table import text_cell
from anymask.structures.mask_set import MaskSet

if TYPE_CHECKING:
    from anymask.batch.manifest import Manifest

_PAGE = ".page.json"


@dataclass
class ExportReport:
    """What was written from the results.

    Attributes:
        datasets: paths or addresses of files and folders of all images.
        notes: remarks for the user.
        problems: what could not be written, a line each.
    """

    datasets: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def dataset_name(format_name: str) -> str:
    """Path of the file or folder of all images in a format, below the folder of results."""
    return f"{format_name}{find_format(format_name).suffix}"


def export_formats(manifest: Manifest, results: Results, formats: Sequence[str]) -> ExportReport:
    """Write all results in these formats, where that is not done or no longer true.

    Args:
        manifest: of the job.
        results: its folder.
        formats: names.

    Raises:
        AnymaskError: the disk is full or failed, or a result has disappeared.
    """
    report = ExportReport()
    for format_name in image_formats(formats):
        _export_images(manifest, results, format_name, report)
    for format_name in formats:
        if find_format(format_name).holds_many:
            _export_dataset(manifest, results, format_name, report)
    return report


def _export_images(manifest: Manifest, results: Results, format_name: str, report: ExportReport) -> None:
    """Write a format for those images that are not written in it."""
    failures: list[str] = []
    for key, source, result in manifest.without_output(format_name):
        try:
            with results.draft() as stage:
                masks = _read_masks(results, key, result, stage)
                image = open_source(source, masks.record.opened_with)
                masks = MaskSet(masks, image=image, prompts=masks.prompts, provenance=masks.provenance)
                draft_output(format_name, masks, stage, key)
                stamps = results.publish(stage, last=output_name(format_name, key))
        except InputError as error:
            failures.append(f"{key}: {one_line(error)}")
            continue
        manifest.record_output(key, format_name, output_stamps(format_name, key, stamps))
    if failures:
        report.problems.append(
            f"{format_name} was not written for {quantity(len(failures), 'image')}, first {failures[0]}"
        )


def _export_dataset(manifest: Manifest, results: Results, format_name: str, report: ExportReport) -> None:
    """Write the file or folder of all images, unless it holds them as they are."""
    digest, target = manifest.digest(), dataset_name(format_name)
    if (before := manifest.output("", format_name)) is not None and before[1] == digest:
        return
    with results.draft() as stage:
        try:
            write_dataset(_all_masks(manifest, results, stage), stage / target, format_name)
        except InputError as error:
            report.problems.append(f"{format_name} was not written: {one_line(error)}")
            return
        (stage / _PAGE).unlink(missing_ok=True)
        report.notes += replace_files(manifest, results, format_name, stage, digest)
    report.datasets.append(f"{results.out.rstrip('/')}/{target}")


def replace_files(manifest: Manifest, results: Results, format_name: str, stage: Path, made_of: str) -> list[str]:
    """Put the files of all images in the place of those that an earlier run wrote; returns remarks for the user.

    What somebody has edited is set aside.
    """
    before = (manifest.output("", format_name) or ({}, None))[0]
    notes = edited_note(set_edited_aside(results, before))
    names = files_below(stage)
    if not names:
        for name in before:
            results.remove(name)
        manifest.forget_output("", format_name)
        return notes
    # Until all is done the manifest has the files of both, so that a kill leaves none that it does not know.
    manifest.record_output("", format_name, {**before, **dict.fromkeys(names, "")}, None)
    folder = next((path.name for path in stage.iterdir() if path.is_dir()), None)
    last = _mark_of(format_name, names)
    if last in before:
        results.remove(last)
    stamps = results.publish(stage, last) if folder is None else results.publish_folder(stage, folder, last)
    for name in before:
        if name not in stamps:
            results.remove(name)
    manifest.record_output("", format_name, stamps, made_of)
    return notes


def _mark_of(format_name: str, names: Sequence[str]) -> str:
    """The file by which readers know a folder as a dataset, such as `data.yaml`; else the last one."""
    marks = () if format_name == FAILURES else find_format(format_name).signature.folder_entries
    return next((name for name in names if PurePosixPath(name).name in marks), names[-1])


def set_edited_aside(results: Results, files: dict[str, str]) -> list[str]:
    """Move those files that somebody has edited since they were written; returns their new names."""
    edited = [name for name, stamp in files.items() if stamp and results.stamp_of(name) not in ("", stamp)]
    return [results.set_aside(name) for name in edited]


def edited_note(names: Sequence[str]) -> list[str]:
    """A remark on files that were set aside."""
    if not names:
        return []
    return [f"moved to {EDITED}/: {quantity(len(names), 'file')} edited since written, such as {names[0]}"]


def export_failures(manifest: Manifest, results: Results) -> list[str]:
    """Write the list of images that failed, or remove it if there are none; returns remarks for the user."""
    failures = list(manifest.failures())
    if not failures and manifest.output("", FAILURES) is None:
        return []
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("photo", "reason"))
    writer.writerows(map(text_cell, failure) for failure in failures)
    with results.draft() as stage:
        if failures:
            (stage / FAILURES).write_text(table.getvalue(), encoding="utf-8", newline="")
        return replace_files(manifest, results, FAILURES, stage, "")


def _all_masks(manifest: Manifest, results: Results, stage: Path) -> Iterator[MaskSet]:
    """The masks of every image that is done, in order, under the image's name within the job."""
    for key, result in manifest.results():
        masks = _read_masks(results, key, result, stage)
        yield MaskSet(masks, image=replace(masks.record, path=key), prompts=masks.prompts, provenance=masks.provenance)


def _read_masks(results: Results, key: str, result: str, stage: Path) -> MaskSet:
    """The masks of an image.

    Raises:
        AnymaskError: the result has disappeared.
    """
    from anymask.formats import masks_json

    content = results.read(result)
    if content is None:
        raise AnymaskError(f"the result of {key} has been removed meanwhile")
    page = stage / _PAGE
    page.write_bytes(content)
    masks = masks_json.read(page)
    page.unlink()
    return masks
