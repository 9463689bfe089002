"""J&F of tracking beside simpler ways: `python -m benchmarks.tracking [--davis FOLDER] [--model NAME] [--json]`.

Without a folder, on the drawn sequences of `benchmarks.tracking.sequences`. A folder has the layout of DAVIS 2017:
JPEGImages/480p/NAME/*.jpg and Annotations/480p/NAME/*.png.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

import anymask
from anymask.structures.mask_image import read_labels
from anymask.tracking.measures import mean_score, score_sequence
from benchmarks.tracking.methods import METHODS
from benchmarks.tracking.sequences import Sequence, sequences

LEAST_PIXELS = 30
"""An object with fewer pixels in the ground truth counts as hidden."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    parser.add_argument("--davis", type=Path, metavar="FOLDER", help="Sequences in the layout of DAVIS 2017.")
    parser.add_argument("--model", default="mobile-sam")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--methods", default=",".join(METHODS), help="With commas between; all if left out.")
    parser.add_argument("--only", default="", help="Names of sequences, with commas between.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    chosen = [name for name in arguments.only.split(",") if name]
    every = davis(arguments.davis) if arguments.davis else sequences()
    segmenter = remembering(anymask.load(arguments.model, precision=arguments.precision, store=False))
    results = measure(segmenter, (each for each in every if not chosen or each.name in chosen), names)
    if arguments.json:
        print(json.dumps(results, indent=1))
    else:
        print(table(results))


def davis(folder: Path) -> Iterator[Sequence]:
    """The sequences of a folder, one in memory at a time."""
    images, annotations = folder / "JPEGImages" / "480p", folder / "Annotations" / "480p"
    for home in sorted(each for each in images.iterdir() if each.is_dir()):
        files = sorted(home.glob("*.jpg"))
        frames = [np.asarray(PIL.Image.open(file).convert("RGB")) for file in files]
        yield Sequence(home.name, frames, [read_labels(annotations / home.name / f"{file.stem}.png") for file in files])


def remembering(segmenter: anymask.Segmenter) -> anymask.Segmenter:
    """A segmenter that encodes each frame once for all methods."""
    network: Any = segmenter.network
    encode, known = network.encode, {}

    def remember(pixels: Any) -> Any:
        key = pixels.tobytes()
        if key not in known:
            if len(known) >= 200:
                known.clear()
            known[key] = encode(pixels)
        return known[key]

    network.encode = remember
    return segmenter


def measure(segmenter: anymask.Segmenter, every: Iterable[Sequence], names: list[str]) -> dict[str, Any]:
    """For each method its means, those of each sequence, and how often "lost" was right."""
    scores: dict[str, list[Any]] = {name: [] for name in names}
    states: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in names}
    by_sequence: dict[str, dict[str, float]] = {}
    for sequence in every:
        for name in names:
            found = METHODS[name](segmenter, sequence.frames, sequence.truth[0])
            own = score_sequence(found, sequence.truth)
            scores[name].append(own)
            by_sequence.setdefault(sequence.name, {})[name] = mean_score([own]).mean
            states[name] = [a + b for a, b in zip(states[name], counted(found, sequence.truth), strict=True)]
    return {
        "by sequence": by_sequence,
        "methods": {name: summary(scores[name], states[name]) for name in names},
    }


def counted(found: list[Any], truth: list[Any]) -> tuple[int, int, int, int]:
    """Objects in frames but the first: hidden, of those without a mask; visible again after that, of those found."""
    hidden = empty = again = back = 0
    for number in (int(each) for each in np.unique(truth[0]) if each):
        was_hidden = False
        for own, true in zip(found[1:], truth[1:], strict=True):
            mask, right = own == number, true == number
            if right.sum() < LEAST_PIXELS:
                was_hidden, hidden, empty = True, hidden + 1, empty + (not mask.any())
            elif was_hidden:
                again += 1
                back += (mask & right).sum() > 0.5 * (mask | right).sum()
    return hidden, empty, again, back


def summary(scores: list[Any], states: list[int]) -> dict[str, Any]:
    mean = mean_score(scores)
    hidden, empty, again, back = (int(each) for each in states)
    return {
        "J&F": mean.mean, "J": mean.region.mean, "F": mean.boundary.mean, "J recall": mean.region.recall,
        "J decay": mean.region.decay, "objects": mean.objects, "hidden": hidden, "hidden without a mask": empty,
        "visible again": again, "visible again and found": back,
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    lines = ["| method | J&F | J | F | hidden: no mask | visible again: found |", "|---|---|---|---|---|---|"]
    for name, each in results["methods"].items():
        numbers = " | ".join(f"{100 * each[key]:.1f}" for key in ("J&F", "J", "F"))
        lines.append(
            f"| {name} | {numbers} | {each['hidden without a mask']} of {each['hidden']} "
            f"| {each['visible again and found']} of {each['visible again']} |"
        )
    names = list(results["methods"])
    lines += ["", f"| J&F by sequence | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for sequence, own in results["by sequence"].items():
        lines.append(f"| {sequence} | {' | '.join(f'{100 * own[name]:.1f}' for name in names)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
