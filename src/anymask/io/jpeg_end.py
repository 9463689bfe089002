"""JPEG files that end before their end marker: whether all pixels are there."""

from __future__ import annotations

import io

import numpy as np

from anymask.io.identification import identify

_END = b"\xff\xd9"
_TAILS = 16
"""So many different data between the last byte and the end marker: they change only pixels that are not there."""
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _RESTARTS = 0xDA, range(0xD0, 0xD8)


def with_end_marker(encoded: bytes, max_pixels: int) -> bytes | None:
    """A JPEG file with the end marker that it lacks; None if it has one, or if some of its pixels are missing.

    The pixels are there if every coefficient of every component is in a scan, and whatever follows the last byte
    changes none of them.
    """
    if encoded.endswith(_END) or not _has_all_scans(encoded):
        return None
    encoded = encoded.removesuffix(_END[:1])
    tails = (
        np.random.default_rng(0).integers(0, 255, (_TAILS, 64)).astype(np.uint8)
    )  # without 255, which begins markers
    try:
        pixels = identify(io.BytesIO(encoded + _END), max_pixels).tobytes()
        for tail in tails:
            if identify(io.BytesIO(encoded + tail.tobytes() + _END), max_pixels).tobytes() != pixels:
                return None
    except Exception:  # Decoders of damaged files raise anything at all.
        return None
    return encoded + _END


def has_end_marker(encoded: bytes) -> bool:
    """Whether a JPEG file has an end marker behind its last scan."""
    return encoded.endswith(_END) or encoded.rfind(_END) > encoded.rfind(bytes((0xFF, _SCAN)))


def _has_all_scans(encoded: bytes) -> bool:
    """Whether the scans of a JPEG file hold each of the 64 coefficients of each component to its last bit."""
    place, missing = 2, dict[int, set[int]]()
    while place + 4 <= len(encoded):
        if encoded[place] != 0xFF:
            return False
        marker = encoded[place + 1]
        if marker in _RESTARTS or marker in (0x01, 0xFF):
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(encoded[place + 2 : place + 4], "big")
        segment = encoded[place + 4 : place + 2 + length]
        place += 2 + length
        if marker in _FRAMES and len(segment) >= 6:
            missing = {segment[6 + 3 * i]: set(range(64)) for i in range(segment[5]) if 6 + 3 * i < len(segment)}
        elif marker == _SCAN and len(segment) >= 4:
            components = [segment[1 + 2 * i] for i in range(segment[0]) if 1 + 2 * i < len(segment)]
            first, last, bits = segment[-3], segment[-2], segment[-1]
            if bits & 15 == 0:
                for component in components:
                    missing.get(component, set()).difference_update(range(first, last + 1))
            place = _after_scan(encoded, place)
    return bool(missing) and not any(missing.values())


def _after_scan(encoded: bytes, place: int) -> int:
    """Position of the marker that ends the entropy-coded data at ``place``."""
    while True:
        place = encoded.find(b"\xff", place)
        if place < 0 or place + 1 >= len(encoded):
            return len(encoded)
        if encoded[place + 1] != 0 and encoded[place + 1] not in _RESTARTS:
            return place
        place += 2
