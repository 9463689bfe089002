"""`anymask cutout` and `inpaint` as a person runs them."""

import json

import numpy as np
import PIL.Image
import pytest

from anymask.cli import main
from anymask.editing.handoff import read_pair
from anymask.io.image import open_image
from tests.support.drawn_comb import BOX, drawn_comb

SPOON = "315,65,430,330"
CUP = "300,230"


def run(*arguments):
    return main([str(each) for each in arguments])


def pixels(path):
    with PIL.Image.open(path) as image:
        return np.asarray(image)


# ---------------------------------------------------------------- cutout


def test_a_cutout_is_transparent_and_of_the_images_size(coffee_path, tmp_path, capsys):
    out = tmp_path / "new" / "cup.png"
    assert run("cutout", coffee_path, "--point", CUP, "--out", out) == 0
    cut = pixels(out)
    assert cut.shape == (400, 600, 4)
    image = open_image(coffee_path).pixels
    opaque = cut[..., 3] == 255
    assert 0.2 < opaque.mean() < 0.6
    assert (cut[..., :3][opaque] == image[opaque]).mean() > 0.999
    assert cut[5, 5, 3] == 0
    printed = capsys.readouterr().out
    assert "600x400, edges: matte" in printed


def test_without_a_prompt_the_subject_is_cut_out(coffee_path, tmp_path, capsys):
    out = tmp_path / "subject.png"
    assert run("cutout", coffee_path, "--edges", "hard", "--out", out) == 0
    opaque = pixels(out)[..., 3] == 255
    assert opaque[215, 290]
    assert not opaque[:100, 450:].any()
    assert 0.1 < opaque.mean() < 0.6
    assert "note: without a prompt: this box is that of the most likely subject" in capsys.readouterr().out


def test_the_gaps_of_a_comb_are_cut_out_of_it(tmp_path):
    drawn, truth = drawn_comb()
    PIL.Image.fromarray(drawn).save(tmp_path / "comb.png")
    box = ",".join(map(str, BOX))
    assert run("cutout", tmp_path / "comb.png", "--box", box, "--edges", "hard", "--out", tmp_path / "cut.png") == 0
    opaque = pixels(tmp_path / "cut.png")[..., 3] == 255
    teeth = slice(160, 350), slice(125, 515)
    assert opaque[teeth][truth[teeth]].mean() > 0.9
    assert opaque[teeth][~truth[teeth]].mean() < 0.1


def test_the_fur_of_the_cat_gets_soft_edges(chelsea_path, tmp_path):
    cat = ("cutout", chelsea_path, "--point", "220,100", "--point", "320,230", "--quiet")
    assert run(*cat, "--out", tmp_path / "soft.png") == 0
    assert run(*cat, "--edges", "hard", "--out", tmp_path / "hard.png") == 0
    soft, hard = pixels(tmp_path / "soft.png")[..., 3], pixels(tmp_path / "hard.png")[..., 3]
    assert set(np.unique(hard)) == {0, 255}
    between = (soft > 10) & (soft < 245)
    assert between.sum() > 1000
    assert np.abs(soft.astype(int) - hard).mean() < 12


def test_everything_at_once_on_a_colour_as_jpeg(coffee_path, tmp_path):
    look = ["--margin", "10%", "--background", "#fff", "--shadow", "--outline", "2%", "--outline-color", "#ffd000"]
    assert run("cutout", coffee_path, "--point", CUP, *look, "--out", tmp_path / "cup.jpg") == 0
    cut = pixels(tmp_path / "cup.jpg")
    assert cut.shape[0] < 400 + 200
    assert (cut[:3] > 248).all()


