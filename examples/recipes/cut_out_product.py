"""Cut out a product for a shop: transparent, and centred on a white square with a soft shadow.

python cut_out_product.py ../photos/coffee.jpg --box 75,15,480,395 --out shop
"""

from __future__ import annotations

import argparse
from pathlib import Path

import PIL.Image

import anymask

FILLS = 0.85
"""Share of the square's side that the product takes with its shadow."""


def box(text: str) -> list[float]:
    """X0,Y0,X1,Y1 as four numbers."""
    numbers = [float(number) for number in text.split(",")]
    if len(numbers) != 4:
        raise ValueError(text)
    return numbers


def on_square(picture: PIL.Image.Image, side: int | None) -> PIL.Image.Image:
    """Centre a transparent cut-out on white; by default it keeps its size, and it is never made larger."""
    fitted = picture.copy()
    side = side or round(max(picture.size) / FILLS)
    fitted.thumbnail((round(side * FILLS), round(side * FILLS)), PIL.Image.Resampling.LANCZOS)
    square = PIL.Image.new("RGB", (side, side), "white")
    square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2), fitted)
    return square


def main() -> None:
    """Read the arguments, find the product, write the two pictures."""
    parser = argparse.ArgumentParser(description="Cut out a product for a shop.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--box", type=box, required=True, help="X0,Y0,X1,Y1 around the product, in pixels")
    parser.add_argument("--side", type=int, help="of the white square, in pixels")
    parser.add_argument("--out", type=Path, default=Path("shop"))
    asked = parser.parse_args()

    image = anymask.load("mobile-sam").encode(asked.photo)
    product = image.segment(box=asked.box, max_hole_area=200)
    plain = anymask.cutout(image.source, product, crop=True)
    shaded = anymask.cutout(image.source, product, crop=True, shadow=True)

    asked.out.mkdir(parents=True, exist_ok=True)
    plain.save(asked.out / f"{asked.photo.stem}.png")
    on_square(shaded.image, asked.side).save(asked.out / f"{asked.photo.stem}.jpg", quality=92)
    print(f"{asked.out / asked.photo.stem}.png and .jpg, edges: {plain.edges}, score {product[0].score:.2f}")


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"cut_out_product: {error}") from None
