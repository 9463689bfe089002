"""What `anymask models` does: list the files that are here, check them, remove them, copy them into a bundle."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.cache import remove_fetched_files
from anymask.weights.catalogue import BUNDLE_CATALOGUE, built_in_models, find_model, user_catalogue
from anymask.weights.download import ensure, path_of
from anymask.weights.model_entry import ModelEntry, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.user_models import copy_entry, remove_entry
from anymask.weights.verification import fault


@dataclass(frozen=True)
class FileState:
    """One file of a model on this machine.

    Attributes:
        path: where it is, or would be after a fetch.
        fault: "absent", or what is wrong with it in a few words; None when nothing is.
    """

    file: WeightFile
    path: Path
    fault: str | None


def inspect_files(entry: ModelEntry, *, thorough: bool = False) -> tuple[FileState, ...]:
    """Return the state of each file of a model; nothing is fetched or changed.

    Args:
        entry: the model.
        thorough: hash the files; otherwise only presence and size are checked.
    """
    return tuple(_inspect(file, path_of(entry, file), thorough) for file in entry.files)


def is_here(entry: ModelEntry) -> bool:
    """Tell whether every file of a model is on this machine with its right size."""
    return all(state.fault is None for state in inspect_files(entry))


def remove(name: str, *, progress: Progress | None = None) -> int:
    """Remove a model's fetched files, and its entry when it is the user's own; return the bytes freed.

    An offline bundle, and files that the user's catalogue only refers to, are left alone.

    Raises:
        ModelError: unknown model.
        WeightsError: the cache or the catalogue cannot be changed.
    """
    entry = find_model(name)
    _, freed = remove_fetched_files(entry, progress or Progress())
    if name not in built_in_models() and entry.origin == user_catalogue():
        remove_entry(name)
    return freed


def pull_to(
    name: str,
    folder: Path,
    *,
    allow: str | Iterable[str] | None = None,
    progress: Progress | None = None,
    local: Path | None = None,
) -> dict[str, Path]:
    """Put a model into an offline bundle, fetching it first where needed.

    Args:
        name: the model.
        folder: the bundle, made if absent; files go to `folder/<name>/<file>`. `ANYMASK_MODELS=folder` uses it.
        allow: as for `ensure`.
        progress: as for `ensure`.
        local: as for `ensure`.

    Returns:
        File name → path in the bundle, each verified after it was written.

    Raises:
        ModelError: unknown model.
        WeightsError: as for `ensure`, or the bundle cannot be written.
    """
    entry = find_model(name)
    paths = ensure(entry, allow=allow, progress=progress, local=local)
    target = folder / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        copies = {file.name: _copy_exact(paths[file.name], file, target) for file in entry.files}
    except OSError as error:
        raise WeightsError(f"{target} cannot be written ({error.strerror or error})") from error
    if name not in built_in_models():
        copy_entry(entry, folder / BUNDLE_CATALOGUE)
    return copies


def _inspect(file: WeightFile, path: Path, thorough: bool) -> FileState:
    if not path.exists():
        return FileState(file, path, "absent")
    if thorough:
        return FileState(file, path, fault(path, file))
    size = path.stat().st_size
    return FileState(file, path, None if size == file.size else f"it has {size} bytes instead of {file.size}")


def _copy_exact(path: Path, file: WeightFile, folder: Path) -> Path:
    """Copy one file by way of a temporary name, so that the final name never holds half of it."""
    final = folder / file.name
    if not fault(final, file):
        return final
    temporary = folder / f".{file.name}.new"
    try:
        shutil.copyfile(path, temporary)
        damage = fault(temporary, file)
        if damage:
            raise WeightsError(f"the copy of {file.name} in {folder} is damaged: {damage}")
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return final
