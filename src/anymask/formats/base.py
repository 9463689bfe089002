"""What a file format of masks has to offer: each module of this package that is one describes it as `FORMAT`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

RoundTripCheck = Callable[["MaskSet", "MaskSet"], None]
"""Called for each image with its masks as they were and as they read from the file that was written."""


class ReadImage(Protocol):
    """Reads the masks of one image; InputError if the file is not of this format or not of this image."""

    def __call__(self, path: Path, image: Image | None = None) -> MaskSet:
        """Read a file or folder; ``image`` becomes the image of the masks and has to have their size."""
        ...


@dataclass(frozen=True, kw_only=True)
class Holds:
    """What comes back from files of a format; the table in docs/guides/formats.md is made of it.

    Attributes:
        holes, parts: of a mask, in a word or two: "exact", "bridged" (see `anymask.formats.helpers.outlines`).
        overlaps: "yes", or which mask wins.
        empty_masks: masks without pixels.
        backgrounds: images without objects.
        labels: names of the classes.
        scores: those of "score", "stability" and "detector_score" that it has; "confidence" for one score that is
            the detector's where there is one.
        vertices: polygons with the vertices that were drawn: "yes", "if filled alike" (as pycocotools does), "of one
            polygon" for an object, "of one polygon within the image", or "no". A format fills them in its own way.
        categories: the numbers of the classes, and classes without objects.
        ids: those of images and annotations: "yes", "of images", or "no".
        attributes: of objects.
        details: occluded, z_order, group_id and source.
        crowd: whether a mask is of a crowd.
        boxes: objects that have a box and no mask.
        most_objects: of an image; None for any number.
        further_fields: fields that only some files have: "all", "its own" if they come from this format, or "no".
    """

    holes: str = "exact"
    parts: str = "exact"
    overlaps: str = "yes"
    empty_masks: bool = False
    backgrounds: bool = True
    labels: bool = True
    scores: tuple[str, ...] = ()
    vertices: str = "no"
    categories: bool = False
    ids: str = "no"
    attributes: bool = False
    details: bool = False
    crowd: bool = False
    boxes: bool = False
    most_objects: int | None = None
    further_fields: str = "no"


@dataclass(frozen=True, kw_only=True)
class FormatOption:
    """A keyword of a format's `write`, and how it is called on the command line.

    Attributes:
        name: the keyword.
        help: one line.
        flag: the option of `anymask convert`; None if only Python has it.
        value: what ``flag`` sets the keyword to; None if the flag takes a number.
        metavar: of the number, its unit.
        is_readable: whether what is written with the flag can be read back.
        holds: what the format holds with the flag, where that is something else than without.
    """

    name: str
    help: str
    flag: str | None = None
    value: Any = None
    metavar: str = "N"
    is_readable: bool = True
    holds: Holds | None = None


@dataclass(frozen=True, kw_only=True)
class Signature:
    """How a file or a folder of a format is recognised.

    Attributes:
        folder_entries: a folder is of this format if it has an entry of one of these names or patterns.
        weak_entries: the same, if nothing in the folder is of any format.
        extensions: of files, with the dot, in lower case.
        json_keys: a JSON file is of this format if its object has all these keys. The format with most keys wins.
        item_keys: a JSON file that is a list is of this format if its first object has all these keys.
        matches: looks into a file that has one of the extensions.
        counts_in_folder: whether such a file counts by itself when a folder is searched for results.
    """

    folder_entries: tuple[str, ...] = ()
    weak_entries: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    json_keys: frozenset[str] = frozenset()
    item_keys: frozenset[str] = frozenset()
    matches: Callable[[Path], bool] | None = None
    counts_in_folder: bool = True


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format.

    Attributes:
        name: the module's, with dashes.
        title: for a menu.
        summary: one line for a list of formats.
        suffix: how the name of what `write` writes ends, with the dot; "" for a folder.
        media_type: of a single file that `write` writes; None if it always writes several.
        write: writes masks of one image, ``write(masks, path, **options)``, and returns the files made; InputError if
            the path or the masks do not suit the format.
        read: reads them back.
        holds: what of the masks comes back.
        extensions: those that mean this format when no format is named, in lower case. Formats that share an
            extension with another (COCO's is ".json" too) leave it to the more common one.
        options: keywords of `write` and `write_dataset`.
        signature: how its files are recognised.
        reads_any_image: whether `read` takes image files of any kind, whatever their extension.
        names_images_beside: whether a file names its image with a path from its own folder.
        needs_masks: whether `write` refuses an image without masks.
        menu_position: where it stands in a menu, small numbers first.
        image_suffix: of the file that a dataset has for each image, named after it; None if there is none.
        image_folder: where the images belong, from the folder of what is written: "" beside each file; None if nowhere.
        find_image_folders: further folders that names of images may count from, by the path of a dataset.
        has_split_folders: whether `write_dataset` has a folder for each part of a split dataset.
        write_dataset: writes any number of images, ``write_dataset(sets, path, check=..., **options)``, of which one at
            a time is in memory; None for a format of one image per file.
        read_dataset: reads every image of such a file or folder, one at a time.
    """

    name: str
    title: str
    summary: str
    suffix: str
    media_type: str | None = None
    write: Callable[..., list[Path]]
    read: ReadImage
    holds: Holds = field(default_factory=Holds)
    extensions: tuple[str, ...] = ()
    options: tuple[FormatOption, ...] = ()
    signature: Signature = field(default_factory=Signature)
    reads_any_image: bool = False
    names_images_beside: bool = False
    needs_masks: bool = False
    menu_position: int = 100
    image_suffix: str | None = None
    image_folder: str | None = None
    find_image_folders: Callable[[Path], list[Path]] | None = None
    has_split_folders: bool = False
    write_dataset: Callable[..., list[Path]] | None = None
    read_dataset: Callable[[Path], Iterator[MaskSet]] | None = None

    @property
    def holds_many(self) -> bool:
        """Whether one file or folder holds any number of images, so that it is written once, at the end."""
        return self.write_dataset is not None

    @property
    def file_suffix(self) -> str:
        """How the name of a single file ends; "" for a format that always writes a folder."""
        return (*self.extensions, self.suffix)[0]
