"""Images come in by every way, files go out in every format, and the copied commands make the same masks."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from anymask.formats.registry import format_names
from anymask.structures.mask import Mask
from tests.support.browser_application import CUP_BOX, SAUCER, SPOON, Application
from tests.support.server_process import Server

pytestmark = pytest.mark.browser

_DATA = """([bytes, name, type]) => {
  const file = new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type });
  const data = new DataTransfer();
  data.items.add(file);
  return data;
}"""


def _encoded(image: Path) -> list[str]:
    return [base64.b64encode(image.read_bytes()).decode(), image.name, "image/jpeg"]


def test_an_image_can_be_dropped(empty: Application, coffee_path: Path) -> None:
    data = empty.page.evaluate_handle(_DATA, _encoded(coffee_path))
    empty.page.dispatch_event("#stage", "dragenter", {"dataTransfer": data})
    assert empty.page.is_visible("#drop")
    empty.page.dispatch_event("#stage", "drop", {"dataTransfer": data})
    empty.wait_for_image()
    assert empty.page.is_hidden("#drop")
    assert empty.page.inner_text("#image-name") == "coffee.jpg"


def test_an_image_can_be_pasted(empty: Application, coffee_path: Path) -> None:
    data = empty.page.evaluate_handle(_DATA, _encoded(coffee_path))
    script = "(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))"
    empty.page.evaluate(script, data)
    empty.wait_for_image()


def test_an_image_can_be_picked_and_a_phone_offers_its_camera(empty: Application, coffee_path: Path) -> None:
    with empty.page.expect_file_chooser() as chooser:
        empty.page.click("#welcome-open")
    chooser.value.set_files(coffee_path)
    empty.wait_for_image()
    assert empty.page.get_attribute("#camera-file", "capture") == "environment"


def test_progress_is_shown_until_the_image_is_ready_for_a_click(empty: Application, tmp_path: Path) -> None:
    noise = np.random.default_rng().integers(0, 255, (700, 1024, 3), np.uint8)  # nobody has encoded it before
    PIL.Image.fromarray(noise).save(tmp_path / "noise.png")
    empty.page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => window.seen.push(
        document.getElementById('progress-text').textContent)).observe(document.getElementById('progress'),
        { subtree: true, childList: true, characterData: true }) }"""
    )
    empty.open(tmp_path / "noise.png")
    seen = empty.page.evaluate("window.seen")
    assert any(text.startswith("Uploading the image: ") for text in seen)
    assert seen[-1] == "Encoding the image …"
    assert "1024 by 700 pixels, is ready" in empty.status


def test_a_phone_image_stored_sideways_takes_prompts_as_displayed(
    empty: Application, tmp_path: Path, coffee_path: Path
) -> None:
    image = PIL.Image.open(coffee_path)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image.transpose(PIL.Image.Transpose.ROTATE_90).save(tmp_path / "phone.jpg", quality=95, exif=exif)
    empty.open(tmp_path / "phone.jpg")
    assert empty.page.evaluate("[window.anymask.app.image.width, window.anymask.app.image.height]") == [600, 400]
    empty.click(SAUCER)
    assert empty.mask()[SAUCER[1], SAUCER[0]]
    assert 0.2 < empty.mask().mean() < 0.6


def test_a_file_that_is_no_image_is_rejected_in_one_line_and_the_image_stays(app: Application, tmp_path: Path) -> None:
    app.click(SAUCER)
    (tmp_path / "notes.jpg").write_bytes(b"no picture at all")
    app.page.set_input_files("#file", tmp_path / "notes.jpg")
    app.page.wait_for_selector("#status.bad")
    assert "\n" not in app.status
    assert len(app.objects) == 1
    assert app.page.inner_text("#image-name") == "coffee.jpg"
    app.errors.clear()  # the browser reports the 415 itself


def test_a_text_prompt_makes_named_objects(app: Application) -> None:
    app.page.fill("#text-query", "cup")
    app.page.keyboard.press("Enter")
    app.wait_until("!document.getElementById('text-find').disabled && window.anymask.app.state.objects.length", 60)
    app.settle()
    assert app.objects[0]["name"] == "cup"
    assert app.mask()[100, 300]
    assert app.status == "1 object found for cup."
    app.page.fill("#text-query", "xylophonist")
    app.page.keyboard.press("Enter")
    app.page.wait_for_selector("#text-error:visible")
    assert "xylophonist" in app.page.inner_text("#text-error")
    app.errors.clear()  # the browser reports the 422 itself


