"""The folder of results of one run of tracking, which can be killed at any moment and goes on from there.

`track.json` says what the run is, `frames/NAME.json` what was found in a frame, `masks/NAME.png` is its label map, and
`state.npz` is what the tracker remembers. They are written in this order for each frame, each whole or not at all; a
mask that its JSON does not state by its hash was made by somebody else, and is not written over.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from anymask._version import __version__
from anymask.errors import InputError
from anymask.io.atomic import check_folder, explained, publish, write_file
from anymask.io.drafts import lock_results
from anymask.io.file_names import numbered, shorten_name
from anymask.tracking.result import TrackedFrame
from anymask.tracking.state import dump_tracks, load_tracks
from anymask.tracking.tracker import Track

MANIFEST, STATE, LOCK = "track.json", "state.npz", ".lock"
_FRAMES, _MASKS = "frames", "masks"
_OWN = (MANIFEST, STATE, _FRAMES, _MASKS, "overlay", "overlay.mp4", "coco.json")


class TrackFolder:
    """The results of one run.

    Attributes:
        path: of the folder.
        run: what the run is, as plain JSON values.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path, self.run = path, json.loads(json.dumps(run))
        self._last_image = -1

    @contextlib.contextmanager
    def opened(self, restart: bool = False) -> Iterator[None]:
        """Lock the folder, check that it is new or of this run, and begin it if it is new.

        Args:
            restart: remove the results of another run first, if nobody has changed them.

        Raises:
            InputError: it has another run, or files of other origin, or another process is working in it.
        """
        check_folder(self.path)
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with lock_results(self.path, self.path / LOCK):
            self._begin(restart)
            yield

    def _begin(self, restart: bool) -> None:
        manifest = self.manifest()
        if manifest is None:
            if taken := [name for name in _OWN if (self.path / name).exists()]:
                raise InputError(f"{self.path / taken[0]} was not written by anymask track: give another --out")
        elif restart:
            self._remove_results(manifest)
        elif manifest.get("run") != self.run:
            raise InputError(
                f"{self.path} has another run ({_difference(manifest.get('run'), self.run)}): give another --out, or "
                "--restart to delete its results"
            )
        if self.manifest() is None:
            self._put(MANIFEST, {"command": "track", "version": __version__, "run": self.run})

    def _remove_results(self, manifest: Mapping[str, Any]) -> None:
        """Remove all files of a run, unless somebody has changed one of them."""
        about = {**manifest.get("earlier_files", {}), **manifest.get("files", {})}
        masks = {}
        for record in (self.path / _FRAMES).glob("*.json"):
            content = _read_json(record) or {}
            if "mask" in content:
                masks[content["mask"]] = content["sha256"]
        files = [self.path / name for name in (*about, *masks)]
        known = {path.resolve() for path in files}
        foreign = [
            each
            for folder in (_MASKS, "overlay")
            for each in (self.path / folder).glob("*")
            if each.resolve() not in known
        ]
        changed = [self.path / name for name in about if not _is_own(self.path / name, name, manifest)]
        changed += [self.path / name for name, value in masks.items() if _hash_of(self.path / name) != value]
        changed = [path for path in changed if path.exists()]
        if changed or foreign:
            first = (changed + foreign)[0]
            raise InputError(f"{first} has been changed since, or was not written by anymask track: give another --out")
        for path in (*files, *(self.path / _FRAMES).glob("*.json"), self.path / STATE, self.path / MANIFEST):
            path.unlink(missing_ok=True)

    # ------------------------------------------------------------ frames

    def resume(self) -> tuple[list[Track], int, int] | None:
        """Tracks, index of the last frame that is done, and of the last one that could be read; None for a new run.

        Raises:
            InputError: the state is damaged.
        """
        path = self.path / STATE
        if not path.exists():
            return None
        try:
            tracks, index, self._last_image = load_tracks(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}; begin again with --restart") from None
        return tracks, index, self._last_image

    def add(self, frame: TrackedFrame, tracks: list[Track], time: float | None = None) -> None:
        """Record a frame.

        Raises:
            InputError: a file of other origin is in the way.
        """
        name = shorten_name(f"{frame.name}.png")
        content: dict[str, Any] = {"index": frame.index, "name": frame.name, "time": time}
        if frame.image is None:
            self._put(f"{_FRAMES}/{shorten_name(f'{frame.name}.json')}", {**content, "error": frame.error})
        else:
            png = palette_png(frame.labels)
            mask, sha256 = f"{_MASKS}/{name}", hashlib.sha256(png).hexdigest()
            self._check_own(mask, frame.name, sha256)
            width, height = frame.image.size
            file = Path(frame.image.path).name if frame.image.path else None
            content |= {"file": file, "width": width, "height": height, "seconds": round(frame.seconds, 3)}
            content |= {"mask": mask, "sha256": sha256, "objects": [_object(each) for each in frame.objects]}
            self._put(f"{_FRAMES}/{shorten_name(f'{frame.name}.json')}", content)
            write_file(self.path / mask, png)
            self._last_image = frame.index
        write_file(self.path / STATE, dump_tracks(tracks, frame.index, self._last_image))

    def _check_own(self, mask: str, frame: str, sha256: str) -> None:
        """Refuse to write over a mask that a killed run has not written."""
        path = self.path / mask
        if path.exists():
            before = _read_json(self.path / _FRAMES / shorten_name(f"{frame}.json")) or {}
            if _hash_of(path) not in (sha256, before.get("sha256")):
                raise InputError(f"{path} was not written by anymask track: move it, or give another --out")

    def frames(self) -> list[dict[str, Any]]:
        """The records of all frames that are done, in their order."""
        records = [_read_json(path) for path in (self.path / _FRAMES).glob("*.json")]
        done = self.resume()
        last = -1 if done is None else done[1]
        return sorted((each for each in records if each and each["index"] <= last), key=lambda each: int(each["index"]))

    # ------------------------------------------------------------ files about all frames

    def manifest(self) -> dict[str, Any] | None:
        """The content of `track.json`; None if there is none."""
        return _read_json(self.path / MANIFEST)

    def is_written(self, names: list[str], frames: int) -> bool:
        """Whether files were written of so many frames, and are there."""
        manifest = self.manifest() or {}
        files = manifest.get("files", {})
        return manifest.get("frames") == frames and all(
            (self.path / name).exists() and _hash_of(self.path / name) == files.get(name) for name in names
        )

    def check_replaceable(self, names: list[str]) -> None:
        """Refuse to write over files that somebody else made or changed.

        Raises:
            InputError: names the first.
        """
        manifest = self.manifest() or {}
        for name in names:
            path = self.path / name
            if path.exists() and not _is_own(path, name, manifest):
                raise InputError(f"{path} has been changed since, or was not written by anymask track: move it")

    def publish(self, stage: Path, names: list[str], about: Mapping[str, Any]) -> None:
        """Move files about all frames here, and state them in `track.json`, with what was found.

        The hashes are stated before the files move, beside those of earlier ones, so that a kill leaves no file that
        is not known.
        """
        manifest = self.manifest() or {}
        files = {name: _hash_of(stage / name) for name in names}
        earlier = {**manifest.get("earlier_files", {}), **manifest.get("files", {})}
        self._put(MANIFEST, {**manifest, **about, "files": files, "earlier_files": earlier})
        publish(stage, self.path, names)

    def _put(self, name: str, content: Mapping[str, Any]) -> None:
        write_file(
            self.path / name,
            (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape"),
        )


def free_folder(base: Path, run: Mapping[str, Any]) -> Path:
    """The first of a name, `name-2` … that does not exist yet or has this run."""
    for path in numbered(base.with_name(shorten_name(base.name, 200))):
        if not path.exists():
            return path
        manifest = _read_json(path / MANIFEST)
        if manifest is not None and manifest.get("run") == json.loads(json.dumps(run)):
            return path
    raise AssertionError("numbers have no end")


def palette_png(labels: NDArray[np.uint16]) -> bytes:
    """A label map, uint16 [H, W] of 0 to 254, as a PNG with the colours of Pascal VOC and DAVIS."""
    image = PIL.Image.fromarray(labels.astype(np.uint8))
    image.putpalette(_PALETTE)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _voc_palette() -> list[int]:
    """The colour map of Pascal VOC: the bits of a number, lowest first, are the highest bits of red, green and blue."""
    return [
        sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8))
        for number in range(256)
        for channel in range(3)
    ]


_PALETTE = _voc_palette()


def _object(each: Any) -> dict[str, Any]:
    about = {"id": each.id, "label": each.label, "state": each.state, "found_again": each.found_again}
    about |= {"score": _rounded(each.score), "likeness": _rounded(each.likeness)}
    mask = each.mask
    return about | ({} if mask is None else {"area": mask.area, "box": mask.box, "rle": mask.rle})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _difference(before: Any, now: Mapping[str, Any]) -> str:
    """Which settings of two runs differ."""
    if not isinstance(before, dict):
        return "unknown"
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return f"other {' and '.join(names)}"


def _is_own(path: Path, name: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a file about all frames is as a run wrote it."""
    stated = [manifest.get(each, {}).get(name) for each in ("files", "earlier_files")]
    return _hash_of(path) in stated


def _hash_of(path: Path) -> str | None:
    """sha256 of a file; None if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
