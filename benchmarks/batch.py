"""Many photos: `anymask batch` with boxes from a file and with --everything, next to a plain loop of official code."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from anymask.jobs.batch import Job, Status, resolved, run_batch
from anymask.jobs.cores import available_cores
from anymask.jobs.inputs import Inputs
from anymask.jobs.work import Work
from benchmarks.boxes import ten_boxes
from benchmarks.everything import official_seconds
from benchmarks.pairs import Comparison, seconds_of
from benchmarks.peers import Peers
from benchmarks.photos import SMALL, pixels

PHOTOS = 12
OFFICIAL_PHOTOS = 3
"""The official loop does so many of them, and is scaled: it has no start-up to spread over the rest."""

FEW = 4


def compare(peers: Peers) -> Iterator[Comparison]:
    """Boxes and everything against the official code; then one worker against two, a thread each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_photos(folder / "photos")
        boxes = Inputs([str(folder / "photos")], str(folder / "boxes.json"))
        work = _settled(peers, Work("prompts", {"select": "object"}))
        ours = [seconds_of(lambda: _run(folder, boxes, work)) for _ in range(2)][1]
        official = seconds_of(lambda: _official_boxes(peers, folder)) / OFFICIAL_PHOTOS * PHOTOS
        yield Comparison(
            f"{PHOTOS} photos with ten boxes each, files written", [ours], [official],
            tuple(_pace(each, PHOTOS, peers.settings.threads) for each in (ours, official)),
        )  # fmt: skip
        few = Inputs([str(path) for path in sorted((folder / "photos").iterdir())[:FEW]])
        search = _settled(peers, Work("everything"))
        ours = seconds_of(lambda: _run(folder, few, search))
        official = official_seconds(peers, pixels(SMALL)) * FEW
        yield Comparison(
            f"{FEW} photos with --everything, files written", [ours], [official],
            (_pace(ours, FEW, peers.settings.threads), "the official generator is scaled from a part of its grid"),
        )  # fmt: skip
        alone = _settled(peers, Work("prompts", {"select": "object"}, threads=1))
        two, one = (_steady_seconds(folder, boxes, alone, workers) for workers in (2, 1))
        yield Comparison(
            f"{PHOTOS} photos: two workers against one", [two], [one],
            ("a thread each, once they have started; in the column 'official': one worker",),
        )  # fmt: skip


def _steady_seconds(folder: Path, inputs: Inputs, settled: tuple[Work, Any], workers: int) -> float:
    """Seconds for all photos at the pace between the fourth photo and the last."""
    ends: dict[int, float] = {}

    def note(status: Status) -> None:
        ends.setdefault(status.counts.done, time.perf_counter())

    work, segmenter = settled
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run_batch(Job(inputs, work, out, workers), segmenter, note)
    return (ends[PHOTOS] - ends[4]) / (PHOTOS - 4) * PHOTOS


def _make_photos(folder: Path) -> None:
    """Different crops of one photograph at 1024×684 as JPEG, and ten boxes for each in a COCO file."""
    folder.mkdir()
    source = Image.fromarray(pixels(SMALL))
    images, annotations = [], []
    for number in range(PHOTOS):
        width, height = SMALL
        view = (number * 4, number * 3, width - number * 4, height - number * 3)
        name = f"photo_{number}.jpg"
        source.crop(view).resize(SMALL).save(folder / name, quality=90)
        images.append({"id": number, "file_name": name})
        for x0, y0, x1, y1 in ten_boxes(SMALL).tolist():
            annotations.append({"id": len(annotations), "image_id": number, "bbox": [x0, y0, x1 - x0, y1 - y0]})
    (folder.parent / "boxes.json").write_text(json.dumps({"images": images, "annotations": annotations}))


def _settled(peers: Peers, work: Work) -> tuple[Work, Any]:
    from dataclasses import replace

    settings = peers.settings
    threads = work.threads or settings.threads
    return resolved(replace(work, engine=settings.engine, precision=settings.precision, threads=threads))


def _run(folder: Path, inputs: Inputs, settled: tuple[Work, Any], workers: int = 1) -> None:
    work, segmenter = settled
    with tempfile.TemporaryDirectory(dir=folder) as out:
        summary = run_batch(Job(inputs, work, out, workers), segmenter)
    assert summary.counts.failed == 0


def _official_boxes(peers: Peers, folder: Path) -> None:
    """Photo by photo, box by box: what the official example does, with RLE in a JSON for each photo."""
    import torch

    content = json.loads((folder / "boxes.json").read_text())
    with torch.inference_mode():
        for image in content["images"][:OFFICIAL_PHOTOS]:
            with Image.open(folder / "photos" / image["file_name"]) as photo:
                shown = np.asarray(photo.convert("RGB"))
            predictor = peers.official_predictor(shown)
            entries = []
            for each in content["annotations"]:
                if each["image_id"] == image["id"]:
                    x, y, width, height = each["bbox"]
                    box = np.array([x, y, x + width, y + height])
                    masks, scores, _ = predictor.predict(box=box, multimask_output=False)
                    entries.append({"rle": _rle(masks[0]), "score": float(scores[0])})
            (folder / f"{image['file_name']}.json").write_text(json.dumps(entries))


def _rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def _pace(seconds: float, photos: int, threads: int) -> str:
    cores = min(threads, available_cores())
    return f"{photos / seconds:.2f} photos/s, {photos / seconds / cores:.2f} per core"