@pytest.fixture
def made(app: Application) -> Application:
    """Objects made in every way that leads to another kind of command."""
    app.click(SAUCER)
    app.page.fill("#active-name", 'the "saucer" – it\'s €1')
    app.page.keyboard.press("Enter")
    app.press("Enter")
    app.box(CUP_BOX)
    app.press("Enter")
    app.click(SPOON, modifier="Control")  # without it the saucer would be selected
    app.wait_for_alternatives()
    app.press("2")
    app.click((300, 100), button="right")
    app.press("Enter")
    app.click((430, 300))
    app.press("p")
    app.drag((20, 30), (60, 30))
    app.page.evaluate("window.anymask.app.act({ type: 'edit', edit: { kind: 'clean', holes: 50, islands: 40 } })")
    app.press("v", "Enter")
    app.settle()
    return app


def _download(app: Application, form: str) -> tuple[str, bytes]:
    if not app.page.is_visible("#save-dialog"):
        app.page.click("#save")
    app.page.select_option("#export-format", form)
    with app.page.expect_download() as started:
        app.page.click("#export")
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def test_every_format_of_the_server_is_offered(app: Application) -> None:
    app.wait_until("document.querySelector('#export-format [value=masks-json]')")
    offered = app.page.evaluate("[...document.getElementById('export-format').options].map((o) => o.value)")
    assert {*format_names(), "cutout", "prompts"} == set(offered)


# Chromium holds back a page's eleventh download in a row, so each page saves a few.
@pytest.mark.parametrize("forms", [format_names()[:7], format_names()[7:]], ids=["first", "rest"])
def test_every_format_of_the_server_can_be_saved(made: Application, forms: tuple[str, ...]) -> None:
    masks = [made.mask(index) for index in range(4)]
    for form in forms:
        name, content = _download(made, form)
        assert name.startswith("coffee"), name
        assert content, form
        for mask, seen in zip(masks, _masks_in(form, content) or masks, strict=True):
            assert (mask == seen).all(), form


def _masks_in(form: str, content: bytes) -> list[NDArray[np.bool_]] | None:
    """The masks of a file, where it holds them without loss; of the others, whether all objects are named there."""
    if form == "png":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [np.array(PIL.Image.open(archive.open(each))) > 0 for each in sorted(archive.namelist())]
    if form in ("masks-json", "sa1b"):
        entries = json.loads(content)["masks" if form == "masks-json" else "annotations"]
        return [Mask.from_rle(each["rle" if form == "masks-json" else "segmentation"]).array for each in entries]
    if form == "coco":
        names = {each["name"] for each in json.loads(content)["categories"]}
        assert {"Object 2", "Object 3"} <= names
    if form == "labelme":
        assert {"Object 2", "Object 3"} <= {each["label"] for each in json.loads(content)["shapes"]}
    if form == "yolo":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (labels,) = [each for each in archive.namelist() if each.endswith("coffee.txt")]
            rows = archive.read(labels).decode().splitlines()
        assert len(rows) == 4
        assert all(0 <= float(number) <= 1 for row in rows for number in row.split()[1:])
    return None


def test_the_cut_out_has_the_images_own_pixels_and_is_transparent_elsewhere(
    made: Application, coffee_path: Path
) -> None:
    name, content = _download(made, "cutout")
    assert name == "coffee-cutout.png"
    cut = np.array(PIL.Image.open(io.BytesIO(content)))
    union = np.any([made.mask(index) for index in range(4)], axis=0)
    assert ((cut[..., 3] == 255) == union).all()
    assert (cut[~union, 3] == 0).all()
    assert (cut[union, :3] == np.array(PIL.Image.open(coffee_path))[union]).all()


def test_a_cut_out_is_soft_cropped_and_goes_to_the_clipboard(app: Application) -> None:
    app.click(SAUCER)
    app.press("Enter")
    mask = app.mask()
    rows, columns = np.nonzero(mask)
    app.page.click("#save")
    app.page.select_option("#export-format", "cutout")
    app.page.select_option("#cutout-edges", "matte")
    app.page.check("#cutout-crop")
    _, content = _download(app, "cutout")
    cut = np.array(PIL.Image.open(io.BytesIO(content)))
    assert abs(cut.shape[0] - (np.ptp(rows) + 1)) < 40
    assert abs(cut.shape[1] - (np.ptp(columns) + 1)) < 40
    assert ((cut[..., 3] > 20) & (cut[..., 3] < 235)).any(), "the edges are soft"
    app.page.click("#copy-png")
    app.wait_until("document.getElementById('save-done').textContent.includes('clipboard')")
    script = """async () => {
      const [item] = await navigator.clipboard.read();
      const { width, height } = await createImageBitmap(await item.getType('image/png'));
      return [height, width];
    }"""
    assert app.page.evaluate(script) == list(cut.shape[:2])


