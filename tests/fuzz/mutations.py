"""Changes to inputs: what bytes alone would hardly ever become, such as a number in valid JSON that is out of bounds.

`mutated` is a function of the random numbers it is given, so that Hypothesis, libFuzzer and a plain loop can drive it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

_NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(2**63),
    0.5, -0.5, 1e-320, 1e300, -1e300, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    *_NUMBERS, None, True, False, "", "a", "\0", "\ud800", "é" * 300, "../../etc/passwd", "/etc/passwd", "-1", "nan",
    [], [[]], [None], [0] * 9, {}, {"": 0}, {"size": [3, 2], "counts": "06"},
    {"size": [2**40, 2**40], "counts": [2**80]},
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_WORDS = (b"nan", b"inf", b"-0", b"1e999", b"99999999999999999999", b"%", b",", b"\n", b"\0", b"\xff", b"\xed\xa0\x80")


def mutated(data: bytes, others: Sequence[bytes], rng: random.Random, most: int = 1 << 16) -> bytes:
    """A changed copy: as JSON where it is JSON, else its numbers, or its bytes.

    Args:
        data: the input.
        others: inputs to take pieces from.
        rng: decides everything.
        most: bytes of the result.
    """
    for _ in range(1 << rng.randrange(3)):
        way = rng.random()
        changed = _changed_json(data, rng) if way < 0.5 else _changed_number(data, rng) if way < 0.7 else None
        data = _changed_bytes(data, others, rng) if changed is None else changed
    return data[:most]


def _changed_json(data: bytes, rng: random.Random) -> bytes | None:
    """Change one value of a JSON text, or of the one that follows its first line; None where there is none."""
    first, line, rest = data.partition(b"\n")
    for head, body in ((b"", data), (first + line, rest)):
        if body.lstrip()[:1] not in (b"{", b"["):
            continue
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            continue
        places = list(_places(content, 300))
        if not places:
            return None
        holder, key = rng.choice(places)
        _change(holder, key, rng)
        try:
            return head + json.dumps(content).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return None
    return None


def _places(content: Any, most: int) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value, the first `most` of them."""
    places: list[tuple[Any, Any]] = []
    waiting = [content]
    while waiting and len(places) < most:
        holder = waiting.pop(0)
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            places.append((holder, key))
            waiting.append(holder[key])
    return places


def _change(holder: Any, key: Any, rng: random.Random) -> None:
    way = rng.randrange(6)
    if way == 0 and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif way == 2 and isinstance(holder[key], list):
        holder[key] = holder[key][: rng.randrange(len(holder[key]) + 1)]
    elif way == 3 and isinstance(holder[key], (int, float)):
        holder[key] = rng.choice(_NUMBERS)
    elif way == 4 and isinstance(holder[key], str) and holder[key]:
        place = rng.randrange(len(holder[key]))
        holder[key] = holder[key][:place] + chr(rng.randrange(32, 127)) + holder[key][place + 1 :]
    else:
        holder[key] = rng.choice(_VALUES)


def _changed_number(data: bytes, rng: random.Random) -> bytes | None:
    """Put another number in the place of one that is written out."""
    found = list(_NUMBER.finditer(data[:100_000]))
    if not found:
        return None
    match = rng.choice(found)
    number = str(rng.choice(_NUMBERS)).encode()
    return data[: match.start()] + number + data[match.end() :]


def _changed_bytes(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    place = rng.randrange(len(data) + 1)
    length = min(1 << rng.randrange(8), len(data) - place)
    way = rng.randrange(6)
    if way == 0:
        return data[:place]
    if way == 1:
        return data[:place] + data[place + length :]
    if way == 2:
        return data[: place + length] + data[place:]
    if way == 3:
        return data[:place] + rng.choice(_WORDS) + data[place:]
    if way == 4 and others:
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        return data[:place] + other[start : start + (1 << rng.randrange(10))] + data[place + length :]
    changed = bytearray(data)
    for offset in range(place, min(place + (1 << rng.randrange(3)), len(data))):
        changed[offset] = rng.choice((rng.randrange(256), changed[offset] ^ (1 << rng.randrange(8)), 0, 255))
    return bytes(changed)
