"""A labelling job for the browser application: images of plain shapes, and hands whose acts are counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from tests.support.browser_application import Application

CLASSES = ("disc", "square", "triangle")
SIZE = (360, 240)
_COLOURS = {"disc": (215, 40, 40), "square": (40, 90, 220), "triangle": (240, 220, 40)}
_PLACES = ((70, 70), (180, 150), (290, 80))


@dataclass(frozen=True)
class Shape:
    """An object of an image: its class, and a pixel in its middle."""

    label: str
    place: tuple[int, int]


def make_images(folder: Path, count: int) -> dict[str, list[Shape]]:
    """Write images with one shape of each class; by name of the file, what is in it."""
    rng = np.random.default_rng(26)
    made = {}
    for number in range(count):
        pixels = np.full((SIZE[1], SIZE[0], 3), (150, 160, 150), np.uint8)
        pixels += rng.integers(0, 12, pixels.shape, np.uint8)
        shapes = []
        for label, (x, y) in zip(rng.permutation(CLASSES), _PLACES, strict=True):
            shape = Shape(str(label), (x + int(rng.integers(-12, 13)), y + int(rng.integers(-12, 13))))
            _draw(pixels, shape, int(rng.integers(30, 38)))
            shapes.append(shape)
        name = f"image_{number:02}.png"
        PIL.Image.fromarray(pixels).save(folder / name)
        made[name] = shapes
    return made


def _draw(pixels: np.ndarray, shape: Shape, reach: int) -> None:
    (x, y), colour = shape.place, _COLOURS[shape.label]
    if shape.label == "disc":
        cv2.circle(pixels, (x, y), reach, colour, -1, cv2.LINE_AA)
    elif shape.label == "square":
        cv2.rectangle(pixels, (x - reach, y - reach), (x + reach, y + reach), colour, -1)
    else:
        corners = np.array([(x, y - reach), (x - reach, y + reach), (x + reach, y + reach)], np.int32)
        cv2.fillPoly(pixels, [corners], colour, cv2.LINE_AA)


class Hands:
    """Clicks and keys on the application, counted."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.acts = 0

    def click(self, place: tuple[int, int]) -> None:
        self.acts += 1
        self.app.click(place)

    def press(self, key: str) -> None:
        self.acts += 1
        self.app.page.keyboard.press(key)


def open_as_project(app: Application, folder: Path) -> None:
    """Pick all files of a folder, which makes a project, and wait for its first image."""
    app.page.set_input_files("#file", sorted(folder.iterdir()))
    app.wait_until("window.anymask.app.image && document.getElementById('progress').hidden", 120)
    app.wait_until("window.anymask.projectPage.project.session.writable")


def add_classes(app: Application, *names: str) -> None:
    for index, name in enumerate(names):
        app.page.fill("#new-class", name)
        app.page.keyboard.press("Enter")
        app.wait_until(f"document.querySelectorAll('#class-chips [aria-pressed]').length === {index + 1}")


def wait_until_saved(app: Application, seconds: float = 60) -> None:
    app.wait_until("!window.anymask.app.saving && document.getElementById('saved').textContent === 'Saved'", seconds)


def wait_for_image_named(app: Application, name: str) -> None:
    app.wait_until(
        f"window.anymask?.app.image?.name === '{name}' && document.getElementById('progress').hidden"
        f" && window.anymask.projectPage.project.session.writable",
        60,
    )