def test_a_file_for_every_object(tmp_path, citrus_path, capsys):
    boxes = ["--box", "192,262,628,674", "--box", "850,236,1264,660"]
    arguments = ["--separate", "--crop", "--edges", "smooth", "--json", "--out", tmp_path / "half.webp"]
    assert run("cutout", citrus_path, *boxes, *arguments) == 0
    record = json.loads(capsys.readouterr().out)
    assert [each["masks"] for each in record["cutouts"]] == [[0], [1]]
    assert record["cutouts"][0]["box"][2] < record["cutouts"][1]["box"][0]
    for name in ("half_000.webp", "half_001.webp"):
        with PIL.Image.open(tmp_path / name) as image:
            assert image.mode == "RGBA"
            assert image.info["icc_profile"] == open_image(citrus_path).icc_profile
            assert 380 < image.width < 480


def test_text_selects_one_of_several(tmp_path, citrus_path, capsys):
    whereabouts = {}
    for phrase in ("the orange on the left", "orange on the right"):
        assert (
            run(
                "cutout",
                citrus_path,
                "--text",
                phrase,
                "--crop",
                "--edges",
                "hard",
                "--json",
                "--out",
                tmp_path / "a.png",
            )
            == 0
        )
        record = json.loads(capsys.readouterr().out)
        assert len(record["masks"]) == 1
        whereabouts[phrase] = record["masks"][0]["box"][0]
    assert whereabouts["the orange on the left"] + 400 < whereabouts["orange on the right"]


@pytest.mark.parametrize("kind", ["0 and 255", "0 and 1", "hole", "numbers"])
def test_masks_from_a_file_need_no_model(coffee_path, tmp_path, monkeypatch, kind):
    mask = np.zeros((400, 600), np.uint8)
    mask[100:200, 50:150] = 255
    hole = np.dstack([np.full((400, 600, 3), 255, np.uint8), 255 - mask])
    numbers = np.where(np.arange(600) < 100, mask // 255, mask // 255 * np.uint16(300))
    files = {"0 and 255": mask, "0 and 1": mask // 255, "hole": hole, "numbers": numbers}
    PIL.Image.fromarray(files[kind]).save(tmp_path / "mask.png")

    def no_model(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("anymask.prediction.segmenter.load", no_model)
    out = tmp_path / "cut.png"
    assert run("cutout", coffee_path, "--mask", tmp_path / "mask.png", "--edges", "hard", "--out", out) == 0
    assert np.array_equal(pixels(out)[..., 3], mask)
    out = tmp_path / "painted.png"
    assert run("inpaint", coffee_path, "--mask", tmp_path / "mask.png", "--grow", 0, "--feather", 0, "--out", out) == 0
    changed = (pixels(out) != pixels(coffee_path)).any(axis=2)
    assert changed[100:200, 50:150].mean() > 0.9
    assert not changed[mask == 0].any()


def test_a_mask_of_another_size_is_refused(coffee_path, tmp_path, capsys):
    PIL.Image.new("L", (451, 300), 255).save(tmp_path / "mask.png")
    assert run("cutout", coffee_path, "--mask", tmp_path / "mask.png", "--out", tmp_path / "out.png") == 2
    assert "(451, 300)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{photo}", "--objects", "per_point"], "--point"),
        (["{photo}", "--point", "1,1", "--out", "{out}/a.jpg"], "transparency"),
        (["{photo}", "--point", "1,1", "--out", "{out}/a.psd"], ".png"),
        (["{photo}", "--point", "1,1", "--background", "nocolor"], "nocolor"),
        (["{photo}", "--point", "1,1", "--background", "none.jpg"], "no such file"),
        (["{photo}", "--point", "1,1", "--blur", "5", "--background", "red"], "--blur"),
        (["{photo}", "--point", "1,1", "--band", "7"], "IN,OUT"),
        (["{photo}", "--point", "1,1", "--margin", "wide"], "--margin"),
        (["{photo}", "--point", "1,1", "--outline", "0"], "outline"),
        (["{photo}", "--point", "1,1", "--shadow-offset", "5"], "--shadow-offset"),
        (["{photo}", "--point", "1,1", "--mask", "{photo}"], "--mask"),
        (["{photo}", "--mask", "{out}/none.png"], "none.png"),
        (["{photo}", "--mask", "{other}"], "several colours"),
        (["{photo}", "--point", "900,900"], "900"),
    ],
)
def test_bad_cutouts_are_one_line_and_exit_code_2(coffee_path, chelsea_path, tmp_path, capsys, arguments, message):
    places = {"photo": coffee_path, "other": chelsea_path, "out": tmp_path / "out"}
    arguments = [argument.format(**places) for argument in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "out" / "a.png")]
    assert run("cutout", *arguments) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
    assert not (tmp_path / "out").exists()


