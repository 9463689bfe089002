"""Find the ranges that int8 needs: `python -m training.int8_calibration [--write]`.

Every layer's input is observed while the encoder runs, in f32, on images in the public domain: those of
examples/photos and those of scikit-image whose documentation says so, each whole and in random crops that are flipped,
brightened and darkened. The range of a layer is the one whose uint8 steps reproduce the observed values with the least
squared error. `--write` puts them into `src/anymask/graphs/int8.json`, under the hash of the weights;
raise CODE_VERSION then. It takes minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnxruntime
import spox
from numpy.typing import NDArray
from PIL import Image

from anymask.models.sam.model import preprocess
from anymask.models.sam.quantization import Arithmetic, steps
from anymask.models.sam.tiny_vit import image_tokens, square_input
from anymask.weights import ensure, find_model
from anymask.weights.checkpoints.state_dict import StateDict, read_state_dict
from benchmarks.speed.images import ROOT

MODEL = "mobile-sam"
TABLE = ROOT / "src" / "anymask" / "graphs" / "int8.json"
MARKED = (".attn.", ".mlp.")
"""Parts of the names of the layers that go into int8. The convolutions stay out: with all of them in int8 a tenth more
of the time is saved, but the least embedding cosine falls from 0.9999 to 0.9985 (on nine images)."""

PUBLIC_DOMAIN = ("astronaut", "brick", "camera", "grass", "gravel", "hubble_deep_field", "retina", "rocket")
"""Of `skimage.data`, files that come with the package."""
CROPS = 3
"""Random crops of each image, besides the whole."""
SAMPLES = 20_000
"""Values of each layer's input sampled at random from each image; its extremes are added."""


class Observer(Arithmetic):
    """Notes the input of every layer."""

    def __init__(self) -> None:
        self.inputs: dict[str, spox.Var] = {}

    def activation(self, x: spox.Var, name: str) -> spox.Var:
        self.inputs[name] = x
        return x


def calibration_images(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield uint8 [H, W, 3] RGB, the same ones for the same generator."""
    import skimage.data

    sources = [Image.open(path) for path in sorted((ROOT / "examples" / "photos").glob("*.jpg"))]
    sources += [Image.fromarray(getattr(skimage.data, name)()) for name in PUBLIC_DOMAIN]
    for source in sources:
        image = source.convert("RGB")
        yield np.asarray(image)
        for _ in range(CROPS):
            yield _variant(image, rng)


def _variant(image: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A crop of 40 to 100 % of each side, perhaps flipped, with another brightness."""
    shares = rng.uniform(0.4, 1.0, 2)
    width, height = (max(1, round(side * share)) for side, share in zip(image.size, shares, strict=True))
    left, top = (int(rng.integers(whole - part + 1)) for whole, part in zip(image.size, (width, height), strict=True))
    pixels = np.asarray(image.crop((left, top, left + width, top + height)))
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    return np.round(255 * (pixels / 255) ** rng.uniform(0.6, 1.6)).astype(np.uint8)


def observe(p: StateDict, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return, for each layer, values of its input over all images; the extremes of each image are among them."""
    observer = Observer()
    image = square_input()
    tokens = image_tokens(image, p, observer)
    outputs = {"embedding": tokens} | {f"input of {name}": x for name, x in observer.inputs.items()}
    session = onnxruntime.InferenceSession(spox.build({"image": image}, outputs).SerializeToString())
    rng = np.random.default_rng(seed)
    samples: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for pixels in calibration_images(rng):
        names = list(outputs)[1:]
        for name, values in zip(names, session.run(names, {"image": preprocess(pixels)}), strict=True):
            flat = values.ravel()
            sampled = flat[rng.integers(flat.size, size=SAMPLES)]
            samples[name.removeprefix("input of ")].append(np.concatenate([sampled, [flat.min(), flat.max()]]))
    return {name: np.concatenate(parts) for name, parts in samples.items()}


def best_range(values: NDArray[np.float32]) -> tuple[float, float]:
    """The range whose 256 steps reproduce values with the least squared error, zero among the steps."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    shares = np.linspace(0.1, 1.0, 37)
    best = (np.inf, low, high)
    for _ in range(2):  # each end in turn: the best end hardly depends on the other
        best = min((_error(values, best[1], high * share), best[1], high * share) for share in shares)
        best = min((_error(values, low * share, best[2]), low * share, best[2]) for share in shares)
    return best[1], best[2]


def _error(values: NDArray[np.float32], low: float, high: float) -> float:
    if high <= low:
        return float("inf")
    scale, zero = steps(low, high)
    numbers = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.square((numbers - zero) * scale - values).mean())


def write(ranges: dict[str, tuple[float, float]]) -> None:
    """Put ranges into the package, under the hash of the model's weights."""
    tables = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    key = hashlib.sha256("".join(file.sha256 for file in find_model(MODEL).files).encode()).hexdigest()
    rounded = {name: [round(low, 4), round(high, 4)] for name, (low, high) in ranges.items()}
    tables[key] = {"model": MODEL, "ranges": rounded}
    text = re.sub(r"\[\s+(\S+)\s+(\S+)\s+\]", r"[\1 \2]", json.dumps(tables, indent=1))
    TABLE.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.int8_calibration", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the ranges into {TABLE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    samples = observe(read_state_dict(list(ensure(MODEL).values())))
    ranges = {name: best_range(values) for name, values in samples.items() if any(part in name for part in MARKED)}
    for name, (low, high) in ranges.items():
        print(
            f"{name:<55} {low:7.2f} to {high:6.2f}  observed {samples[name].min():7.2f} to {samples[name].max():6.2f}"
        )
    if arguments.write:
        write(ranges)


if __name__ == "__main__":
    main()
