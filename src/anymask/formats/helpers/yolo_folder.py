"""Where the images, labels and class names of a YOLO dataset are, in the layouts that programs write.

- ours and Ultralytics': `data.yaml`, `images/…`, `labels/…`, or `images/train/…` and `labels/train/…`;
- Roboflow's: `data.yaml`, `train/images`, `train/labels`, `valid/…`, `test/…`, with paths that begin with `../`;
- Label Studio's: `images`, `labels`, `classes.txt` and `notes.json`;
- LabelImg's: images and text files in one folder, with `classes.txt`;
- Darknet's, as CVAT's "YOLO 1.1": `obj.names`, and images and text files in `obj_train_data`, `obj_valid_data` ….
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.errors import InputError
from anymask.formats.helpers.image_names import SPLITS
from anymask.formats.helpers.validation import as_object
from anymask.io.file_names import spellings
from anymask.io.identification import readable_suffixes
from anymask.io.text import decode_text

DATA = "data.yaml"
NOTES = "notes.json"
CLASSES = "classes.txt"
DARKNET_NAMES = "obj.names"
_TEXTS = frozenset((CLASSES, "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt"))
"""Text files that are no labels, in lower case."""
_LABELS = ("labels", "*/labels", "obj_*_data")
"""Folders of labels."""


@dataclass(frozen=True)
class LabelledImage:
    """An image of a dataset.

    Attributes:
        name: from the dataset's folder, without the folder `images`.
        image: the file; None if only its labels are there.
        labels: the text file; None for an image without objects.
        split: "train", "val" or "test"; None if no part has it, or several.
    """

    name: str
    image: Path | None
    labels: Path | None
    split: str | None = None


@dataclass(frozen=True)
class YoloFolder:
    """A dataset as it lies on the disk.

    Attributes:
        root: its folder.
        names: class number → name; None if there are no names anywhere.
        splits: the folders and lists of images that `data.yaml` names, each with its split; if none of them is there,
            the usual ones.
        has_keypoints: whether boxes are followed by keypoints.
    """

    root: Path
    names: dict[int, str] | None
    splits: dict[Path, str | None]
    has_keypoints: bool

    @classmethod
    def open(cls, path: Path) -> YoloFolder:
        """Find a dataset.

        Args:
            path: its folder, or its YAML file.

        Raises:
            InputError: damaged names.
        """
        data = path if path.is_file() else _find_yaml(path)
        content = {} if data is None else _load_yaml(data)
        root = (path if data is None else data.parent).resolve()
        if isinstance(content.get("path"), str) and (root / content["path"]).is_dir():
            root = (root / content["path"]).resolve()
        names = _names_of(content)
        splits: dict[Path, str | None] = {}
        for key, split in SPLITS.items():
            for found in _located(root, content.get(key)):
                splits[found] = split if splits.get(found, split) == split else None
        return cls(
            root,
            _names_beside(root) if names is None else names,
            splits or {folder: _split_of(folder) for folder in _usual_splits(root)},
            "kpt_shape" in content,
        )

    def images(self) -> Iterator[LabelledImage]:
        """Every image, split by split, and then the labels without an image."""
        taken: set[Path] = set()
        done: set[Path] = set()
        for split, name in self.splits.items():
            for image in _images_in(split, self.root):
                if image in done:
                    continue
                done.add(image)
                labels = _labels_of(image, self.root)
                if labels is not None:
                    taken.add(labels)
                yield LabelledImage(self._name(image, split), image, labels, name)
        for folder in sorted({each for pattern in _LABELS for each in self.root.glob(pattern)}):
            for labels in _files_below(folder, frozenset((".txt",))):
                if labels not in taken and labels.name.lower() not in _TEXTS:
                    yield LabelledImage(_without(labels.relative_to(self.root), "labels"), None, labels)

    def _name(self, image: Path, split: Path) -> str:
        for folder in (self.root, split.parent, image.parent):
            if image.is_relative_to(folder):
                return _without(image.relative_to(folder), "images")
        return image.name


def image_folders(path: Path) -> list[Path]:
    """Folders of images that a dataset's YAML file names elsewhere; none for what is no such dataset."""
    data = path if path.is_file() else _find_yaml(path)
    if data is None or data.suffix.lower() not in (".yaml", ".yml"):
        return []
    try:
        folder = YoloFolder.open(path)
    except (InputError, OSError, ValueError):
        return []
    return [folder.root, *(split if split.is_dir() else split.parent for split in folder.splits)]


