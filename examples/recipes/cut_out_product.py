"""Cut out a product for a shop: transparent, and centred on a white square with a soft shadow.

python cut_out_product.py ../photos/coffee.jpg --box 75,15,480,395 --out shop
"""

from __future__ import annotations

import argparse
from pathlib import Path

import PIL.Image

import anymask

FILL = 0.85
"""Share of the square's side that the product takes with its shadow."""


def box(text: str) -> list[float]:
    """X0,Y0,X1,Y1 as four numbers."""
    numbers = [float(number) for number in text.split(",")]
    if len(numbers) != 4:
        raise ValueError(text)
    return numbers


def on_square(cutout: PIL.Image.Image, side: int | None) -> PIL.Image.Image:
    """Centre a transparent cut-out on white; by default it keeps its size, and it is never made larger."""
    fitted = cutout.copy()
    side = side or round(max(cutout.size) / FILL)
    fitted.thumbnail((round(side * FILL), round(side * FILL)), PIL.Image.Resampling.LANCZOS)
    square = PIL.Image.new("RGB", (side, side), "white")
    square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2), fitted)
    return square


def main() -> None:
    """Read the arguments, segment the product, write the two images."""
    parser = argparse.ArgumentParser(description="Cut out a product for a shop.")
    parser.add_argument("image", type=Path)
    parser.add_argument("--box", type=box, required=True, help="X0,Y0,X1,Y1 around the product, in pixels")
    parser.add_argument("--side", type=int, help="of the white square, in pixels")
    parser.add_argument("--out", type=Path, default=Path("shop"))
    arguments = parser.parse_args()

    image = anymask.load("mobile-sam").encode(arguments.image)
    product = image.segment(box=arguments.box, max_hole_area=200)
    plain = anymask.cutout(image.source, product, crop=True)
    shaded = anymask.cutout(image.source, product, crop=True, shadow=True)

    arguments.out.mkdir(parents=True, exist_ok=True)
    plain.save(arguments.out / f"{arguments.image.stem}.png")
    on_square(shaded.image, arguments.side).save(arguments.out / f"{arguments.image.stem}.jpg", quality=92)
    print(f"{arguments.out / arguments.image.stem}.png and .jpg, edges: {plain.edges}, score {product[0].score:.2f}")


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"cut_out_product: {error}") from None
