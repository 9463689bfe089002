"""Reading files that may come from anybody: an error is one line that names the file."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from anymask.errors import InputError, one_line
from anymask.formats.helpers.image_names import is_elsewhere
from anymask.structures.mask_set import MaskSet
from anymask.structures.provenance import ImageRecord

if TYPE_CHECKING:
    import PIL.Image

_DAMAGE = (ValueError, TypeError, AttributeError, LookupError, OverflowError, ElementTree.ParseError)
"""What damaged files make Python's own readers raise; LookupError is an encoding of that name, too."""

MAX_MASK_PIXELS = 2**30
"""Most pixels of an image that a file describes; a larger mask would not fit in the memory of ordinary machines."""


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn any exception that a damaged file causes into one InputError that names file and format."""
    try:
        yield
    except InputError as error:
        text = str(error)
        if str(path) in text:
            raise
        raise InputError(f"cannot read {path} as {kind}: {text}") from None
    except RecursionError:
        raise InputError(f"cannot read {path} as {kind}: it is nested too deeply") from None
    except KeyError as error:
        raise InputError(f"cannot read {path} as {kind}: {error} is missing") from None
    except OSError as error:
        raise InputError(f"cannot read {path} as {kind}: {(error.strerror or str(error)).lower()}") from None
    except _DAMAGE as error:
        raise InputError(f"cannot read {path} as {kind}: {damage_of(error)}") from None


def damage_of(error: Exception) -> str:
    """One line on why Python's own readers cannot read a file."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is not valid JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8: save it as UTF-8"
    return one_line(error)


def load_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object; call it within `reading`."""
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, not a JSON object")
    return content


def finite_json(content: Any) -> Any:
    """JSON values whose numbers are finite: others, which no other reader of JSON takes, become None."""
    try:
        json.dumps(content, allow_nan=False)
    except ValueError:
        return _finite(content)
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_xml(path: Path) -> ElementTree.Element:
    """An XML file; entities, which can grow without bounds, are refused. Call it within `reading`."""
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError("it declares a document type, which is not allowed in annotation files")
    return ElementTree.fromstring(content)


def as_list(value: Any, name: str) -> list[Any]:
    """A value that has to be a list."""
    if not isinstance(value, list):
        raise InputError(f"{name!r} has to be a list, got {type(value).__name__}")
    return value


def as_object(value: Any, name: str) -> dict[str, Any]:
    """A value that has to be an object."""
    if not isinstance(value, dict):
        raise InputError(f"{name!r} has to be an object, got {type(value).__name__}")
    return value


def optional_float(value: Any) -> float | None:
    """A score from a file, or None if there is none."""
    return None if value is None or value == "" else float(value)


def known_number(value: Any) -> float | None:
    """A score that a program may have written; None for anything but a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else None


def optional_text(value: Any) -> str | None:
    """A name from a file, or None if there is none."""
    return None if value is None else str(value)


def load_stored_image(file: Path | bytes) -> PIL.Image.Image:
    """An image whose pixel values are labels, decoded but not rotated or converted; call it within `reading`.

    Raises:
        InputError: damaged, no image, or of more pixels than `MAX_MASK_PIXELS`.
    """
    from anymask.io.decoding import load_stored

    content = file if isinstance(file, bytes) else file.read_bytes()
    return load_stored(io.BytesIO(content), MAX_MASK_PIXELS)


def image_size(width: Any, height: Any) -> tuple[int, int]:
    """(width, height) that a file states, as whole numbers within bounds."""
    try:
        size = int(width), int(height)
        whole = float(width) == size[0] and float(height) == size[1]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"the image's size is {width!r} x {height!r}: it takes two whole numbers") from None
    if not whole or min(size) < 1 or size[0] * size[1] > MAX_MASK_PIXELS:
        raise InputError(
            f"the image's size is {width} x {height}: it takes whole numbers from 1, and at most "
            f"{MAX_MASK_PIXELS:,} pixels in all"
        )
    return size


def safe_name(name: Any) -> str:
    """An image's name in a dataset, with / between folders, that stays below the dataset's folder.

    Raises:
        InputError: no text, an absolute path, or one that climbs out with "..".
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"an image's file name has to be text, got {name!r:.60}")
    if is_elsewhere(name):
        raise InputError(f"the image's file name {name!r:.200} leads out of the dataset")
    return str(PurePosixPath(name.replace("\\", "/")))


def image_record(name: Any, size: tuple[int, int], sha256: Any = None, **about: Any) -> ImageRecord:
    """The record of an image in a dataset.

    Args:
        name: as the dataset has it: a path within it, or one of another machine, or an address. It is stated and never
            opened as it is, and files that are written get names of `ImageNames` instead.
        size: (width, height) in pixels.
        sha256: as the dataset has it.
        about: further fields of the record.

    Raises:
        InputError: a name that is no text.
    """
    if name and (not isinstance(name, str) or "\0" in name):
        raise InputError(f"an image's file name has to be text, got {name!r:.60}")
    if name and not is_elsewhere(name):
        name = safe_name(name)
    return ImageRecord(*size, name or None, sha256 if isinstance(sha256, str) else None, **about)


def only_image(sets: Iterator[MaskSet], path: Path) -> MaskSet:
    """The one image of a file that could hold several.

    Raises:
        InputError: it holds none, or several.
    """
    first = next(sets, None)
    if first is None:
        raise InputError(f"there is no image in {path}")
    if next(sets, None) is not None:
        raise InputError(f"{path} holds several images; read it with anymask.formats.datasets.read_dataset")
    return first


def with_image(masks: MaskSet, image: Any) -> MaskSet:
    """The same masks with ``image`` as their image.

    Raises:
        InputError: the image has another size.
    """
    if image is None:
        return masks
    if image.size != masks.size:
        raise InputError(f"the image is {image.size}, the masks are for {masks.size}")
    return masks.replace(image=image)
