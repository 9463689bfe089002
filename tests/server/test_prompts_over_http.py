"""Answers over HTTP are the library's, in every form."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

from anymask import EncodedImage, Mask
from anymask.cli import main
from anymask.editing.inpainting import inpaint
from anymask.formats import masks_json
from anymask.formats.registry import all_formats, find_format, format_names
from anymask.prediction.sam import SamImage
from anymask.structures.polygons import polygons_to_mask

SAUCER = {"points": [[110, 300]], "labels": [1]}
CUP = {"box": [170, 14, 412, 264]}


def segment(api: TestClient, id: str, *prompts: dict, **options: object) -> dict:
    response = api.post(f"/v1/images/{id}/segment", json={"prompts": list(prompts), **options})
    assert response.status_code == 200, response.text
    return response.json()


def same(entry: dict, mask: Mask) -> bool:
    return entry["rle"] == mask.rle


def test_masks_equal_the_librarys(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    response = segment(api, coffee_id, SAUCER, CUP)
    # Of several objects none is looked at again in a window, as in the library.
    expected = coffee.segment(points=[[(110, 300)], []], boxes=[None, CUP["box"]])
    assert all(same(entry, mask) for entry, mask in zip(response["masks"], expected, strict=True))
    assert [entry["prompt"] for entry in response["masks"]] == [0, 1]
    assert response["masks"][0]["area"] == expected[0].area
    assert response["masks"][0]["box"] == expected[0].box
    assert response["masks"][1]["score"] == pytest.approx(expected[1].score, abs=1e-4)
    assert response["image"] == {"id": coffee.source.pixel_hash, "width": 600, "height": 400}


def test_second_click_uses_the_first_ones_logits(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    first = segment(api, coffee_id, SAUCER)["masks"][0]
    previous = coffee.segment(points=[(110, 300)])[0]
    differs = []
    for other in ([300, 150], [500, 200], [420, 330], [200, 250]):
        clicks = {"points": [[110, 300], other], "labels": [1, 0]}
        second = segment(api, coffee_id, {**clicks, "logits": first["logits"]})["masks"][0]
        assert same(second, coffee.segment(**clicks, previous=previous)[0])
        differs.append(second["rle"] != coffee.segment(**clicks)[0].rle)
    assert any(differs), "these clicks do not show whether the logits were used"


def test_all_forms_show_the_same_mask(api: TestClient, coffee_id: str) -> None:
    runs = Mask.from_rle(segment(api, coffee_id, SAUCER)["masks"][0]["rle"]).array
    drawn = segment(api, coffee_id, SAUCER, format="polygons")["masks"][0]
    parts = [[np.asarray(ring) for ring in part] for part in drawn["polygons"]]
    assert np.array_equal(polygons_to_mask(parts, (600, 400)), runs)
    entry_with_png = segment(api, coffee_id, SAUCER, format="png")["masks"][0]
    inline = PIL.Image.open(io.BytesIO(base64.b64decode(entry_with_png["png"])))
    assert np.array_equal(np.asarray(inline) == 255, runs)
    file = api.get(entry_with_png["file"])
    assert file.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(file.content))) == 255, runs)
    assert "rle" not in drawn
    assert "rle" not in entry_with_png


def test_candidates_are_the_official_three_and_tell_which_was_chosen(
    api: TestClient, coffee_id: str, coffee: EncodedImage
) -> None:
    entry = segment(api, coffee_id, SAUCER, candidates=True, refine="off", select="score")["masks"][0]
    expected = coffee.predict(points=[(110, 300)])
    for candidate, mask in zip(entry["candidates"], expected.masks, strict=True):
        assert np.array_equal(Mask.from_rle(candidate["rle"]).array, mask)
    assert entry["candidates"][entry["candidate"]]["rle"] == entry["rle"]
    repeated = segment(api, coffee_id, SAUCER, candidates=True)["masks"][0]
    chosen = repeated["candidate"]
    assert chosen is None or repeated["candidates"][chosen]["rle"] == repeated["rle"]


def test_a_candidate_takes_corrective_clicks(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    candidates = segment(api, coffee_id, SAUCER, candidates=True)["masks"][0]["candidates"]
    clicks = {"points": [[110, 300], [300, 150]], "labels": [1, 1]}
    response = segment(api, coffee_id, {**clicks, "logits": candidates[2]["logits"]})["masks"][0]
    logits = coffee.predict(points=[(110, 300)]).logits[2:3]
    assert same(response, coffee.segment(points=clicks["points"], labels=clicks["labels"], mask_input=logits)[0])


def test_a_mask_from_elsewhere_is_a_prompt(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    drawn = np.zeros((400, 600), bool)
    drawn[60:200, 200:380] = True
    runs = Mask.from_array(drawn).rle
    response = segment(api, coffee_id, {**CUP, "mask": runs})["masks"][0]
    assert same(response, coffee.segment(box=CUP["box"], mask_input=drawn)[0])


def test_text_gives_labelled_masks(api: TestClient, coffee_id: str) -> None:
    response = segment(api, coffee_id, SAUCER, {"text": "cup"})
    labelled = [entry for entry in response["masks"] if entry["prompt"] == 1]
    assert labelled
    assert {entry["label"] for entry in labelled} == {"cup"}
    assert labelled[0]["detector_score"] > 0.5
    boxes = api.post(f"/v1/images/{coffee_id}/detect", json={"text": "cup"}).json()["detections"]
    assert boxes[0]["label"] == "cup"
    assert boxes[0]["box"][0] == pytest.approx(173, abs=8)


def test_labels_come_back_and_options_reach_the_library(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    entry = segment(api, coffee_id, {**SAUCER, "label": "saucer"}, select="part", max_hole_area=500)["masks"][0]
    assert entry["label"] == "saucer"
    assert same(entry, coffee.segment(points=[(110, 300)], select="part", max_hole_area=500)[0])


def test_other_frames(api: TestClient, coffee_id: str) -> None:
    percent = segment(api, coffee_id, {"points": [[110 / 6, 75]]}, coordinates="percent")
    assert percent["masks"][0]["rle"] == segment(api, coffee_id, SAUCER)["masks"][0]["rle"]


def test_previews_leave_nothing_behind(api: TestClient, coffee_id: str) -> None:
    before = api.get("/metrics").text.split("anymask_mask_bytes ")[1].split()[0]
    entry = segment(api, coffee_id, {"points": [[401, 120]]}, store=False)["masks"][0]
    assert (entry["id"], entry["logits"], entry["file"]) == (None, None, None)
    assert api.get("/metrics").text.split("anymask_mask_bytes ")[1].split()[0] == before


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ({"points": [[700, 20]]}, "700"),
        ({"points": [[10, 20]], "labels": [1, 0]}, "labels"),
        ({"points": []}, "no prompt given"),
        ({"points": [[10, 20, 30]]}, "points"),
        ({"points": [[10, "left"]]}, "points"),
        ({"box": [10, 20, 10, 20]}, "box"),
        ({"box": [10, 20, 30]}, "box"),
        ({"text": "cup", "points": [[1, 1]]}, "text cannot be combined with points"),
        ({"text": "   "}, ""),
        ({"text": "zebra crossing \ud800"}, ""),
        ({"pionts": [[1, 1]]}, "pionts"),
        ({"points": [[10, 20]], "mask": {"size": [4, 4], "counts": "0"}}, "4x4"),
        ({"points": [[10, 20]], "mask": {"size": [400, 600], "counts": "~~~"}}, ""),
    ],
)
def test_bad_prompts_get_one_line_that_says_why(api: TestClient, coffee_id: str, prompt: dict, line: str) -> None:
    content = json.dumps({"prompts": [prompt]})
    response = api.post(
        f"/v1/images/{coffee_id}/segment", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert line in problem["detail"]
    assert "\n" not in problem["detail"]


def test_unknown_references_are_404(api: TestClient, coffee_id: str) -> None:
    prompt = {**SAUCER, "logits": "0" * 24}
    response = api.post(f"/v1/images/{coffee_id}/segment", json={"prompts": [prompt]})
    assert (response.status_code, response.json()["type"]) == (404, "urn:anymask:problem:unknown-mask")
    assert api.get(f"/v1/images/{coffee_id}/masks/{'0' * 24}.png").status_code == 404


def test_cutout_is_transparent_around_the_object(api: TestClient, coffee_id: str) -> None:
    mask = segment(api, coffee_id, CUP)["masks"][0]
    response = api.post(f"/v1/images/{coffee_id}/cutout", json={"masks": [{"id": mask["id"]}], "edges": "hard"})
    assert response.headers["content-type"] == "image/png"
    alpha = np.asarray(PIL.Image.open(io.BytesIO(response.content)))[:, :, 3]
    assert np.array_equal(alpha > 0, Mask.from_rle(mask["rle"]).array)


def test_inpainting_fills_the_object_in_and_leaves_all_other_pixels(
    api: TestClient, coffee_id: str, coffee_path: Path
) -> None:
    mask = segment(api, coffee_id, SAUCER)["masks"][0]
    array = Mask.from_rle(mask["rle"]).array
    body = {"masks": [{"rle": mask["rle"]}], "grow": 6, "feather": 0}
    response = api.post(f"/v1/images/{coffee_id}/inpaint", json=body)
    assert response.headers["content-type"] == "image/png"
    filled = np.asarray(PIL.Image.open(io.BytesIO(response.content)))
    original = np.asarray(PIL.Image.open(coffee_path).convert("RGB"))
    assert np.array_equal(filled, inpaint(original, array, grow=6, feather=0).pixels)
    changed = (filled != original).any(axis=2)
    assert changed[array].mean() > 0.9
    assert not changed[cv2.dilate(array.view(np.uint8), np.ones((15, 15), np.uint8)) == 0].any()


def test_a_mask_without_pixels_is_not_inpainted(api: TestClient, coffee_id: str) -> None:
    empty = Mask.from_array(np.zeros((400, 600), bool)).rle
    response = api.post(f"/v1/images/{coffee_id}/inpaint", json={"masks": [{"rle": empty}]})
    assert (response.status_code, response.json()["detail"]) == (422, "there is nothing to repaint: the mask is empty")


@pytest.mark.parametrize("format", ["masks-json", "sa1b", "label-map", "png"])
def test_export_writes_a_file(api: TestClient, coffee_id: str, format: str) -> None:
    mask = segment(api, coffee_id, CUP)["masks"][0]
    body = {"format": format, "masks": [{"id": mask["id"], "label": "cup"}], "name": "../../etc/my cup.jpg"}
    response = api.post(f"/v1/images/{coffee_id}/export", json=body)
    assert response.status_code == 200, response.text
    name = response.headers["content-disposition"]
    assert name.startswith('attachment; filename="my-cup.')
    if response.headers["content-type"] == "image/png":
        entry_with_png = np.asarray(PIL.Image.open(io.BytesIO(response.content)))
        assert np.array_equal(entry_with_png > 0, Mask.from_rle(mask["rle"]).array)
    else:
        text = response.json()
        entry = text["masks"][0]["rle"] if format == "masks-json" else text["annotations"][0]["segmentation"]
        assert entry == mask["rle"]


@pytest.mark.parametrize("format", format_names())
def test_every_format_of_the_registry_can_be_downloaded(api: TestClient, coffee_id: str, format: str) -> None:
    masks = [{**each, "label": "thing"} for each in ({"rle": segment(api, coffee_id, CUP)["masks"][0]["rle"]},)]
    response = api.post(f"/v1/images/{coffee_id}/export", json={"format": format, "masks": masks, "name": "my cup.png"})
    assert response.status_code == 200, response.text
    assert len(response.content) > 50
    assert response.headers["content-type"] == (find_format(format).media_type or "application/zip")
    assert 'filename="my-cup' in response.headers["content-disposition"]


def test_the_formats_of_the_server_have_titles_for_a_menu(api: TestClient) -> None:
    formats = api.get("/v1/models").json()["formats"]
    assert {each["name"]: each["title"] for each in formats} == {each.name: each.title for each in all_formats()}
    assert formats[0]["name"] == "png"


def test_several_files_come_as_one_archive(api: TestClient, coffee_id: str) -> None:
    masks = [{"id": entry["id"]} for entry in segment(api, coffee_id, SAUCER, CUP)["masks"]]
    response = api.post(f"/v1/images/{coffee_id}/export", json={"format": "png", "masks": masks})
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert len(archive.namelist()) == 2


@pytest.mark.parametrize("format", ["voc", "yolo"])
def test_a_dataset_of_folders_unpacks_into_folders(api: TestClient, coffee_id: str, format: str) -> None:
    masks = [{"rle": segment(api, coffee_id, CUP)["masks"][0]["rle"], "label": "cup"}]
    response = api.post(f"/v1/images/{coffee_id}/export", json={"format": format, "masks": masks, "name": "my cup.jpg"})
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        folders = {part for name in archive.namelist() for part in Path(name).parts[:-1]}
    assert folders
    assert not [folder for folder in folders if Path(folder).suffix], "a folder has no extension"


@pytest.mark.slow
def test_all_files_of_a_download_can_be_replayed(
    api: TestClient, coffee_id: str, tmp_path: Path, coffee_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [segment(api, coffee_id, prompt)["masks"][0] for prompt in (SAUCER, CUP)]
    masks = [{"id": each["id"], "label": "thing"} for each in made]
    steps = [[{"point": [110, 300], "include": True}], [{"box": CUP["box"]}]]
    body = {"format": "folder", "masks": masks, "name": "my cup.jpg", "steps": steps}
    response = api.post(f"/v1/images/{coffee_id}/export", json=body)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        archive.extractall(tmp_path)
    (index,) = tmp_path.rglob("masks.json")
    assert main(["replay", str(index.parent), "--image", str(coffee_path)]) == 0, capsys.readouterr().err
    assert "2 masks" in capsys.readouterr().out
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip" / "my-cup.zip").write_bytes(response.content)
    (tmp_path / "zip" / "my-cup.jpg").write_bytes(coffee_path.read_bytes())
    assert main(["replay", str(tmp_path / "zip" / "my-cup.zip")]) == 0, capsys.readouterr().err
    assert "my-cup.zip/masks.json: 2 masks, the same bit for bit" in capsys.readouterr().out
    read = masks_json.read(index)
    assert [mask.prompt_index for mask in read] == [0, 1]
    assert read.prompts[1].box is not None
    for wrong in (steps[:1], [*steps[:1], []], [*steps[:1], [{"jump": 1}]], [*steps[:1], [{"point": [9000, 1]}]]):
        assert api.post(f"/v1/images/{coffee_id}/export", json={**body, "steps": wrong}).status_code == 422


def test_unknown_format_is_rejected(api: TestClient, coffee_id: str) -> None:
    runs = {"size": [400, 600], "counts": "PPYo10"}
    response = api.post(f"/v1/images/{coffee_id}/export", json={"format": "docx", "masks": [{"rle": runs}]})
    assert response.status_code == 422
    assert "docx" in response.json()["detail"]


def test_points_on_different_objects_give_a_mask_each(api: TestClient, coffee_id: str, coffee: EncodedImage) -> None:
    points = [[110, 300], [500, 200]]
    response = segment(api, coffee_id, {"points": points, "label": "thing"}, objects="auto")
    expected = coffee.segment(points, objects="auto")
    assert len(expected) == 2
    assert all(same(entry, mask) for entry, mask in zip(response["masks"], expected, strict=True))
    assert [entry["points"] for entry in response["masks"]] == [[[110, 300]], [[500, 200]]]
    assert {entry["label"] for entry in response["masks"]} == {"thing"}
    assert [entry["prompt"] for entry in response["masks"]] == [0, 0]


def test_alternatives_are_the_librarys_and_take_corrective_clicks(
    api: TestClient, coffee_id: str, coffee: EncodedImage
) -> None:
    response = api.post(f"/v1/images/{coffee_id}/alternatives", json={"points": [[110, 300]], "most": 4}).json()
    expected = coffee.alternatives([(110, 300)], most=4)
    assert len(expected) > 1
    assert all(same(entry, mask) for entry, mask in zip(response["masks"], expected, strict=True))
    clicks = {"points": [[110, 300], [300, 150]], "labels": [1, 0]}
    second = segment(api, coffee_id, {**clicks, "logits": response["masks"][1]["logits"]})["masks"][0]
    assert same(second, coffee.segment(**clicks, previous=expected[1])[0])


def test_a_preview_takes_one_call_of_the_decoder(
    api: TestClient, coffee_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    decode = SamImage.decode
    monkeypatch.setattr(
        SamImage, "decode", lambda encoded, prompts: calls.append(len(prompts)) or decode(encoded, prompts)
    )
    entry = segment(api, coffee_id, SAUCER, preview=True, store=False)["masks"][0]
    assert calls == [1]
    whole = segment(api, coffee_id, SAUCER)["masks"][0]
    assert len(calls) > 2
    a, b = (Mask.from_rle(each["rle"]).array for each in (entry, whole))
    assert (a & b).sum() / (a | b).sum() > 0.8


def test_a_preview_may_be_smaller_than_the_image(api: TestClient, coffee_id: str) -> None:
    options = {"preview": True, "store": False}
    whole = segment(api, coffee_id, SAUCER, **options)["masks"][0]
    small = segment(api, coffee_id, SAUCER, **options, max_side=300)["masks"][0]
    assert small["rle"]["size"] == [200, 300]
    a, b = Mask.from_rle(whole["rle"]).array[1::2, 1::2], Mask.from_rle(small["rle"]).array
    assert (a & b).sum() / (a | b).sum() > 0.97
    assert small["score"] == whole["score"]
    assert segment(api, coffee_id, SAUCER, **options, max_side=4000)["masks"][0]["rle"] == whole["rle"]
    for refused in ({"store": False}, {"preview": True}):
        body = {"prompts": [SAUCER], "max_side": 300, **refused}
        response = api.post(f"/v1/images/{coffee_id}/segment", json=body)
        assert response.status_code == 422
        assert "max_side needs preview: true and store: false" in response.text


def test_a_window_of_a_small_image_shows_nothing_more(api: TestClient, coffee_id: str) -> None:
    looked = api.post(f"/v1/images/{coffee_id}/zoom", json={"window": [50, 250, 200, 350]})
    assert (looked.status_code, looked.json()) == (200, {"window": None})
    entry = segment(api, coffee_id, SAUCER, window=[50, 250, 200, 350])["masks"][0]
    assert entry["window"] is None
    assert entry["rle"] == segment(api, coffee_id, SAUCER)["masks"][0]["rle"]


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("alternatives", {"points": [[110, 300]], "labels": [0]}, "included point"),
        ("alternatives", {"points": [[700, 300]]}, "700"),
        ("alternatives", {"points": [[1, 1]] * 600}, "512 points"),
        ("zoom", {"window": [700, 0, 900, 100]}, "shows nothing"),
        ("zoom", {"window": [1e308, 0, -1e308, 100]}, "shows nothing"),
        ("segment", {"prompts": [SAUCER], "window": [9, 9, 3, 3]}, "shows nothing"),
        ("segment", {"prompts": [CUP], "objects": "auto"}, "points and labels only"),
    ],
)
def test_bad_windows_are_rejected(api: TestClient, coffee_id: str, path: str, body: dict, line: str) -> None:
    response = api.post(f"/v1/images/{coffee_id}/{path}", json=body)
    assert response.status_code == 422
    assert line in response.json()["detail"]
