"""Draw the folders of the package and what each imports, read from the source: python docs/rooms.py."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "anymask"
ROOMS = (
    "io", "structures", "visualization", "formats", "weights", "engines", "editing", "models", "detection", "automatic",
    "prediction", "projects", "batch", "tracking", "evaluation", "server", "export", "integrations", "cli",
)  # fmt: skip
"""Each imports only those before it."""
CELL, LEFT, TOP = 30, 120, 110


def imports() -> dict[str, set[str]]:
    """The rooms that each room imports, late imports and those for types included."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for room in ROOMS:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
                elif isinstance(node, ast.Import):
                    names = [each.name for each in node.names]
                else:
                    continue
                parts = [name.split(".") for name in names]
                found[room] |= {each[1] for each in parts if each[0] == "anymask" and len(each) > 1}
        found[room] = (found[room] & set(ROOMS)) - {room}
    return found


def draw(found: dict[str, set[str]]) -> str:
    """Return a table as SVG: a dot where the room of the row imports the room of the column."""
    side = CELL * len(ROOMS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + side + 10} {TOP + side + 10}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{LEFT + side + 10}" height="{TOP + side + 10}" fill="white"/>',
    ]
    for place, room in enumerate(ROOMS):
        x, y = LEFT + CELL * place + CELL / 2, TOP + CELL * place + CELL / 2
        lines += [
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{room}</text>',
            f'<text transform="translate({x + 4} {TOP - 10}) rotate(-60)">{room}</text>',
            f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + side}" y2="{y}" stroke="#ddd"/>',
        ]
        for other in sorted(found[room], key=ROOMS.index):
            column = ROOMS.index(other)
            colour = "#2a7" if column < place else "#c33"
            lines.append(f'<circle cx="{LEFT + CELL * column + CELL / 2}" cy="{y}" r="7" fill="{colour}"/>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs" / "images" / "rooms.svg").write_text(draw(imports()), encoding="utf-8")
