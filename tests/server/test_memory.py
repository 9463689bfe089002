"""One memory budget: what is costed before it starts, what waits, and what real work takes."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from anymask import EncodedImage
from anymask.automatic.options import GeneratorOptions
from anymask.formats.registry import all_formats
from anymask.io.image import open_image
from anymask.io.interruption import StoppedError, interruptible
from anymask.server.exports import export_masks
from anymask.server.generation_job import find_everything
from anymask.server.image_store import StoredImage
from anymask.server.job import Job
from anymask.server.limits import Limits
from anymask.server.memory_budget import MemoryBudget, export_bytes, generation_share, segmenting_bytes
from anymask.server.problems import Problem
from anymask.server.schemas.requests import ExportBody, MaskBody, Runs
from anymask.structures.image_options import ImageOptions
from anymask.structures.mask import Mask
from anymask.structures.mask_hierarchy import part_whole_tree
from anymask.structures.memory import MAX_RENDERED_BYTES, memory_limit
from anymask.structures.nms import nms
from anymask.structures.provenance import Provenance
from tests.support.peak_memory import PeakMemory, cpu_seconds
from tests.support.running_servers import Application, ServerProcess, bring

OPEN = {"pred_iou_thresh": -10, "stability_score_thresh": 0, "box_nms_thresh": 1}


def large(coffee_path: Path, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.open(coffee_path).resize(size).save(buffer, "jpeg")
    return buffer.getvalue()


def not_needed(*_: object) -> Any:
    raise AssertionError("all masks are in the request")


def test_memory_is_reserved_waited_for_and_given_back() -> None:
    budget = MemoryBudget(100)
    first = budget.reserve(60)
    second, small = budget.reserve(50), budget.reserve(40)
    assert (first.done(), second.done(), small.done()) == (True, False, True), "the first that fits is served first"
    budget.release(60, first)
    assert second.done()
    waiting = budget.reserve(90)
    budget.release(90, waiting)
    budget.release(50, second)
    budget.release(40, small)
    assert budget.used == 0
    with pytest.raises(Problem) as problem:
        budget.reserve(101)
    assert (problem.value.status_code, problem.value.kind) == (413, "too-much-memory")
    held = budget.reserve(100)
    with pytest.raises(StoppedError), budget.hold(1, lambda: True):
        raise AssertionError("there is no memory")
    budget.release(100, held)
    assert budget.used == 0


def test_everything_gets_half_of_the_memory_at_most_and_one_batch_at_least() -> None:
    for side in (1, 32, 128):
        for layers in (0, 3):
            options = GeneratorOptions(points_per_side=side, crop_n_layers=layers)
            reserved, for_masks = generation_share((3000, 2000), options, 4 << 30)
            assert 0 < for_masks < reserved <= 2 << 30
    assert generation_share((600, 400), GeneratorOptions(), 1)[1] == 16 * 3 * 172 * 256 * 2


def test_a_click_on_a_small_image_reserves_little_and_many_masks_no_more_than_stay_in_memory() -> None:
    assert segmenting_bytes((600, 400), 1, False) < 10 << 20
    assert export_bytes((600, 400), 1) < 10 << 20
    assert export_bytes((600, 400), 2000) - export_bytes((600, 400), 0) == 2 * MAX_RENDERED_BYTES
    assert segmenting_bytes((600, 400), 1, False, one_each=False) > MAX_RENDERED_BYTES


def test_the_limit_of_a_container_counts() -> None:
    total = PeakMemory.of_the_machine()
    assert 0 < memory_limit() <= total


def test_what_takes_more_than_all_memory_is_refused_before_it_starts(
    application: Application, coffee_path: Path
) -> None:
    api = application(memory_bytes=64 << 20)
    response = bring(api, large(coffee_path, (3000, 2000)))
    assert (response.status_code, response.json()["type"]) == (413, "urn:anymask:problem:too-much-memory")
    assert "72 MB" in response.json()["detail"]
    assert "67 MB" in response.json()["detail"]


def test_long_loops_over_masks_end_when_nobody_waits() -> None:
    masks = np.ones((3, 8, 8), bool)
    with interruptible(lambda: True):
        for work in (
            lambda: nms(np.zeros((3, 4)), np.zeros(3), 0.5),
            lambda: part_whole_tree(masks),
            lambda: Mask.from_rle(Mask.from_array(masks[0]).rle).array,
        ):
            with pytest.raises(StoppedError):
                work()


@pytest.mark.slow
def test_a_job_that_must_stop_is_not_finished_for_minutes(segmenter: object, coffee_path: Path) -> None:
    """Two thousand masks of 24 million pixels take a minute to render; the search itself is over by then."""
    image: EncodedImage = segmenter.encode(large(coffee_path, (6000, 4000)))  # type: ignore[attr-defined]
    job = Job("a" * 22, "b" * 64, "somebody")
    spent: list[float] = []

    def report(**changes: object) -> None:
        progress = changes.get("progress")
        if isinstance(progress, dict) and progress["asked"] >= 400 and not spent:
            job.stop("cancelled")
            spent.append(time.process_time())

    parameters = {"points_per_side": 32, "sampling": "grid", **OPEN}
    with pytest.raises(StoppedError):
        find_everything(image, parameters, Limits(), lambda mask: {"area": mask.area}, job, report)
    assert time.process_time() - spent[0] < 4.0, "more than two seconds on two cores"


@pytest.mark.slow
def test_everything_stays_within_the_memory_and_ends_at_once(
    start_server: Callable[..., ServerProcess], coffee_path: Path
) -> None:
    server = start_server("--max-memory", "700")
    with httpx.Client(base_url=server.address, timeout=60) as client:
        id = bring(client, coffee_path).json()["id"]
        assert client.get(f"/v1/images/{id}", params={"wait": 30}).json()["encoded"]
        before = PeakMemory(server.process.pid)
        ordinary = client.post(f"/v1/images/{id}/everything", json={"points_per_side": 8}).json()["job"]
        while client.get(f"/v1/jobs/{ordinary}").json()["state"] in ("queued", "running"):
            time.sleep(0.1)
        model = before.risen_by()  # what the model takes while it decodes is not part of the budget
        before = PeakMemory(server.process.pid)
        options = {**OPEN, "points_per_side": 128, "sampling": "grid"}
        job = client.post(f"/v1/images/{id}/everything", json=options).json()["job"]
        while client.get(f"/v1/jobs/{job}").json()["progress"].get("asked", 0) < 60:
            time.sleep(0.1)
        spent = cpu_seconds(server.process.pid)
        client.delete(f"/v1/jobs/{job}")
        while client.get(f"/v1/jobs/{job}").json()["state"] == "running":
            time.sleep(0.1)
        assert cpu_seconds(server.process.pid) - spent < 2 * 2, "that is more than a second on two cores, and a reserve"
        job = client.post(f"/v1/images/{id}/everything", json={**options, "max_seconds": 600}).json()["job"]
        while (ended := client.get(f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
            time.sleep(0.3)
        assert ended["state"] == "done"
        assert "out of memory allowed" in ended["result"]["skipped"]
        assert before.risen_by() < model + (700 << 20)


@pytest.mark.parametrize("format", [each.name for each in all_formats() if each.holds_many])
def test_an_export_ends_between_two_masks_in_every_format(format: str) -> None:
    """Once nobody waits for it any more; here that is said at the third mask."""
    array = np.zeros((40, 60), bool)
    array[10:20, 20:40] = True
    rle = Mask.from_array(array).rle
    masks = [MaskBody(rle=Runs(size=rle["size"], counts=rle["counts"]), label="cup")] * 20
    stored = StoredImage("b" * 64, (60, 40), 1, (), ImageOptions(), 0.0)
    source, looks = open_image(np.zeros((40, 60, 3), np.uint8)), itertools.count()
    with interruptible(lambda: next(looks) > 2), pytest.raises(StoppedError):
        export_masks(lambda: source, stored, ExportBody(format=format, masks=masks), not_needed, Provenance())


@pytest.mark.slow
def test_an_export_of_many_large_masks_stays_within_its_cost_in_every_format() -> None:
    size, count = (6000, 4000), 40
    columns = np.arange(size[0]) % 3000 > 10
    masks = []
    for index in range(count):
        array = np.zeros((size[1], size[0]), bool)
        array[index * 20 :] = columns
        rle = Mask(array, size).rle
        masks.append(MaskBody(rle=Runs(size=rle["size"], counts=rle["counts"]), label=f"class {index % 3}"))
    stored = StoredImage("b" * 64, size, 1, (), ImageOptions(), 0.0)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)

    for format in all_formats():
        before = PeakMemory()
        body = ExportBody(format=format.name, masks=masks if format.holds_many else masks[:1])
        export_masks(lambda: open_image(pixels.copy()), stored, body, not_needed, Provenance())
        assert before.risen_by() < export_bytes(size, len(body.masks)), format.name
