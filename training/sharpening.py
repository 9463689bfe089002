"""Measure how much a model of subjects sharpens the masks of boxes, and which band and agreement are best.

    python -m training.sharpening FOLDER… --allow LICENCES [--cache FILE] [--per-image N]

Each FOLDER is laid out as for `anymask evaluate`. Every object is segmented by its tight box, and its outline sharpened
with each pair of numbers. Printed are, for each folder, the mean IoU and boundary IoU without, with the pair that is
best on the other folders (so that no photograph was used for both), with the pair that is in the package, and those of
the model alone. `--cache` stores masks and maps, since making them takes most of the time.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask.evaluation import boundary_iou, load_dataset, mask_iou
from anymask.prediction.sharpening import OUTLINE_BAND, SUBJECT_AGREEMENT, sharpened
from anymask.prediction.subject_model import full_alpha
from anymask.structures.rle import decode, encode

BANDS = (0.003, 0.0045, 0.006, 0.01, 0.015)
AGREEMENTS = (0.6, 0.7, 0.8, 0.9)
Pair = tuple[float, float]
Figures = tuple[float, float, float]
"""IoU, boundary IoU, and whether the mask was sharpened."""


@dataclass(frozen=True, eq=False)
class BoxedObject:
    """One object.

    Attributes:
        mask: of its box, RLE.
        truth: RLE.
        ignored: RLE.
        subject_map: float32 [S, S] of the image.
    """

    mask: dict[str, Any]
    truth: dict[str, Any]
    ignored: dict[str, Any]
    subject_map: NDArray[np.float32]

    def measure(self, pairs: Sequence[Pair]) -> dict[Pair | str, Figures]:
        """Figures without sharpening, of the model alone, and with each pair."""
        mask, truth, ignored = (decode(each) for each in (self.mask, self.truth, self.ignored))
        alpha = full_alpha(self.subject_map, (mask.shape[1], mask.shape[0]))

        def figures(some: NDArray[np.bool_], changed: bool) -> Figures:
            return mask_iou(some, truth, ignored), boundary_iou(some, truth, ignored), float(changed)

        measured: dict[Pair | str, Figures] = {"box": figures(mask, False), "model alone": figures(alpha > 0.5, True)}
        for pair in pairs:
            new = sharpened(mask, alpha, *pair)
            measured[pair] = measured["box"] if new is None else figures(new[0], True)
        return measured


def objects_of(
    folder: Path, per_image: int, segmenter: anymask.Segmenter, model: anymask.SubjectModel
) -> Iterator[BoxedObject]:
    """The objects of a folder."""
    for image in load_dataset(folder, per_image):
        encoded = segmenter.encode(image.open())
        subject_map = model.subject_map(encoded.pixels).astype(np.float16).astype(np.float32)
        for truth in list(image.sample_objects())[:per_image]:
            mask = encoded.segment(box=truth.box)[0]
            yield BoxedObject(dict(mask.rle), dict(encode(truth.mask)), dict(encode(truth.ignored)), subject_map)


def main() -> None:
    """Collect, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--allow")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--per-image", type=int, default=4)
    options = parser.parse_args()
    if options.cache is not None and options.cache.exists():
        collected: dict[str, list[BoxedObject]] = pickle.loads(options.cache.read_bytes())
    else:
        segmenter = anymask.load(store=False)
        model = anymask.load_subject_model(options.model, allow=options.allow)
        collected = {
            folder.name: list(objects_of(folder, options.per_image, segmenter, model)) for folder in options.folders
        }
        if options.cache is not None:
            options.cache.write_bytes(pickle.dumps(collected))
    own = (OUTLINE_BAND, SUBJECT_AGREEMENT)
    pairs = list(dict.fromkeys([*product(BANDS, AGREEMENTS), own]))
    means: dict[str, dict[Pair | str, NDArray[np.float64]]] = {}
    for name, objects in collected.items():
        rows = [each.measure(pairs) for each in objects]
        means[name] = {key: np.mean([row[key] for row in rows], axis=0) for key in rows[0]}
    print("IoU, boundary IoU, share of masks that change; pair: band, agreement")
    for name, of_own in means.items():
        lines: dict[str, Pair | str] = {"box": "box", "model alone": "model alone"}
        if others := [each for other, each in means.items() if other != name]:
            best = max(pairs, key=lambda pair: sum(float(each[pair][:2].sum()) for each in others))
            lines[f"best elsewhere {best}"] = best
        lines[f"in the package {own}"] = own
        for label, key in lines.items():
            iou, boundary, share = of_own[key]
            print(f"{name:12} {len(collected[name]):4} objects  {label:32} {iou:.4f}  {boundary:.4f}  {share:.0%}")
    overall = max(pairs, key=lambda pair: sum(float(each[pair][:2].sum()) for each in means.values()))
    print(f"best of all: {overall}")


if __name__ == "__main__":
    main()