def _find_yaml(folder: Path) -> Path | None:
    """`data.yaml`, or the only other YAML file of a folder."""
    if (folder / DATA).is_file():
        return folder / DATA
    others = sorted(each for each in folder.iterdir() if each.suffix.lower() in (".yaml", ".yml"))
    return others[0] if len(others) == 1 else None


def _load_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        return as_object(yaml.safe_load(decode_text(path.read_bytes())), path.name)
    except yaml.YAMLError as error:
        raise InputError(" ".join(str(error).split())) from None


def _names_of(content: dict[str, Any]) -> dict[int, str] | None:
    """The class names of a `data.yaml`, as a list or a map; of a number of classes alone, Ultralytics' own."""
    names = content.get("names")
    if names is None:
        count = content.get("nc")
        return {number: f"class_{number}" for number in range(min(count, 1 << 16))} if isinstance(count, int) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    found = {}
    for number, name in as_object(names, "names").items():
        if isinstance(name, dict | list):
            raise InputError(f"the name of class {number} is a {type(name).__name__}, not text")
        found[int(number)] = str(name)
    return found


def _names_beside(folder: Path) -> dict[int, str] | None:
    """The class names that Label Studio, LabelImg or Darknet has beside the labels; None without."""
    if (folder / NOTES).is_file():
        categories = as_object(json.loads(decode_text((folder / NOTES).read_bytes())), NOTES).get("categories")
        if isinstance(categories, list):
            return {int(each["id"]): str(each["name"]) for each in categories}
    for path in (folder / CLASSES, folder / "labels" / CLASSES, folder / DARKNET_NAMES):
        if path.is_file():
            lines = decode_text(path.read_bytes()).splitlines()
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return None


def _located(root: Path, value: Any) -> Iterator[Path]:
    """The folders and lists that an entry of `data.yaml` names.

    As Ultralytics does, a path that is not there is tried without its "../"; one of another machine with its last two
    folders.
    """
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, str) or not entry.strip() or "\0" in entry:
            continue
        path = PurePosixPath(entry.strip().replace("\\", "/"))
        inner = [part for part in path.parts if part not in ("..", ".", "/")]
        for candidate in (root / path, root.joinpath(*inner), root.joinpath(*inner[-2:])):
            if candidate != root and candidate.exists():
                yield candidate.resolve()
                break


def _split_of(folder: Path) -> str | None:
    """The part of a dataset in a folder `train/images` or `obj_train_data`; None for another."""
    darknet = re.fullmatch(r"obj_([a-z]+)_data", folder.name.lower())
    return SPLITS.get(darknet[1] if darknet else folder.parent.name.lower())


def _usual_splits(root: Path) -> list[Path]:
    """`images`, the same one level below, `obj_…_data`, or the folder itself where labels lie beside images."""
    folders = (root / "images", *sorted(root.glob("*/images")), *sorted(root.glob("obj_*_data")))
    found = [folder for folder in folders if folder.is_dir()]
    return found or ([] if (root / "labels").is_dir() else [root])


def _images_in(split: Path, root: Path) -> Iterator[Path]:
    """The images of a folder with all below it, or of a list with a path per line."""
    if split.is_dir():
        yield from _files_below(split, readable_suffixes())
    elif split.suffix.lower() == ".txt":
        for line in decode_text(split.read_bytes()).splitlines():
            name = line.strip().replace("\\", "/")
            found = _listed_image(name, (split.parent, root)) if name and "\0" not in name else None
            if found is not None:
                yield found.resolve()


def _listed_image(name: str, folders: tuple[Path, ...]) -> Path | None:
    """The file of a line in a list, from one of the folders; CVAT's lists have a folder `data` before all others."""
    for path in (name, name.removeprefix("data/")):
        for folder in folders:
            if (folder / path).is_file():
                return folder / path
    return None


def _files_below(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in suffixes and not hidden and file.is_file():
            yield file


def _labels_of(image: Path, root: Path) -> Path | None:
    """The text file of an image: with `labels` in place of the last folder `images` of its path, or beside it."""
    parts = list(image.parent.parts)
    places = [place for place, part in enumerate(parts) if part.lower() == "images"]
    folders = [image.parent]
    if places:
        parts[places[-1]] = "Labels" if parts[places[-1]] == "Images" else "labels"
        folders.insert(0, Path(*parts))
    for folder in folders:
        for stem in spellings(image.stem):
            for suffix in (".txt", ".TXT", ".Txt"):
                labels = folder / (stem + suffix)
                if labels.is_file() and not (folder == root and labels.name.lower() in _TEXTS):
                    return labels
    return None


def _without(path: Path, folder: str) -> str:
    """A path without the last folder of that name."""
    parts = list(path.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part.lower() == folder]
    if places:
        del parts[places[-1]]
    return "/".join(parts)
