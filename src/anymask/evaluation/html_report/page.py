"""The report of an evaluation as one HTML page, without any other file: figures, distributions, the worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from anymask.errors import quantity
from anymask.evaluation.compare import Interval
from anymask.evaluation.html_report.charts import lines, pairs
from anymask.evaluation.html_report.images import MASK, TRUTH, render_object
from anymask.evaluation.protocols import Row, measured_objects
from anymask.evaluation.report import Evaluation, cell
from anymask.evaluation.summary import lower_is_better
from anymask.io.atomic import write_file
from anymask.io.image import Image
from anymask.structures.image_options import ImageOptions

WORST, CHANGED = 12, 6
"""Number of cases."""
_CHANGE = 0.01
"""Difference in IoU from which a case counts as changed."""

_PROTOCOL_TEXT = {
    "clicks": "clicks, each in the middle of the largest error",
    "boxes": "tight and jittered boxes",
    "instances": "one click on each object of an image, all at once",
    "alternatives": "one click, and up to six masks that it may mean",
    "everything": "everything mode, no prompt",
    "text": "the categories as text",
}
_PRIMARY = {
    "clicks": "IoU of the first click",
    "boxes": "IoU of the tight box",
    "instances": "IoU of the mask of the object's click",
    "alternatives": "IoU of the best of the first three alternatives",
    "everything": "IoU of the best mask for the object",
    "text": "IoU of the best mask of its category for the object",
}


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Write the report.

    Raises:
        InputError: a path that cannot be written, or an image that can no longer be read.
    """
    write_file(path, page(evaluation).encode("utf-8"))


def page(evaluation: Evaluation) -> str:
    """The report."""
    template = Template(resources.files("anymask.evaluation.html_report").joinpath("page.html").read_text("utf-8"))
    figures = evaluation.figures[0]
    names = [f'<span class="key k{number}">{escape(name)}</span>' for number, name in enumerate(evaluation.headings)]
    return template.substitute(
        title=escape(f"{evaluation.dataset.resolve().name}: {evaluation.protocol}"),
        about=escape(
            f"{quantity(int(figures['images']), 'image')}, {quantity(int(figures['objects']), 'object')}; "
            f"{_PROTOCOL_TEXT[evaluation.protocol]}."
        ),
        verdict=_verdict(evaluation),
        table=_table(evaluation),
        keys=" &ensp; ".join(names),
        charts="".join(f"<figure>{chart}</figure>" for chart in _charts(evaluation)),
        cases=_cases(evaluation),
        settings="".join(
            f"<dt>{escape(name)}</dt><dd>{escape(str(variant.setting))}</dd>"
            for name, variant in zip(evaluation.headings, evaluation.variants, strict=True)
        ),
    )


def _verdict(evaluation: Evaluation) -> str:
    """The comparison in a sentence."""
    if not evaluation.differences:
        return ""
    first = evaluation.differences[0]
    one, other = (f"<b>{escape(name)}</b>" for name in evaluation.headings)
    return f"<p>{escape(first.name[0].upper() + first.name[1:])}: {one} against {other}: {_mark(first)}.</p>"


def _mark(difference: Interval) -> str:
    kind = {"better": "good", "worse": "bad"}.get(difference.text.split()[0], "")
    return f'<span class="{kind}">{escape(difference.text)}</span>'


def _table(evaluation: Evaluation) -> str:
    differences = {each.name: _mark(each) for each in evaluation.differences}
    spans = [{each.name: f"{each.low:.3f} – {each.high:.3f}" for each in own} for own in evaluation.intervals]
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("figure", *evaluation.headings))
    heads += '<th class="text">difference</th>' if differences else ""
    rows = []
    for name in evaluation.names:
        cells = "".join(
            f"<td>{cell(own.get(name))}" + (f"<br><small>{span[name]}</small>" if name in span else "") + "</td>"
            for own, span in zip(evaluation.figures, spans, strict=True)
        )
        arrow = " <small>lower is better</small>" if lower_is_better(name) else ""
        text = f'<td class="text">{differences.get(name, "")}</td>' if differences else ""
        rows.append(f"<tr><td>{escape(name)}{arrow}</td>{cells}{text}</tr>")
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _primary(row: Row) -> float:
    return float(row["iou"][0] if isinstance(row["iou"], list) else row["iou"])


