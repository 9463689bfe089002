"""The subject of an image, beside rembg with the same weights: `python -m benchmarks.subject --allow LICENCES`.

rembg runs in the environment that `make tools` makes for it, as its `dis_custom` model, which takes the path of a file.
Both run the example photographs with the same number of threads, in turns; loading and compiling are not counted, and
the time is from pixels to a mask in the image's size. Printed are the medians, their ratio, and the IoU of the masks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import anymask
from anymask import weights
from anymask.evaluation import mask_iou

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"
NAME = "isnet"


def rembg_masks(
    python: Path, images: Sequence[Path], rounds: int, allow: Any, threads: int
) -> tuple[dict[Path, NDArray[np.bool_]], dict[Path, list[float]]]:
    """Masks of rembg, bool [H, W], and the seconds of each round, by image.

    Args:
        python: of an environment with rembg.
        images: their paths.
        rounds: how often each image is run.
        allow: licences of weights that may be used.
        threads: CPU threads.
    """
    import PIL.Image

    (model,) = weights.ensure(NAME, allow=allow).values()
    worker = Path(__file__).with_name("rembg_subject.py")
    with tempfile.TemporaryDirectory() as out:
        # It takes files from its own folder only.
        model = shutil.copy(model, out)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "REMBG_HOME": out}
        environment.pop("PYTHONPATH", None)
        command = [python, worker, model, str(rounds), out, *images]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"rembg failed: {done.stderr[-2000:]}")
        seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
        masks = {path: np.asarray(PIL.Image.open(Path(out) / f"{path.stem}.png")) > 127 for path in images}
    return masks, {Path(path): each for path, each in seconds.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path, help="The example photographs by default.")
    parser.add_argument("--allow")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    images = options.images or sorted(PHOTOS.glob("*.jpg"))
    python = Path(sys.prefix) / "tools" / "rembg" / "bin" / "python"
    if not python.exists():
        parser.error("rembg is not installed: make tools")
    models = [
        anymask.load_subject_model(NAME, allow=options.allow, threads=options.threads, precision=precision)
        for precision in ("f32", "auto")
    ]
    opened = {path: anymask.open_image(path) for path in images}
    for model in models:
        model.subject_map(opened[images[0]].pixels)
    theirs: list[float] = []
    ours: dict[str, list[float]] = {}
    agreement: dict[str, list[float]] = {}
    for _ in range(options.pairs):
        masks, seconds = rembg_masks(python, images, 1, options.allow, options.threads)
        theirs += [each for rounds in seconds.values() for each in rounds]
        for model in models:
            label = f"{model.engine} {model.precision}"
            for path, image in opened.items():
                started = time.perf_counter()
                mask = model.segment(image)[0].array
                ours.setdefault(label, []).append(time.perf_counter() - started)
                agreement.setdefault(label, []).append(mask_iou(mask, masks[path]))
    print(f"rembg: {median(theirs):.2f} s an image")
    for label, each in ours.items():
        ratio = median(theirs) / median(each)
        print(f"anymask, {label}: {median(each):.2f} s, ratio {ratio:.2f}, least IoU {min(agreement[label]):.4f}")


if __name__ == "__main__":
    main()
