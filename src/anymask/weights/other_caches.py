"""Weights that other programs have fetched already: files of the catalogue, recognised by their sha256, and linked.

Nothing is copied: the cache gets a link to the file where it is. Like every cached file it is hashed whenever it is
used, and fetched again if it is gone or has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.cache import model_folder, model_lock, translate_disk_errors
from anymask.weights.download import path_of
from anymask.weights.model_entry import ModelEntry, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.verification import fault, sha256_of


@dataclass(frozen=True)
class FoundFile:
    """A file of a model that another program has.

    Attributes:
        model: name of the model.
        file: name of the file in the catalogue.
        path: where it is.
        linked: whether it is linked now; not if the file was here already.
    """

    model: str
    file: str
    path: Path
    linked: bool


@dataclass
class Search:
    """What a search found.

    Attributes:
        found: files of known models.
        folders: that were searched.
        unreadable: files and folders that could not be read.
    """

    found: list[FoundFile] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def known_folders(environment: Mapping[str, str] | None = None) -> list[Path]:
    """Folders where other programs keep weights; only those that exist.

    Hugging Face (`HF_HUB_CACHE`, `HF_HOME`), torch hub (`TORCH_HOME`), ultralytics' `weights_dir`, osam, and ComfyUI's
    `models/sams` and `models/sam2` in the home, the working folder or `COMFYUI_PATH`.
    """
    variables = os.environ if environment is None else environment
    home = Path.home()
    caches = Path(variables.get("XDG_CACHE_HOME") or home / ".cache")
    hugging_face = Path(variables.get("HF_HOME") or caches / "huggingface")
    comfy = [Path(variables["COMFYUI_PATH"])] if variables.get("COMFYUI_PATH") else []
    folders = [
        Path(variables.get("HF_HUB_CACHE") or hugging_face / "hub"),
        Path(variables.get("TORCH_HOME") or caches / "torch") / "hub" / "checkpoints",
        *_ultralytics_folders(variables, home),
        home / ".cache" / "osam",
        *(root / "models" / name for root in [*comfy, home / "ComfyUI", Path("ComfyUI")] for name in ("sams", "sam2")),
    ]
    return [folder.expanduser() for folder in folders if folder.expanduser().is_dir()]


def link_found_files(models: Iterable[ModelEntry], folders: Sequence[Path], progress: Progress | None = None) -> Search:
    """Look for files of models in folders, and link those that are not here yet into the cache.

    Args:
        models: to look for.
        folders: searched with all that is in them.
        progress: receives a note while another process changes a model's folder.

    Raises:
        WeightsError: the cache cannot be written, or the system allows no links.
    """
    wanted: dict[int, list[tuple[ModelEntry, WeightFile]]] = {}
    for entry in models:
        for file in entry.files:
            wanted.setdefault(file.size, []).append((entry, file))
    search = Search(folders=list(folders))
    seen: set[Path] = set()
    for path in _files(folders, search):
        try:
            real = path.resolve()
            choices = wanted.get(real.stat().st_size, [])
            if not choices or real in seen:
                continue
            seen.add(real)
            digest = sha256_of(real)
        except OSError:
            search.unreadable.append(path)
            continue
        for entry, file in choices:
            if file.sha256 == digest:
                linked = _link(entry, file, real, progress or Progress())
                search.found.append(FoundFile(entry.name, file.name, real, linked))
    return search


def _files(folders: Sequence[Path], search: Search) -> Iterator[Path]:
    """All files of the folders; folders that cannot be read are noted."""

    def note(error: OSError) -> None:
        search.unreadable.append(Path(error.filename))

    for folder in folders:
        for root, _, names in os.walk(folder, onerror=note):
            yield from (Path(root) / name for name in sorted(names))


def _link(entry: ModelEntry, file: WeightFile, target: Path, progress: Progress) -> bool:
    """Link a file into the cache, unless an exact one is there; whether it was linked."""
    if not fault(path_of(entry, file), file):
        return False
    with model_lock(entry, progress), translate_disk_errors(entry):
        folder = model_folder(entry)
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / file.name
        new = folder / f".{file.name}.link"  # never under the name of a part: a fetch would write through it
        new.unlink(missing_ok=True)
        try:
            new.symlink_to(target)
        except OSError:  # Windows without the right to make links
            try:
                new.hardlink_to(target)
            except OSError as error:
                raise WeightsError(
                    f"{target} cannot be linked ({error.strerror}): run 'anymask models pull {entry.name} --from "
                    f"{target.parent}', which copies it"
                ) from error
        new.replace(link)
    return True


def _ultralytics_folders(variables: Mapping[str, str], home: Path) -> list[Path]:
    """`weights_dir` of ultralytics' settings."""
    config = Path(variables.get("YOLO_CONFIG_DIR") or home / ".config" / "Ultralytics")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return [Path(json.loads((config / "settings.json").read_text("utf-8"))["weights_dir"])]
    return []