def _charts(evaluation: Evaluation) -> list[str]:
    rows = [[row for result in each.results.values() for row in result.rows] for each in evaluation.variants]
    series = list(zip(evaluation.headings, rows, strict=True))
    ticks = (0, 0.25, 0.5, 0.75, 1)
    shares = [(name, _share_above([_primary(row) for row in own])) for name, own in series]
    charts = [lines(shares, _PRIMARY[evaluation.protocol], "share of objects at least as good", ticks)]
    if evaluation.protocol == "clicks" and evaluation.clicks > 1:
        steps = range(1, evaluation.clicks + 1)
        means = [(name, [(n, _mean_after(own, n)) for n in steps]) for name, own in series]
        every = max(1, -(-evaluation.clicks // 10))
        marks = sorted({1, evaluation.clicks, *range(every, evaluation.clicks + 1, every)})
        charts.append(lines(means, "clicks", "mean IoU", marks))
    if len(rows) == 2:
        dots = [(_primary(other), _primary(own)) for own, other in zip(*rows, strict=True)]
        charts.append(pairs(dots, evaluation.headings[1], evaluation.headings[0]))
    return charts


def _share_above(ious: Sequence[float]) -> list[tuple[float, float]]:
    """How many objects are at least as good, at every IoU that occurs; at most 400 of them."""
    ordered = np.sort(ious)
    shares = 1 - np.arange(len(ordered)) / len(ordered)
    chosen = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), 400)).astype(int))
    return [(0.0, 1.0), *((float(ordered[i]), float(shares[i])) for i in chosen), (float(ordered[-1]), 0.0)]


def _mean_after(rows: Sequence[Row], clicks: int) -> float:
    return float(np.mean([row["iou"][min(clicks, len(row["iou"])) - 1] for row in rows]))


Case = tuple[str, int]
"""Name of the image, and the index of the object among its rows."""


def _cases(evaluation: Evaluation) -> str:
    """The objects with the lowest IoU, and those with the largest difference between two settings."""
    results = [each.results for each in evaluation.variants]
    all_cases = [(image, index) for image in results[0] for index in range(len(results[0][image].rows))]

    def row(which: int, case: Case) -> Row:
        return results[which][case[0]].rows[case[1]]

    def figures(cases: Sequence[Case], which: Sequence[int]) -> str:
        html = "".join(_figure(evaluation, case, [row(i, case) for i in which]) for case in cases)
        return f'<div class="cases">{html}</div>'

    worst = sorted(all_cases, key=lambda case: _primary(row(0, case)))[:WORST]
    legend = f"{_chip(TRUTH)}outline of the ground truth &ensp; {_chip(MASK)}mask"
    prompts = dict.fromkeys(("clicks", "instances", "alternatives"), "★ click") | {"boxes": "box prompt"}
    legend += f" &ensp; {prompts[evaluation.protocol]}" if evaluation.protocol in prompts else ""
    parts = [f"<h2>Worst cases</h2><p>{legend}</p>", figures(worst, [0])]
    if len(results) == 2:

        def gain(case: Case) -> float:
            return _primary(row(0, case)) - _primary(row(1, case))

        order = sorted(all_cases, key=gain)
        one, other = (escape(name) for name in evaluation.headings)
        for title, cases in (
            (f"Where {one} loses most", [case for case in order[:CHANGED] if gain(case) < -_CHANGE]),
            (f"Where {one} gains most", [case for case in order[::-1][:CHANGED] if gain(case) > _CHANGE]),
        ):
            note = f"<p>Left {other}, right {one}.</p>" if cases else "<p>Nowhere.</p>"
            parts += [f"<h2>{title}</h2>{note}", figures(cases, [1, 0])]
    return "".join(parts)


def _chip(color: tuple[int, int, int]) -> str:
    return f'<span class="chip" style="background:rgb{color}"></span>'


def _figure(evaluation: Evaluation, case: Case, rows: Sequence[Row]) -> str:
    """One object, with one mask or two."""
    image = _by_name(evaluation)[case[0]]
    pixels = _open_image(image.path, image.opening).pixels
    objects = measured_objects(image, evaluation.protocol, evaluation.categories)
    truth = next(each for index, each in enumerate(objects) if index == case[1])
    ious = " → ".join(f"{_primary(row):.3f}" for row in rows)
    alt = f"{truth.name} of {case[0]}: IoU {ious}"
    images = "".join(f'<img alt="{escape(alt, quote=True)}" src="{render_object(pixels, truth, row)}">' for row in rows)
    label = f", {escape(truth.label)}" if truth.label else ""
    caption = f"<b>IoU {ious}</b>{label}<br>{escape(case[0])}, {escape(truth.name)}"
    kind = ' class="two"' if len(rows) == 2 else ""
    return f"<figure{kind}><div>{images}</div><figcaption>{caption}</figcaption></figure>"


def _by_name(evaluation: Evaluation) -> dict[str, Any]:
    return {each.name: each for each in evaluation.images}


@lru_cache(maxsize=4)  # several cases are often of one image
def _open_image(path: Path, opening: ImageOptions) -> Image:
    return opening.open(path)