def test_text_without_detections_is_reported_and_nothing_is_written(coffee_path, tmp_path, capsys):
    assert run("cutout", coffee_path, "--text", "elephant", "--out", tmp_path / "a.png") == 1
    assert "elephant" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- inpaint


@pytest.mark.parametrize("method", [["telea"], ["ns", "--radius", "3"], ["onnx"]])
@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_outside_the_hole_every_byte_stays(coffee_path, tmp_path, capsys, method, ending):
    from tests.support.small_inpainters import lama_like

    model = ["--model", lama_like(tmp_path / "lama.onnx")] if method == ["onnx"] else []
    out = tmp_path / f"without{ending}"
    assert run("inpaint", coffee_path, "--box", SPOON, "--method", *method, *model, "--json", "--out", out) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["inpainted"]["exact"] is True
    x0, y0, x1, y1 = record["inpainted"]["hole"]
    before, after = open_image(coffee_path).pixels, pixels(out)
    outside = np.ones(before.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(before[outside], after[outside])
    # Also within the box, further from the mask than growth and feather reach.
    from anymask.editing.inpaint_mask import make_inpaint_mask
    from anymask.structures.mask import Mask

    hole = make_inpaint_mask(Mask.from_rle(record["masks"][0]["rle"]).array)
    untouched = hole.inside((0, 0, 600, 400)) == 0
    assert untouched[y0:y1, x0:x1].sum() > 5000
    assert np.array_equal(before[untouched], after[untouched])
    assert (before[~untouched] != after[~untouched]).any()


def test_a_warning_says_that_jpeg_changes_every_pixel(coffee_path, tmp_path, capsys):
    assert run("inpaint", coffee_path, "--box", SPOON, "--out", tmp_path / "without.jpg") == 0
    assert ".png keeps them byte for byte" in capsys.readouterr().out
    before, after = open_image(coffee_path).pixels.astype(int), pixels(tmp_path / "without.jpg").astype(int)
    assert not np.array_equal(before[:, 450:], after[:, 450:])
    assert np.abs(before[:, 450:] - after[:, 450:]).mean() < 3


def test_a_large_hole_is_named_before_it_is_filled_and_the_pair_is_offered(coffee_path, tmp_path, capsys):
    assert run("inpaint", coffee_path, "--box", SPOON, "--out", tmp_path / "a.png") == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if "only suits small holes" in line]
    assert "--pair DIR" in line
    stroke = np.zeros((400, 600), np.uint8)
    stroke[200:203, 50:500] = 255
    PIL.Image.fromarray(stroke).save(tmp_path / "scratch.png")
    assert run("inpaint", coffee_path, "--mask", tmp_path / "scratch.png", "--out", tmp_path / "b.png") == 0
    assert capsys.readouterr().err == ""


def test_keep_repaints_all_but_the_object(coffee_path, tmp_path, capsys):
    out = tmp_path / "kept.png"
    assert run("inpaint", coffee_path, "--point", CUP, "--keep", "--json", "--out", out) == 0
    from anymask.structures.mask import Mask

    mask = Mask.from_rle(json.loads(capsys.readouterr().out)["masks"][0]["rle"]).array
    import cv2

    core = cv2.erode(mask.view(np.uint8), np.ones((9, 9), np.uint8)) > 0
    before, after = open_image(coffee_path).pixels, pixels(out)
    assert np.array_equal(before[core], after[core])
    assert (before[~mask] != after[~mask]).any(axis=1).mean() > 0.5


