"""Draw images/dataflow.svg, the way from an image and a prompt to masks: python docs/dataflow.py."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 420
STYLE = """
  text { font: 15px system-ui, sans-serif; fill: #1c2733; text-anchor: middle }
  .small { font-size: 12px; fill: #5a6b7b }
  .head { font-size: 13px; fill: #5a6b7b; text-anchor: start }
  rect { fill: #ffffff; stroke: #5a6b7b; stroke-width: 1.5 }
  .once { fill: #dcebff; stroke: #2f6fbf }
  .often { fill: #def3e2; stroke: #2d8a4a }
  .band { fill: none; stroke: #9fb0c0; stroke-dasharray: 5 5; stroke-width: 1 }
  path { fill: none; stroke: #5a6b7b; stroke-width: 1.5; marker-end: url(#tip) }
  marker path { fill: #5a6b7b; stroke: none; marker-end: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small, .head { fill: #9fb0c0 }
    rect { fill: #20262e; stroke: #9fb0c0 }
    .once { fill: #17324f; stroke: #79b0f2 } .often { fill: #173d26; stroke: #6fcf8e }
    .band { fill: none; stroke: #5a6b7b } path { stroke: #9fb0c0 } marker path { fill: #9fb0c0 }
  }
"""
BOXES = {  # name: centre, width, kind, lines
    "image": (80, 90, 110, "", ("image", "any image file")),
    "open": (240, 90, 130, "once", ("open", "upright 8-bit RGB")),
    "encode": (415, 90, 140, "once", ("encode", "graphs on an engine")),
    "encoded": (600, 90, 140, "once", ("EncodedImage", "embedding, on disk")),
    "text": (80, 225, 110, "", ("text", "“dog, cat”")),
    "detect": (240, 225, 130, "often", ("detect", "text to boxes")),
    "clicks": (80, 330, 110, "", ("clicks, boxes", "masks")),
    "prompt": (415, 280, 140, "often", ("prompt", "checked, in pixels")),
    "decode": (600, 280, 140, "often", ("decode", "logits and scores")),
    "select": (790, 280, 140, "often", ("select", "and refine")),
    "masks": (790, 380, 140, "", ("MaskSet", "files, drawings, edits")),
}  # fmt: skip
ARROWS = (
    ("image", "open"), ("open", "encode"), ("encode", "encoded"), ("text", "detect"), ("detect", "prompt"),
    ("clicks", "prompt"), ("prompt", "decode"), ("encoded", "decode"), ("decode", "select"), ("select", "masks"),
)  # fmt: skip
TALL = 54


def main(path: Path) -> None:
    """Write the picture; it follows the reader's light or dark setting."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>An image is opened, encoded and stored once; each prompt is decoded and a mask selected</title>",
        f'<style>{STYLE}</style><defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>',
        _band(155, 20, 530, 130, "once per image: tenths of a second"),
        _band(155, 170, 720, 170, "per prompt: milliseconds, and what a detector takes"),
        *(_box(*box) for box in BOXES.values()),
        *(_arrow(first, second) for first, second in ARROWS),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _band(x: int, y: int, width: int, height: int, text: str) -> str:
    frame = f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{height}" rx="12"/>'
    return f'{frame}<text class="head" x="{x + 12}" y="{y + 20}">{escape(text)}</text>'


def _box(x: int, y: int, width: int, kind: str, lines: tuple[str, str]) -> str:
    frame = f'<rect class="{kind}" x="{x - width // 2}" y="{y - TALL // 2}" width="{width}" height="{TALL}" rx="8"/>'
    name, about = map(escape, lines)
    return f'{frame}<text x="{x}" y="{y - 3}">{name}</text><text class="small" x="{x}" y="{y + 16}">{about}</text>'


def _arrow(first: str, second: str) -> str:
    """From the side of one box to the near side of the other: level, straight down, or in an S."""
    (x0, y0, w0, *_), (x1, y1, w1, *_) = BOXES[first], BOXES[second]
    if x0 == x1:
        return f'<path d="M{x0} {y0 + TALL // 2}V{y1 - TALL // 2}"/>'
    start, end = x0 + w0 // 2, x1 - w1 // 2
    middle = (start + end) // 2
    return f'<path d="M{start} {y0}C{middle} {y0} {middle} {y1} {end} {y1}"/>'


if __name__ == "__main__":
    main(Path(__file__).parent / "images" / "dataflow.svg")
