"""Make the images of these pages from the example photographs: make pictures.

Not made here: those of the browser application (see make_browser_pictures.py), images/assistant.jpg and images/cvat.jpg
(see make_tool_pictures.py), and windows of programs, such as images/x-anylabeling.jpg.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import av
import dataflow
import numpy as np
import PIL.Image

import anymask
from anymask import cli
from anymask.editing.cutout import Blur, Cutout
from anymask.editing.effects import Outline
from anymask.editing.inpaint_mask import Sizes, make_crop
from anymask.editing.inpainting import crop_image, crop_mask
from anymask.visualization.animation import click_frames, save_animation
from anymask.visualization.contact_sheet import row
from anymask.visualization.panels import binary, candidates_row, levels

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT.parent))
from benchmarks.tracking.sequences import BLUE, background, toy, wall  # noqa: E402

PHOTOS, OUT = ROOT.parent / "examples" / "photos", ROOT / "images"
CUP = {"points": [(300, 230)]}


def on_squares(cutout: Cutout) -> PIL.Image.Image:
    """Show transparency as image editors do."""
    height, width = cutout.pixels.shape[:2]
    y, x = np.indices((height, width)) // 10
    squares = PIL.Image.fromarray(np.where((x + y) % 2, 205, 240).astype(np.uint8)).convert("RGB")
    squares.paste(cutout.image, (0, 0), cutout.image)
    return squares


def save(image: PIL.Image.Image, name: str) -> None:
    image.save(OUT / name, quality=88)


def cut_outs(coffee: anymask.EncodedImage, cat: anymask.EncodedImage, fruits: anymask.EncodedImage) -> None:
    """Four styles of cut-outs."""
    cup, face = coffee.segment(**CUP), cat.segment(points=[(220, 100), (320, 230)])
    slice_ = fruits.segment(box=[192, 262, 628, 674])
    panels = [
        on_squares(anymask.cutout(cat.source, face, crop=True)),
        anymask.cutout(coffee.source, cup, background=Blur(9)).image,
        on_squares(anymask.cutout(fruits.source, slice_, crop=True, margin=12, shadow=True, outline=Outline(12))),
        anymask.cutout(coffee.source, cup, crop=True, margin=24, background=(246, 242, 236), shadow=True).image,
    ]
    save(
        row(panels, ["transparent", "--background blur", "--outline 3% --shadow", "--background … --shadow"], 240),
        "cutouts.jpg",
    )


def inpainting(coffee: anymask.EncodedImage) -> None:
    """The input of an inpainting model, and the result with OpenCV."""
    spoon = coffee.segment(box=[315, 65, 430, 330])
    done = anymask.inpaint(coffee.source, spoon)
    crop = make_crop(done.hole.box, coffee.size, Sizes(64), 40)
    mask = PIL.Image.fromarray(crop_mask(done.hole, crop).astype(np.uint8) * 255)
    pair = PIL.Image.fromarray(crop_image(coffee.source.pixels, crop))
    save(
        row([spoon.draw(), pair, mask, done.image], ["spoon", "image.png", "mask.png", "--method telea"], 260),
        "inpainting.jpg",
    )


def drawings(coffee: anymask.EncodedImage, fruits: anymask.EncodedImage) -> None:
    """The styles of `anymask draw`."""
    everything = fruits.everything(max_seconds=20)
    prompt = fruits.segment(points=[(340, 420)]).prompts[0]
    save(candidates_row(fruits.source, fruits.predict(points=[(340, 420)]), prompt, max_side=320), "candidates.jpg")
    save(levels(everything, max_panels=3, max_side=320), "levels.jpg")
    named = fruits.segment_text("orange", detector="coco-ssd")
    views = [named.draw(max_side=640), named.draw(max_side=640, opacity=0, boxes=False), binary(named[0], max_side=640)]
    save(row(views, ["--style overlay", "--style contour --no-boxes", "--style binary"], 250), "styles.jpg")
    frames, durations = click_frames(coffee, [(300, 300), (362, 285)], [1, 0], max_side=400)
    save_animation(OUT / "clicks.webp", frames, durations)


def prompts(coffee: anymask.EncodedImage, fruits: anymask.EncodedImage) -> None:
    """Three prompts, and the image of the first page."""
    results = {
        "--point": coffee.segment(points=[(300, 300)]),
        "--point --exclude-point": coffee.segment(points=[(300, 300), (362, 285)], labels=[1, 0]),
        "--box": fruits.segment(box=[192, 262, 628, 674]),
    }
    save(row([result.draw() for result in results.values()], list(results), 230), "prompts.jpg")
    both = [
        fruits.segment(points=[(750, 640)]),
        fruits.segment(boxes=[[192, 262, 628, 674], [880, 255, 1280, 670]]),
    ]
    save(row([result.draw(max_side=640) for result in both], height=330), "fruits.jpg")


def everything(fruits: anymask.EncodedImage) -> None:
    """All objects, and every pixel once."""
    result = fruits.everything(max_seconds=30)
    pieces = result.partition().masks()
    partition = anymask.MaskSet(pieces, image=fruits.source)
    save(
        row([result.draw(max_side=640), partition.draw(max_side=640)], ["everything", "--partition"], 330),
        "everything.jpg",
    )
    named = fruits.segment_text("orange", detector="coco-ssd")
    save(named.draw(max_side=640), "text.jpg")


def tracking() -> None:
    """Three frames of the overlay that `anymask track` writes: an object passes behind a pillar."""
    blue, scenes = toy(2, BLUE), []
    for x in np.linspace(60, 330, 8):
        scenes.append(background("coffee"))
        for layer in (blue.placed(float(x), 150, 0.8), wall(140, 120)):
            alpha = layer[..., 3:] / 255
            scenes[-1] = scenes[-1] * (1 - alpha) + layer[..., :3] * alpha
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "frames").mkdir()
        for index, scene in enumerate(scenes):
            PIL.Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8)).save(home / "frames" / f"{index}.png")
        cli.main(["track", str(home / "frames"), "--box", "26,115,94,187", "--out", str(home / "out"), "--quiet"])
        with av.open(str(home / "out" / "overlay.mp4")) as video:
            frames = [frame.to_image() for frame in video.decode(video=0)]
    shown = PIL.Image.fromarray(np.hstack([np.asarray(frames[index]) for index in (0, 4, 7)]))
    save(shown, "tracking.jpg")


def main() -> None:
    """Make all images."""
    tracking()
    segmenter = anymask.load(threads=2)
    coffee, cat, fruits = (segmenter.encode(PHOTOS / f"{name}.jpg") for name in ("coffee", "chelsea", "citrus"))
    cut_outs(coffee, cat, fruits)
    inpainting(coffee)
    drawings(coffee, fruits)
    prompts(coffee, fruits)
    everything(fruits)
    dataflow.main(OUT / "dataflow.svg")


if __name__ == "__main__":
    main()