def test_a_pair_goes_out_and_comes_back(coffee_path, tmp_path, capsys):
    folder = tmp_path / "pair"
    assert run("inpaint", coffee_path, "--box", SPOON, "--shadow", "10%", "--pair", folder) == 0
    assert "--paste-back" in capsys.readouterr().out
    with PIL.Image.open(folder / "image.png") as image:
        green = PIL.Image.new("RGB", (image.width * 2, image.height * 2), (0, 200, 0))
    green.save(tmp_path / "painted.png")
    assert run("inpaint", "--paste-back", folder, tmp_path / "painted.png", "--out", tmp_path / "done.png") == 0
    before, after = open_image(coffee_path).pixels, pixels(tmp_path / "done.png")
    weights = read_pair(folder).hole.inside((0, 0, 600, 400))
    assert np.array_equal(before[weights == 0], after[weights == 0])
    assert (after[weights == 1] == (0, 200, 0)).all()
    assert (weights == 1).sum() > 2000


def test_paste_back_says_how_to_give_an_image_that_has_moved(coffee_path, chelsea_path, tmp_path, capsys):
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(coffee_path.read_bytes())
    assert run("inpaint", copy, "--box", SPOON, "--pair", tmp_path / "pair", "--quiet") == 0
    copy.unlink()
    back = ["--paste-back", tmp_path / "pair", tmp_path / "pair" / "image.png", "--out", tmp_path / "a.png"]
    assert run("inpaint", *back) == 2
    assert "give the image" in capsys.readouterr().err
    assert run("inpaint", chelsea_path, *back) == 2
    assert "not the image" in capsys.readouterr().err
    assert run("inpaint", coffee_path, *back, "--json") == 0
    assert json.loads(capsys.readouterr().out)["inpainted"]["exact"]
    assert np.array_equal(pixels(tmp_path / "a.png"), open_image(coffee_path).pixels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--point", CUP], "--point does not go with"),
        (["--method", "telea"], "--method does not go with"),
        (["--pair", "elsewhere"], "--pair does not go with"),
        (["--out", "a.gif"], ".png"),
    ],
)
def test_paste_back_does_not_go_with_finding_or_painting(coffee_path, tmp_path, capsys, arguments, message):
    pair = tmp_path / "pair"
    assert run("inpaint", coffee_path, "--box", SPOON, "--pair", pair, "--quiet") == 0
    assert run("inpaint", "--paste-back", pair, pair / "image.png", *arguments) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors


def test_inpaint_without_an_image_is_a_usage_error(capsys):
    assert run("inpaint", "--point", CUP) == 2
    assert "IMAGE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "onnx"], "--model"),
        (["--method", "onnx", "--model", "none.onnx"], "none.onnx"),
        (["--method", "diffusers"], "--model"),
        (["--prompt", "a cat"], "--method diffusers"),
        (["--white", "keep"], "--method onnx"),
        (["--grow", "-3"], "--grow"),
        (["--grow", "much"], "--grow"),
        (["--pair", "{out}", "--out", "{out}/a.png"], "--out"),
        (["--pair", "{out}", "--seed", "1"], "paints nothing"),
        (["--out", "{out}/a.gif"], ".png"),
        (["--model", "sam-vit-x"], "sam-vit-x"),
        (["--model", "sam-vit-b", "--segmenter", "mobile-sam"], "--segmenter"),
    ],
)
def test_bad_inpainting_is_one_line_and_exit_code_2(coffee_path, tmp_path, capsys, arguments, message):
    arguments = [argument.format(out=tmp_path / "out") for argument in arguments]
    if "--out" not in arguments and "--pair" not in arguments:
        arguments += ["--out", str(tmp_path / "out" / "a.png")]
    assert run("inpaint", coffee_path, "--point", CUP, *arguments) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
    assert not (tmp_path / "out").exists()
