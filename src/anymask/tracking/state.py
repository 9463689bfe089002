"""What a tracker needs to go on in another process, as the bytes of one file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from anymask.errors import InputError
from anymask.tracking.appearance import Appearance
from anymask.tracking.tracker import Track


def dump_tracks(tracks: list[Track], index: int, last_image: int) -> bytes:
    """All tracks after a frame.

    Args:
        tracks: of a tracker.
        index: of the frame.
        last_image: index of the last frame that could be read.
    """
    arrays: dict[str, Any] = {}
    about = []
    for place, each in enumerate(tracks):
        arrays[f"mask_{place}"] = np.packbits(each.mask)
        arrays[f"first_{place}"], arrays[f"recent_{place}"] = each.appearance.first, each.appearance.recent
        about.append(
            {
                "id": each.id, "label": each.label, "shape": each.mask.shape, "lost": each.lost, "areas": each.areas,
                "size": each.size, "side": each.appearance.side,
            }
        )  # fmt: skip
    content = {"index": index, "last_image": last_image, "tracks": about}
    arrays["about"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def load_tracks(content: bytes) -> tuple[list[Track], int, int]:
    """The tracks, the index of their frame, and that of the last frame that could be read; see `dump_tracks`.

    Raises:
        InputError: damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            tracks = [_track(each, arrays, place) for place, each in enumerate(about["tracks"])]
        return tracks, int(about["index"]), int(about["last_image"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"it is damaged ({type(error).__name__})") from None


def _track(about: dict[str, Any], arrays: Any, place: int) -> Track:
    shape = tuple(about["shape"])
    mask = np.unpackbits(arrays[f"mask_{place}"], count=int(np.prod(shape))).reshape(shape).astype(np.bool_)
    appearance = Appearance(arrays[f"first_{place}"], arrays[f"recent_{place}"], about["side"])
    size = (about["size"][0], about["size"][1])
    return Track(about["id"], about["label"], mask, appearance, about["areas"], size, about["lost"])
