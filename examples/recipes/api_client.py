"""Get masks of many images from a server, several at once, and wait when it is busy.

    anymask serve                                                          in one terminal
    python api_client.py ../photos/*.jpg --point 50,50 --out masks         in another

The calls are those of `EncodedImage`: see docs/guides/server.md. Without Python, see web_page/page/page.js, or curl.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import anymask

Response = TypeVar("Response")


def with_retries(send: Callable[[], Response], tries: int = 5) -> Response:
    """Send a request again, after the time that the server states, if its queue is full; other errors are raised."""
    for last in range(tries):
        try:
            return send()
        except anymask.ServerError as error:
            if error.status != 429 or last == tries - 1:
                raise
            time.sleep(error.retry_after or 1)
    raise AssertionError("unreachable")


def save_mask(client: anymask.Client, path: Path, point: tuple[float, float], out: Path) -> str:
    """Send an image, click on it, save the mask, and delete the image from the server.

    Args:
        client: of the server.
        path: of the image.
        point: (x, y) in percent.
        out: folder for the mask.

    Returns:
        A line to print.
    """
    image = with_retries(lambda: client.encode(path))
    try:
        result = with_retries(lambda: image.segment(points=[point], coordinates="percent"))
    finally:
        image.forget()
    result.save(out / f"{path.stem}.png")
    return f"{path.name}: {result[0].area} pixels, score {result[0].score:.2f}"


def percent(text: str) -> tuple[float, float]:
    """X,Y as two numbers."""
    x, y = text.split(",")
    return float(x), float(y)


def main() -> None:
    """Read the arguments and send the images, three at a time."""
    parser = argparse.ArgumentParser(description="Masks from a server.")
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--server", default="http://localhost:8000")
    parser.add_argument("--point", type=percent, default=(50.0, 50.0), help="X,Y in percent")
    parser.add_argument("--out", type=Path, default=Path("masks"))
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    with anymask.Client(arguments.server) as client, ThreadPoolExecutor(3) as pool:
        for line in pool.map(lambda path: save_mask(client, path, arguments.point, arguments.out), arguments.images):
            print(line)


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"api_client: {error}") from None