def test_all_of_anymasks_files_can_be_replayed(made: Application, tmp_path: Path, coffee_path: Path) -> None:
    name, content = _download(made, "folder")
    assert name == "coffee-folder.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "files")
    (index,) = (tmp_path / "files").rglob("masks.json")
    command = [sys.executable, "-m", "anymask", "replay", str(index.parent), "--image", str(coffee_path)]
    ran = subprocess.run([*command, "--min-iou", "0.999"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 masks" in ran.stdout


def test_the_copied_python_makes_the_masks_on_the_screen(made: Application, tmp_path: Path, coffee_path: Path) -> None:
    made.page.click("#save")
    made.page.click("#copy-python")
    made.wait_until("document.getElementById('save-done').textContent")
    code = made.page.evaluate("navigator.clipboard.readText()")
    assert made.page.inner_text("#save-done") == "Python code copied."
    code += "import json; print(json.dumps({name: mask.rle for name, mask in masks.items()}))\n"
    (tmp_path / "coffee.jpg").write_bytes(coffee_path.read_bytes())
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    seen = json.loads(ran.stdout)
    assert next(iter(seen)) == 'the "saucer" – it\'s €1'
    _assert_same(made, [Mask.from_rle(rle).array for rle in seen.values()])


def test_the_copied_commands_make_the_masks_on_the_screen(made: Application, tmp_path: Path, coffee_path: Path) -> None:
    made.page.click("#save")
    made.page.click("#copy-shell")
    made.wait_until("document.getElementById('save-done').textContent")
    script = made.page.evaluate("navigator.clipboard.readText()")
    assert script.count("anymask segment") == 4
    assert "--point 110,300" in script
    assert "--box 170,14,412,264" in script
    (tmp_path / "coffee.jpg").write_bytes(coffee_path.read_bytes())
    command = f'anymask() {{ "{sys.executable}" -m anymask "$@"; }}; set -e; {script}'
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    outs = sorted((tmp_path / "anymask-out").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    _assert_same(made, [np.array(PIL.Image.open(out / "mask_000.png")) > 0 for out in outs])


def _assert_same(app: Application, masks: list[Any]) -> None:
    """The same to the pixel, but for the few that another number of threads turns."""
    assert len(masks) == len(app.objects)
    for index, mask in enumerate(masks):
        seen = app.mask(index)
        assert (seen != mask).sum() <= 0.001 * mask.sum(), f"object {index}: {(seen != mask).sum()} of {mask.sum()} px"


def test_the_prompt_log_tells_every_step(made: Application, tmp_path: Path, coffee_path: Path) -> None:
    from anymask.prediction.prompt_log import read_steps

    _, content = _download(made, "prompts")
    log = json.loads(content)
    assert log["image"]["path"] == "coffee.jpg"
    (tmp_path / "log.json").write_bytes(content)
    objects, names = read_steps(f"@{tmp_path / 'log.json'}")
    assert len(objects) == 4
    assert names[1] == "Object 2"
    assert objects[2] == [
        {"point": list(SPOON), "include": True, "alternative": objects[2][0]["alternative"]},
        {"point": [300, 100], "include": False},
    ]


def test_a_server_with_a_token_asks_for_it_once(context: Any, tmp_path: Path, coffee_path: Path) -> None:
    token = "a-token-of-the-tests-0123"
    server = Server(tmp_path, "--data", str(tmp_path / "data"), "--token", token)
    server.start()
    app = Application(context.new_page())
    app.visit(server.address)
    app.page.fill("#token", "token is wrong")
    app.page.click("#token-dialog button[type=submit]")
    app.page.wait_for_selector("#token-dialog >> text=token is wrong")
    app.page.fill("#token", token)
    app.page.click("#token-dialog button[type=submit]")
    app.page.wait_for_selector("#token-dialog", state="hidden")
    app.open(coffee_path)
    app.click(SAUCER)
    assert app.mask()[SAUCER[1], SAUCER[0]]
    app.page.reload()
    app.wait_for_image()
    second = Application(context.new_page())
    second.visit(f"{server.address}/#token={token}")
    second.wait_for_image()
    assert token not in second.page.url, "the token does not stay in the address"
    server.stop()
