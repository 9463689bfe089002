"""Ask a server for masks of many photos at once, and wait when it says that it is busy.

    anymask serve                                                          in one terminal
    python api_client.py ../photos/*.jpg --point 50,50 --out masks         in another

The calls are those of a EncodedImage: see docs/guides/server.md. Without Python, see web_page/page/page.js, or curl.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import anymask

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer], tries: int = 5) -> Answer:
    """Ask again after as long as the server wants, if its queue is full; any other refusal is raised."""
    for last in range(tries):
        try:
            return ask()
        except anymask.ServerError as error:
            if error.status != 429 or last == tries - 1:
                raise
            time.sleep(error.retry_after or 1)
    raise AssertionError("unreachable")


def mask_of(client: anymask.Client, photo: Path, point: tuple[float, float], out: Path) -> str:
    """Bring a photo, click on it, keep the mask; the photo is forgotten there afterwards.

    Args:
        client: of the server.
        photo: a file.
        point: (x, y) in percent.
        out: folder for the mask.

    Returns:
        A line for the person.
    """
    image = patiently(lambda: client.encode(photo))
    try:
        result = patiently(lambda: image.segment(points=[point], coordinates="percent"))
    finally:
        image.forget()
    result.save(out / f"{photo.stem}.png")
    return f"{photo.name}: {result[0].area} pixels, score {result[0].score:.2f}"


def percent(text: str) -> tuple[float, float]:
    """X,Y as two numbers."""
    x, y = text.split(",")
    return float(x), float(y)


def main() -> None:
    """Read the arguments; bring the photos, three at a time."""
    parser = argparse.ArgumentParser(description="Masks from a server.")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--server", default="http://localhost:8000")
    parser.add_argument("--point", type=percent, default=(50.0, 50.0), help="X,Y in percent")
    parser.add_argument("--out", type=Path, default=Path("masks"))
    asked = parser.parse_args()

    asked.out.mkdir(parents=True, exist_ok=True)
    with anymask.Client(asked.server) as client, ThreadPoolExecutor(3) as three:
        for line in three.map(lambda photo: mask_of(client, photo, asked.point, asked.out), asked.photos):
            print(line)


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"api_client: {error}") from None
