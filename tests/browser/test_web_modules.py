"""The browser's own arithmetic, against pycocotools and the library."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from anymask.structures.brush import stroke
from anymask.structures.mask import Mask
from anymask.structures.small_regions import remove_holes_and_islands
from tests.support.browser_application import Application

pytestmark = pytest.mark.browser


def _masks() -> list[NDArray[np.bool_]]:
    """Noise of every density, full, empty, borders, one pixel, long runs."""
    rng = np.random.default_rng(7)
    made = [
        rng.random((h, w)) < p for h, w, p in [(7, 5, 0.5), (1, 9, 0.4), (9, 1, 0.4), (40, 60, 0.02), (40, 60, 0.98)]
    ]
    made += [np.zeros((6, 8), bool), np.ones((6, 8), bool), np.zeros((1, 1), bool), np.ones((1, 1), bool)]
    for rows, columns in [(slice(0, 3), slice(None)), (slice(None), slice(0, 2)), (slice(4, 6), slice(6, 8))]:
        edge = np.zeros((6, 8), bool)
        edge[rows, columns] = True
        made.append(edge)
    y, x = np.ogrid[:700, :900]
    made.append((x - 450) ** 2 + (y - 350) ** 2 < 300**2)
    made += [rng.random(rng.integers(1, 30, 2)) < rng.random() for _ in range(60)]
    return made


def _rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def test_run_lengths_are_those_of_pycocotools_both_ways(empty: Application) -> None:
    masks = _masks()
    script = """async (rles) => {
      const { fromRle, toRle, tighten } = await import('/js/core/bitmap.js');
      return rles.map((rle) => {
        const bitmap = fromRle(rle), { x, y, columns, rows, area } = bitmap;
        return { back: toRle(bitmap), box: [x, y, x + columns, y + rows], area,
                 tight: tighten(bitmap).area, data: [...bitmap.data].join('') };
      });
    }"""
    for mask, seen in zip(masks, empty.page.evaluate(script, [_rle(each) for each in masks]), strict=True):
        assert seen["back"] == _rle(mask)
        assert seen["area"] == seen["tight"] == mask.sum()
        if mask.any():
            x0, y0, x1, y1 = seen["box"]
            assert [x0, y0, x1, y1] == Mask.from_array(mask).box
            assert seen["data"] == "".join(mask[y0:y1, x0:x1].astype(np.uint8).astype(str).ravel())


def test_strokes_cover_the_pixels_that_the_library_paints(empty: Application) -> None:
    rng = np.random.default_rng(11)
    cases = []
    for size in (1, 2, 3, 5, 8, 12, 26):
        for value in (True, False):
            path = rng.integers(-6, 46, (rng.integers(1, 6), 2)).tolist()
            cases.append({"path": path, "size": size, "value": value, "mask": rng.random((40, 40)) < 0.5})
    script = """async (cases) => {
      const { fromRle, toRle } = await import('/js/core/bitmap.js');
      const { paintStroke } = await import('/js/core/brush.js');
      return cases.map(({ rle, path, size, value }) => toRle(paintStroke(fromRle(rle), path, size, value ? 1 : 0)));
    }"""
    sent = [{**{k: case[k] for k in ("path", "size", "value")}, "rle": _rle(case["mask"])} for case in cases]
    for case, seen in zip(cases, empty.page.evaluate(script, sent), strict=True):
        assert seen == _rle(stroke(case["mask"], case["path"], case["size"], case["value"])), case


def test_holes_and_islands_are_cleaned_as_the_library_does(empty: Application) -> None:
    masks = [mask for mask in _masks() if mask.any()]
    sizes = [(3, 0), (0, 3), (5, 5), (10_000_000, 0), (0, 10_000_000)]
    script = """async ({ rles, sizes }) => {
      const { fromRle, toRle } = await import('/js/core/bitmap.js');
      const { removeSmallRegions } = await import('/js/core/small_regions.js');
      const sum = (areas) => areas.reduce((a, b) => a + b, 0);
      return rles.map((rle) => sizes.map(([holes, islands]) => {
        const { bitmap, filled, dropped } = removeSmallRegions(fromRle(rle), holes, islands);
        return { rle: toRle(bitmap), area: bitmap.area, filled: [filled.length, sum(filled)],
                 dropped: [dropped.length, sum(dropped)] };
      }));
    }"""
    results = empty.page.evaluate(script, {"rles": [_rle(each) for each in masks], "sizes": sizes})
    for mask, result in zip(masks, results, strict=True):
        for (holes, islands), seen in zip(sizes, result, strict=True):
            expected, done = remove_holes_and_islands(mask, holes, islands)
            assert seen["area"] == expected.sum()
            said = [f"{n} {word}" for word, (n, _) in (("hole", seen["filled"]), ("island", seen["dropped"])) if n]
            assert [" ".join(line.split()[1:3]).removesuffix("s,").removesuffix(",") for line in done] == said
            if islands < 10_000_000:  # which of several equally large islands stays is the library's own affair
                assert seen["rle"] == _rle(expected)


def test_undo_and_redo_lead_through_every_state_and_back(empty: Application) -> None:
    script = """async () => {
      const { reduce, start } = await import('/js/core/state.js');
      const point = { kind: 'point', x: 1, y: 2, label: 1, candidate: null };
      const actions = [
        { type: 'step', step: point }, { type: 'pick', pick: { alternative: 2 } },
        { type: 'step', step: { ...point, label: 0 } },
        { type: 'moveStep', index: 0, x: 5, y: 6 }, { type: 'edit', edit: { kind: 'brush', path: [[1, 1]], size: 3 } },
        { type: 'rename', id: 1, name: 'cup' }, { type: 'accept' },
        { type: 'add', objects: [{ name: 'a', steps: [point] }, { name: 'b', steps: [point] }] },
        { type: 'move', id: 3, by: -2 }, { type: 'recolour', id: 2, colour: 5 },
        { type: 'show', id: 2, visible: false },
        { type: 'open', id: 2 }, { type: 'removeStep', index: 0 }, { type: 'open', id: 1 },
        { type: 'removeEdit', index: 0 },
        { type: 'clear' }, { type: 'remove', id: 3 }, { type: 'open', id: 1 },
        { type: 'split', objects: [{ steps: [point] }, { steps: [point] }] }, { type: 'removeAll' },
      ];
      let history = start();
      const states = [history.present];
      for (const action of actions) states.push((history = reduce(history, action)).present);
      const back = [], forth = [];
      for (const _ of actions) back.push((history = reduce(history, { type: 'undo' })).present);
      const end = reduce(history, { type: 'undo' }) === history;
      for (const _ of actions) forth.push((history = reduce(history, { type: 'redo' })).present);
      return { states, back, forth, end };
    }"""
    seen = empty.page.evaluate(script)
    states = seen["states"]
    assert all(before != after for before, after in itertools.pairwise(states))
    assert seen["back"] == states[:-1][::-1]
    assert seen["forth"] == states[1:]
    assert seen["end"]
    reopened = states[12]
    assert next(each for each in reopened["objects"] if each["id"] == 2)["visible"], "an opened object is in sight"
    assert states[16]["objects"][1]["edits"], "clearing a re-opened object brings back what it was"


def test_the_viewport_keeps_the_place_under_the_cursor(empty: Application) -> None:
    script = """async () => {
      const { fit, zoom, pan, toImage, toScreen } = await import('/js/core/viewport.js');
      const image = { width: 4000, height: 3000 }, stage = { width: 800, height: 500 }, at = { x: 333, y: 222 };
      let view = fit(image, stage);
      const before = toImage(view, at);
      for (let n = 0; n < 30; n++) view = zoom(view, 1.3, at, image, stage);
      const after = toImage(view, at), most = view.scale;
      for (let n = 0; n < 60; n++) view = zoom(view, 0.7, at, image, stage);
      const least = view.scale;
      view = pan(view, 1e6, 1e6, image, stage);
      return { before, after, most, least, corner: toScreen(view, { x: 0, y: 0 }) };
    }"""
    seen = empty.page.evaluate(script)
    assert seen["after"] == pytest.approx(seen["before"], abs=1e-6)
    assert seen["most"] == 64
    assert 0.02 < seen["least"] < 0.1
    assert seen["corner"]["x"] <= 800 - 48
