"""Many images: `anymask batch` with boxes from a file and with --everything, next to a plain loop of official code.

What is timed of anymask is a long job: a worker with a thread for each core, image after image once all have started,
JPEGs read and results written. The official loop does the same images one by one, with all threads.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from anymask.batch.cpu_affinity import available_cores
from anymask.batch.inputs import Inputs
from anymask.batch.job import BatchStatus, run_batch
from anymask.batch.resolve import resolve_settings
from anymask.batch.tasks import BatchJob, TaskSettings
from benchmarks.official import Peers
from benchmarks.speed.boxes import random_boxes
from benchmarks.speed.everything import official_seconds
from benchmarks.speed.images import LARGE, SMALL, pixels
from benchmarks.speed.pairs import Comparison, seconds_of

IMAGES = 20
STARTED = 8
"""The pace is taken from the end of this image on: by then each worker has loaded its model and done an image."""

OFFICIAL_IMAGES = 3
"""The official loop does so many, and is scaled: it has no start-up to spread over the rest."""

TURNS = 2
FEW = 8
FEW_STARTED = 2


def compare(peers: Peers) -> Iterator[Comparison]:
    """Ten boxes an image, small and large; one box an image; one worker against all; and everything."""
    with tempfile.TemporaryDirectory() as name:
        small, large = (_make_images(Path(name), size) for size in (SMALL, LARGE))
        long_job = _resolve(peers, TaskSettings("prompts", {"select": "object"}, threads=1))
        plain = _resolve(peers, TaskSettings("prompts", {"select": "object", "refine": "off"}, threads=1))
        ten, one = _with_boxes(small, SMALL, 10), _with_boxes(small, SMALL, 1)
        yield _against_official(peers, ten, long_job, "1024×684, ten boxes")
        yield _against_official(peers, _with_boxes(large, LARGE, 10), long_job, "4078×2724, ten boxes")
        yield _against_official(peers, one, plain, "1024×684, one box, --refine off")
        yield _against_official(peers, one, long_job, "1024×684, one box, refined")
        cores = available_cores()
        all_of_them, alone = (_seconds_each(ten, long_job, workers) for workers in (cores, 1))
        yield Comparison(
            f"1024×684, ten boxes, {cores} workers against one", [all_of_them], [alone],
            ("a thread each; in the column 'official': one worker",),
        )  # fmt: skip
        few = Inputs([str(path) for path in sorted(small.iterdir())[:FEW]])
        ours = _seconds_each(few, _resolve(peers, TaskSettings("everything", threads=1)), cores, FEW, FEW_STARTED)
        official = official_seconds(peers, pixels(SMALL))
        note = "the official generator is scaled from a part of its grid"
        yield Comparison("1024×684, --everything", [ours], [official], (*_paces(ours, official), note))


def _against_official(peers: Peers, inputs: Inputs, resolved: tuple[TaskSettings, Any], what: str) -> Comparison:
    """Seconds for each image of a job with prompts, both peers in turns."""
    ours, official = [], []
    for _ in range(TURNS):
        ours.append(_seconds_each(inputs, resolved, available_cores()))
        official.append(seconds_of(lambda: _official_boxes(peers, inputs)) / OFFICIAL_IMAGES)
    return Comparison(what, ours, official, _paces(median(ours), median(official)))


def _seconds_each(
    inputs: Inputs, resolved: tuple[TaskSettings, Any], workers: int, images: int = IMAGES, started: int = STARTED
) -> float:
    """Seconds for each image, once so many are done."""
    ends: dict[int, float] = {}

    def note(status: BatchStatus) -> None:
        ends.setdefault(status.counts.done, time.perf_counter())

    settings, segmenter = resolved
    with tempfile.TemporaryDirectory() as out:
        summary = run_batch(BatchJob(inputs, settings, out, workers), segmenter, note)
    assert summary.counts.done == images
    return (ends[images] - ends[started]) / (images - started)


def _make_images(folder: Path, size: tuple[int, int]) -> Path:
    """Different views of one image, as JPEG of this (width, height)."""
    views = folder / f"{size[0]}x{size[1]}"
    views.mkdir()
    source = Image.fromarray(pixels(size))
    width, height = size
    for number in range(IMAGES):
        view = (number * 4, number * 3, width - number * 4, height - number * 3)
        source.crop(view).resize(size).save(views / f"photo_{number}.jpg", quality=90)
    return views


def _with_boxes(folder: Path, size: tuple[int, int], count: int) -> Inputs:
    """A folder of images with so many boxes each, in a COCO file beside it."""
    images = [{"id": number, "file_name": f"photo_{number}.jpg"} for number in range(IMAGES)]
    boxes = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in random_boxes(size)[:count].tolist()]
    each = [(image["id"], box) for image in images for box in boxes]
    annotations = [{"id": number, "image_id": image, "bbox": box} for number, (image, box) in enumerate(each)]
    path = folder.parent / f"{folder.name}_{count}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return Inputs([str(folder)], str(path))


def _resolve(peers: Peers, settings: TaskSettings) -> tuple[TaskSettings, Any]:
    from dataclasses import replace

    runtime = peers.settings
    threads = settings.threads or runtime.threads
    return resolve_settings(replace(settings, engine=runtime.engine, precision=runtime.precision, threads=threads))


def _official_boxes(peers: Peers, inputs: Inputs) -> None:
    """Image by image, box by box: what the official example does, with RLE in a JSON for each image."""
    import torch

    folder = Path(inputs.names[0])
    content = json.loads(Path(str(inputs.prompts)).read_text())
    with torch.inference_mode():
        for image in content["images"][:OFFICIAL_IMAGES]:
            with Image.open(folder / image["file_name"]) as file:
                rgb = np.asarray(file.convert("RGB"))
            predictor = peers.official_predictor(rgb)
            entries = []
            for each in content["annotations"]:
                if each["image_id"] == image["id"]:
                    x, y, width, height = each["bbox"]
                    box = np.array([x, y, x + width, y + height])
                    masks, scores, _ = predictor.predict(box=box, multimask_output=False)
                    entries.append({"rle": _rle(masks[0]), "score": float(scores[0])})
            (folder.parent / f"{image['file_name']}.json").write_text(json.dumps(entries))


def _rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def _paces(ours: float, official: float) -> tuple[str, ...]:
    cores = available_cores()
    return tuple(
        f"{name}: {1 / seconds:.2f} images/s, {1 / seconds / cores:.2f} per core"
        for name, seconds in (("anymask", ours), ("official", official))
    )
