"""One job over several runs: what is the same job, what belongs to it, and what it never touches."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest

from anymask import InputError, PromptError, open_image
from anymask.batch.inputs import Inputs
from anymask.batch.job import run_batch
from anymask.batch.results_folder import Results
from anymask.batch.tasks import BatchJob, Task
from anymask.batch.worker import Worker, segment_from_file
from anymask.cli import main
from tests.support.small_job import SmallJob, draw_disc, files_of


def stamps_of(out: Path) -> dict[str, int]:
    return {path.relative_to(out).as_posix(): path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_format_and_a_report_are_added_without_making_a_mask_again(job: SmallJob) -> None:
    job.run()
    before = stamps_of(job.folder / "out" / "results")
    job.formats = ("yolo", "png", "folder")
    summary = job.run(report=job.folder / "report.csv")
    assert summary.now == 0
    assert "png cannot hold the names of the masks: they are in results/ alone" in summary.notes
    assert stamps_of(job.folder / "out" / "results") == before
    written = stamps_of(job.folder / "out").keys()
    assert {"yolo/data.yaml", "png/a.png/mask_000.png", "folder/b.png/overlay.png"} <= written
    lines = (job.folder / "report.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", "a.png", "b.png"]
    job.formats = ()
    draw_disc(job.images / "a.png", 5)
    job.prompts["a.png"] = ["ring", "disc"]
    job.run()
    assert (job.folder / "out" / "png" / "a.png" / "mask_001.png").exists(), "a format stays one of the job"
    names = (job.folder / "out" / "yolo" / "data.yaml").read_text()
    assert names.index("0: ") < names.index("ring") < names.index("1: ") < names.index("disc")


def test_one_folder_under_four_names_is_one_job(job: SmallJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(job.folder)
    job.write_table()
    spellings = [("photos", "out"), ("photos/", "./out"), ("./photos", "out/"), (job.images, job.folder / "out")]
    now = []
    for images, out in spellings:
        again = BatchJob(Inputs([str(images)], "prompts.csv"), job.resolved, str(out))
        now.append(run_batch(again, job.segmenter).now)
    assert now == [2, 0, 0, 0]


def test_a_job_may_move_with_its_images(job: SmallJob) -> None:
    job.run()
    elsewhere = job.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("photos", "prompts.csv", "out"):
        (job.folder / name).rename(elsewhere / name)
    inputs = Inputs([str(elsewhere / "photos")], str(elsewhere / "prompts.csv"))
    assert run_batch(BatchJob(inputs, job.resolved, str(elsewhere / "out")), job.segmenter).now == 0


def test_other_images_in_a_begun_folder_are_refused(job: SmallJob) -> None:
    job.run()
    shutil.copytree(job.images, job.folder / "others")
    inputs = Inputs([str(job.folder / "others")], str(job.write_table()))
    with pytest.raises(InputError, match=r"INPUT was .*photos, now .*others"):
        run_batch(BatchJob(inputs, job.resolved, str(job.folder / "out")), job.segmenter)


@pytest.mark.slow
def test_restart_replaces_what_the_job_wrote_and_nothing_else(job: SmallJob) -> None:
    job.formats = ("coco", "png")
    job.run()
    out = job.folder / "out"
    (out / "README.md").write_text("mine")
    (out / "png" / "notes.txt").write_text("mine, too")
    job.resolved = replace(job.resolved, options={"refine": "off", "max_hole_area": 9})
    with pytest.raises(InputError, match=r"options\.max_hole_area was None, now 9.*--restart"):
        job.run()
    job.formats = ()
    assert job.run(restart=True).now == 2
    files = files_of(out)
    assert (files.pop("README.md"), files.pop("png/notes.txt")) == (b"mine", b"mine, too")
    job.run("once")
    assert files == files_of(job.folder / "once")


@pytest.mark.slow
def test_what_somebody_has_edited_is_set_aside(job: SmallJob) -> None:
    job.formats = ("yolo", "labelme")
    job.run()
    out = job.folder / "out"
    edited = ("yolo/labels/a.txt", "labelme/a.png.json")
    for name in edited:
        (out / name).write_text("corrected by hand")
    draw_disc(job.images / "a.png", 4)
    summary = job.run()
    for name in edited:
        assert (out / "edited" / name).read_text() == "corrected by hand"
        assert (out / name).read_text() != "corrected by hand"
    assert sum(f"edited since written, such as edited/{name}" in note for note in summary.notes for name in edited) == 2
    shutil.rmtree(out / "edited")
    job.run("once")
    assert files_of(out) == files_of(job.folder / "once")


def test_a_file_that_the_job_did_not_write_is_never_replaced(job: SmallJob) -> None:
    job.formats = ("coco", "labelme")
    out = job.folder / "out"
    (out / "labelme").mkdir(parents=True)
    (out / "labelme" / "a.png.json").write_text("by hand")
    (out / "coco.json").write_text("by hand")
    with pytest.raises(InputError, match=r"coco\.json already exists"):
        job.run()
    (out / "coco.json").unlink()
    summary = job.run()
    assert [key for key, _ in summary.failures] == ["a.png"]
    assert "labelme/a.png.json already exists" in summary.failures[0][1]
    assert (out / "labelme" / "a.png.json").read_text() == "by hand"
    assert summary.counts.done == 1


def test_one_file_that_cannot_be_written_is_one_failed_image(job: SmallJob) -> None:
    long_name = "x" * 251 + ".png"
    draw_disc(job.images / long_name, 3)
    job.prompts[long_name] = ["disc"]
    job.formats = ("png", "labelme", "yolo")
    (job.folder / "out" / "results" / "b.png.json").mkdir(parents=True)
    summary = job.run()
    assert [key for key, _ in summary.failures] == ["b.png"]
    assert "cannot write results/b.png.json: is a directory" in summary.failures[0][1]
    files = [path for path in (job.folder / "out" / "results").glob("*.json") if path.is_file()]
    assert {json.loads(file.read_text())["batch"]["photo"] for file in files} == {"a.png", long_name}
    assert not (job.folder / "out" / "png" / "b.png").exists()


@pytest.mark.parametrize(
    ("names", "format_name", "message"),
    [
        (("a.png", "a.jpg"), "yolo", r"yolo has one file a\.txt for two images"),
        (("a.png", "a.jpg"), "voc", r"voc has one file a\.png for two images"),
        (("a.png", "A.png"), "coco", r"coco has one entry [aA]\.png for two images"),
    ],
)
def test_names_that_a_format_cannot_tell_apart_are_refused_before_any_work(
    job: SmallJob, names: tuple[str, ...], format_name: str, message: str
) -> None:
    for name in names:
        draw_disc(job.images / name, 1)
        job.prompts[name] = ["disc"]
    job.formats = (format_name,)
    with pytest.raises(InputError, match=message):
        job.run()
    assert not (job.folder / "out" / "results").exists()


def test_two_files_of_a_list_with_one_name_in_the_job_are_refused(job: SmallJob) -> None:
    for shade, name in enumerate(("x.png", "deep/x.png", "deep/inner/other.png")):
        draw_disc(job.images / name, shade)
    table = job.images / "deep" / "inner" / "list.txt"
    table.write_text("../x.png\n../../x.png\n")
    settings = replace(job.resolved, kind="everything")
    with pytest.raises(InputError, match=r"are both called x\.png"):
        run_batch(BatchJob(Inputs([str(table)]), settings, str(job.folder / "out")), job.segmenter)


def test_more_than_the_disk_holds_is_refused_before_any_work(job: SmallJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_000))
    with pytest.raises(InputError, match="the results of 2 images take about"):
        job.run()


def test_the_state_of_a_job_is_printed_without_touching_it(job: SmallJob, capsys: Any) -> None:
    (job.images / "b.png").write_bytes(b"no image")
    job.formats = ("coco",)
    job.run()
    out = job.folder / "out"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.rglob("*") if path.is_file()}
    assert main(["batch", "--status", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 images: 1 done, 1 failed, 0 waiting; 1 mask" in printed
    assert "prompts with mobile-sam" in printed
    assert "also as coco" in printed
    assert "b.png" in printed
    assert main(["batch", "--status", str(out), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["done"], state["failed"], state["running"]) == (1, 1, False)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.rglob("*") if path.is_file()}
    assert after == before
    assert main(["batch", "--status", str(job.images)]) == 2
    assert "there is no job in" in capsys.readouterr().err


@pytest.mark.slow
def test_replay_makes_again_what_is_there_and_lists_the_rest(job: SmallJob, capsys: Any) -> None:
    job.prompts["c.png"] = ["disc"]
    draw_disc(job.images / "c.png", 3)
    (job.images / "b.png").write_bytes(b"no image")
    job.run()
    (job.folder / "out" / "results" / "c.png.json").unlink()
    assert main(["replay", str(job.folder / "out")]) == 0
    printed = capsys.readouterr()
    assert "1 of 1 result the same bit for bit; least IoU of a mask 1.0000; 2 not made again" in printed.out
    assert f"not made again: failed: {job.images}/b.png: not an image" in printed.err
    assert "not made again: results/c.png.json is missing" in printed.err
    (job.images / "a.png").unlink()
    assert main(["replay", str(job.folder / "out")]) == 1
    assert "a.png of" in capsys.readouterr().err


@pytest.mark.slow
def test_options_for_opening_images_and_pages_are_used_recorded_and_replayed(job: SmallJob, capsys: Any) -> None:
    pages = [PIL.Image.new("RGB", (64, 48), colour) for colour in ("black", "maroon", "navy")]
    pages[1].paste("white", (20, 10, 44, 38))
    pages[0].save(job.images / "scan.tif", save_all=True, append_images=pages[1:])
    out, report = job.folder / "out", job.folder / "report.json"
    command = ["batch", str(job.images), "--everything", "--points-per-side", "2", "--out", str(out)]
    assert main([*command, "--report", str(report)]) == 0
    assert "1 image with a remark, see --report; scan.tif: first of 3 pages" in capsys.readouterr().out
    notes = {row["image"]: row["notes"] for row in json.loads(report.read_text())}
    assert notes["a.png"] is None
    assert "first of 3 pages" in notes["scan.tif"]
    assert main([*command, "--page", "2"]) == 2
    assert "image.page was None, now 2" in capsys.readouterr().err
    assert main([*command, "--all-pages", "--format", "yolo"]) == 0
    names = sorted(path.name for path in (out / "results").iterdir())
    assert names == ["a.png.json", "b.png.json", *(f"scan-page-00{page}.tif.json" for page in (1, 2, 3))]
    assert json.loads((out / "results" / "scan-page-002.tif.json").read_text())["image"]["opened_with"] == {"page": 2}
    assert len(list((out / "yolo" / "labels").iterdir())) == 5
    capsys.readouterr()
    assert main(["replay", str(out)]) == 0
    assert "5 of 5 results the same bit for bit" in capsys.readouterr().out


def test_an_object_outside_is_left_out_with_a_note(job: SmallJob) -> None:
    draw_disc(job.images / "a.png", 1)
    entry = {"points": [], "labels": [], "name": "disc"}
    prompts = [{**entry, "box": [900, 900, 920, 920]}, {**entry, "box": [20, 10, 44, 38]}]
    masks = segment_from_file(job.segmenter, open_image(job.images / "a.png"), prompts, {"refine": "off"})
    assert (masks.labels, [prompt.box.tolist() for prompt in masks.prompts]) == (["disc"], [[20, 10, 44, 38]])
    (note,) = masks.record.notes
    assert note.startswith("object 0 is left out: box [900, 900, 920, 920] is outside the image")
    with pytest.raises(PromptError, match=r"object 0: box \[900"):
        segment_from_file(job.segmenter, open_image(job.images / "a.png"), prompts[:1], {"refine": "off"})


@pytest.mark.slow
def test_an_object_outside_its_image_costs_no_other_object(job: SmallJob, capsys: Any) -> None:
    table, out = job.folder / "mixed.csv", job.folder / "out"
    good, outside = "20,10,44,38", "900,900,920,920"
    table.write_text(f"image,xmin,ymin,xmax,ymax,name\na.png,{outside},x\na.png,{good},disc\nb.png,{outside},x\n")
    command = ["batch", str(job.images), "--prompts", str(table), "--out", str(out)]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "note: 1 image with a remark, see --report; a.png: object 0 is left out: box [900, 900" in printed.out
    assert "b.png: object 0: box [900, 900, 920, 920] is outside the image" in printed.out + printed.err
    result = json.loads((out / "results" / "a.png.json").read_text())
    assert [mask["label"] for mask in result["masks"]] == ["disc"]
    assert [prompt["box"] for prompt in result["prompts"]] == [[20, 10, 44, 38]]
    assert main(["replay", str(out / "results" / "a.png.json")]) == 0


@pytest.mark.slow
def test_convert_reads_a_job_with_failures_datasets_and_exports_beside(job: SmallJob, capsys: Any) -> None:
    (job.images / "sub").mkdir()
    draw_disc(job.images / "sub" / "c.png", 2)
    (job.images / "bad.png").write_bytes(b"no image")
    job.prompts |= {"sub/c.png": ["disc"], "bad.png": ["disc"]}
    job.formats = ("coco", "yolo", "voc", "cvat", "png", "labelme", "folder")
    job.run()
    capsys.readouterr()
    out = job.folder / "all.json"
    assert main(["convert", str(job.folder / "out"), "--to", "coco", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["masks"], report["changed"]) == (3, 0)
    assert report["skipped"] == {"image that failed in batch": 1}
    assert [image["file_name"] for image in json.loads(out.read_text())["images"]] == ["a.png", "b.png", "sub/c.png"]


@pytest.mark.slow
def test_a_dataset_in_the_middle_of_being_renewed_is_none_for_a_reader(job: SmallJob, monkeypatch: Any) -> None:
    job.formats = ("yolo",)
    job.run()
    draw_disc(job.images / "c.png", 3)
    job.prompts["c.png"] = ["disc"]
    place = Results._place

    def stop_at_labels(results: Results, path: Path, name: str) -> None:
        if name == "yolo/labels/c.txt":
            raise KeyboardInterrupt
        place(results, path, name)

    monkeypatch.setattr(Results, "_place", stop_at_labels)
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert not (job.folder / "out" / "yolo" / "data.yaml").exists()
    monkeypatch.undo()
    assert not any("edited" in note for note in job.run().notes)
    job.run("once")
    assert files_of(job.folder / "out") == files_of(job.folder / "once")


def test_what_a_dead_worker_left_of_an_image_is_written_again(job: SmallJob) -> None:
    job.formats = ("png",)
    left = job.folder / "out" / "png" / "a.png" / "mask_000.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of the files, without the result")
    settings = replace(job.resolved, formats=job.formats)
    worker = Worker(settings, Results(str(job.folder / "out")), job.segmenter)
    prompts = [{"points": [[32, 24]], "labels": [1], "box": None, "name": "disc"}]
    first = Task("a.png", str(job.images / "a.png"), None, prompts)
    assert "already exists, and was not written by this job" in worker.process(first).error
    assert left.read_bytes().startswith(b"half")
    again = replace(first, look_first=True, deaths=1)
    assert worker.process(again).state == "done"
    assert left.read_bytes().startswith(b"\x89PNG")
