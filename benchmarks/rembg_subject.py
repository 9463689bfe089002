"""Run in rembg's own environment: the subject of images with a model file, and the seconds that each took.

    python rembg_subject.py MODEL.onnx ROUNDS OUT IMAGE…

Writes OUT/<image's stem>.png, a grey mask in the image's size, and prints {"seconds": {image: [seconds]}} as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from PIL import Image


def main(model: str, rounds: str, out: str, *paths: str) -> None:
    """Load once, then run each image."""
    from rembg import new_session

    session = new_session("dis_custom", model_path=model)
    seconds: dict[str, list[float]] = {}
    for path in paths:
        image = Image.open(path).convert("RGB")
        image.load()
        for _ in range(int(rounds)):
            started = time.perf_counter()
            (mask,) = session.predict(image)
            seconds.setdefault(path, []).append(time.perf_counter() - started)
        mask.save(Path(out) / f"{Path(path).stem}.png")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
