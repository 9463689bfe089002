"""Searches one image of a project at a time, and stores what is found as suggestions, which nobody has accepted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from anymask.detection.loading import shared_detector
from anymask.detection.phrases import parse_phrases
from anymask.errors import AnymaskError, PromptError, one_line
from anymask.io.image import open_image
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.projects.errors import NotInProjectError
from anymask.projects.jobs import ProjectJob
from anymask.projects.objects import StoredObject, iou_of_runs
from anymask.projects.project import Project
from anymask.projects.thumbnails import OpenFile
from anymask.structures.mask import Mask
from anymask.structures.overlap import box_iou

_SAME_IOU = 0.8
"""A mask that covers as much of one that is there, or that somebody has decided on, is no suggestion."""


class ProjectSearch:
    """Runs the jobs of projects.

    Args:
        segmenter: the model.
        detector: that finds boxes for words.
        max_seconds: for one image.
        open: decodes a file.
    """

    def __init__(self, segmenter: Segmenter, detector: str, max_seconds: float, open: OpenFile = open_image) -> None:
        self._open = open
        self._segmenter, self._detector, self._max_seconds = segmenter, detector, max_seconds

    def run_next(self, project: Project, stop: Callable[[ProjectJob], bool]) -> tuple[ProjectJob, int | None] | None:
        """Search the next image of the oldest job of a project that is not over.

        Args:
            project: it is searched.
            stop: whether to end early; the image is searched again the next time then.

        Returns:
            The job as it is afterwards, and the image; None if there was nothing to do.
        """
        job = project.jobs.next()
        if job is None:
            return None
        number = project.jobs.next_image(job.id)
        if number is None:
            project.jobs.set_state(job.id, "done", job.problem)
            return project.jobs.get(job.id), None
        project.jobs.set_state(job.id, "running", job.problem)
        try:
            self._search(project, job, number, lambda: stop(job))
        except PromptError as error:  # it is about the words or options, which are the same for all images
            project.jobs.set_state(job.id, "failed", one_line(error))
        except (AnymaskError, OSError, MemoryError) as error:
            if not stop(job):
                project.jobs.finish_image(job.id, number, problem=one_line(error) or type(error).__name__)
        return project.jobs.get(job.id), number

    def _search(self, project: Project, job: ProjectJob, number: int, stop: Callable[[], bool]) -> None:
        image = project.images.get(number)
        if image.problem is not None:
            project.jobs.finish_image(job.id, number, problem=image.problem)
            return
        encoded = self._segmenter.encode(self._open(project.images.path(number)))
        if job.kind == "check":
            found = self._compare(project, encoded, number, stop)
            if not stop():
                project.jobs.finish_image(job.id, number, found)
            return
        masks = (
            self._everything(encoded, job.options, stop)
            if job.kind == "everything"
            else self._text(encoded, project, job)
        )
        present = [(each.rle, each.box) for each in project.sessions.objects(number)]
        present += [(rle, Mask.from_rle(rle).box) for rle in project.jobs.decided(number)]
        new = []
        for mask in masks:
            if mask.area and not any(_is_same(mask, rle, box) for rle, box in present):
                new.append((mask, mask.label or ""))
            mask.release()
        if not stop():
            project.jobs.suggest(job, number, new)

    def _everything(self, encoded: EncodedImage, options: dict[str, Any], stop: Callable[[], bool]) -> list[Mask]:
        chosen = {**options, "max_seconds": min(options.get("max_seconds") or self._max_seconds, self._max_seconds)}
        return list(encoded.everything(**chosen, stop=stop))

    def _text(self, encoded: EncodedImage, project: Project, job: ProjectJob) -> list[Mask]:
        """Masks of the words; of several, those that the detector does not know are stated and left out."""
        detector = shared_detector(self._detector, **self._segmenter.detector_options)
        if unknown := detector.check(parse_phrases(job.words)):
            project.jobs.set_state(job.id, "running", unknown.note)
        return list(encoded.segment_text(job.words, detector=detector))

    def _compare(self, project: Project, encoded: EncodedImage, number: int, stop: Callable[[], bool]) -> int:
        """Compare the objects of an image with the model's masks for their boxes; returns how many."""
        objects: list[StoredObject] = [each for each in project.sessions.objects(number) if each.area]
        done = 0
        for each in objects:
            if stop() or each.rle["size"] != [encoded.size[1], encoded.size[0]]:
                continue
            mask = encoded.segment(box=each.box)[0]
            value = 1 - iou_of_runs(each.rle, mask.rle)
            mask.release()
            with suppress(NotInProjectError):
                project.sessions.set_disagreement(number, each.id, each.rle["counts"], value)
            done += 1
        return done


def _is_same(mask: Mask, rle: Mapping[str, Any], box: list[int]) -> bool:
    return float(box_iou(mask.box, box)) > _SAME_IOU / 2 and iou_of_runs(mask.rle, rle) > _SAME_IOU
