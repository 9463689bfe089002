"""The user's own models: entries in a small TOML catalogue beside the built-in one."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from anymask.errors import InputError, ModelError, WeightsError
from anymask.weights.catalogue import built_in_models, family_capabilities, read_catalogue, user_catalogue
from anymask.weights.locations import data_root
from anymask.weights.model_entry import (
    UNKNOWN_LICENCE,
    ModelEntry,
    Source,
    WeightFile,
    check_name,
    entry_table,
)
from anymask.weights.verification import sha256_of


def add_model(
    name: str,
    paths: Sequence[Path],
    *,
    family: str = "sam",
    encoder: str | None = None,
    description: str = "",
    homepage: str = "",
    capabilities: Sequence[str] = (),
    weights_licence: str = UNKNOWN_LICENCE,
    code_licence: str = UNKNOWN_LICENCE,
    copy: bool = False,
) -> ModelEntry:
    """Add files on this machine to the user's catalogue as a model.

    Args:
        name: the new model's name; a plain name that no catalogue has yet.
        paths: its files; their names become the model's file names.
        family: which family of anymask runs it.
        encoder: the family's encoder, where it has several.
        description: one line for `models list`.
        homepage: where it comes from.
        capabilities: what it can do; empty takes what its family can.
        weights_licence: SPDX identifier; without it an allow-list refuses the model.
        code_licence: the same for the code that defines it.
        copy: copy the files beside the catalogue instead of using them where they are.

    Returns:
        The new entry, with each file's size and sha256 as they are now.

    Raises:
        InputError: a name is taken or no plain name, or a file is absent, empty or named like another.
        WeightsError: the catalogue or a copy cannot be written.
    """
    files = _hash_files(name, paths)
    with _edit_catalogue(user_catalogue()) as entries:
        if name in built_in_models() or name in entries:
            raise ModelError(f"there is a model {name!r} already; take another name, or remove your own first")
        paths_by_name = _copies(name, paths) if copy else {path.name: str(path.resolve()) for path in paths}
        entries[name] = ModelEntry(
            name=name,
            family=family,
            files=files,
            sources=(Source("file", paths_by_name),),
            encoder=encoder,
            description=description,
            homepage=homepage,
            capabilities=tuple(capabilities) or family_capabilities(family),
            weights_licence=weights_licence,
            code_licence=code_licence,
            origin=user_catalogue(),
        )
    return entries[name]


def remove_entry(name: str) -> None:
    """Take a model out of the user's catalogue, with the copies that `add_model` made; other files stay.

    Raises:
        ModelError: the user's catalogue has no such model.
        WeightsError: the catalogue cannot be written.
    """
    with _edit_catalogue(user_catalogue()) as entries:
        if name not in entries:
            raise ModelError(f"there is no model {name!r} of your own in {user_catalogue()}")
        del entries[name]
        shutil.rmtree(_copies_folder(name), ignore_errors=True)


def copy_entry(entry: ModelEntry, catalogue: Path) -> None:
    """Write an entry without its local paths into another catalogue, over one of the same name.

    Raises:
        WeightsError: the catalogue cannot be written.
    """
    remote = tuple(source for source in entry.sources if source.kind != "file")
    with _edit_catalogue(catalogue) as entries:
        entries[entry.name] = replace(entry, sources=remote, origin=catalogue)


def _hash_files(name: str, paths: Sequence[Path]) -> tuple[WeightFile, ...]:
    try:
        check_name(name)
        for path in paths:
            check_name(path.name)
    except ValueError as error:
        raise InputError(str(error)) from error
    names = [path.name for path in paths]
    duplicates = sorted({each for each in names if names.count(each) > 1})
    if duplicates or not names:
        raise InputError(f"two files are called {duplicates[0]!r}" if duplicates else "a model needs at least one file")
    return tuple(_hash_file(path) for path in paths)


def _hash_file(path: Path) -> WeightFile:
    try:
        size = path.stat().st_size
        if not path.is_file() or size == 0:
            raise InputError(f"{path} is {'an empty' if path.is_file() else 'no'} file; a model file is expected")
        return WeightFile(path.name, sha256_of(path), size)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def _copies_folder(name: str) -> Path:
    return data_root() / "models" / name


def _copies(name: str, paths: Sequence[Path]) -> dict[str, str]:
    """Copy files beside the catalogue and return each one's new path by its name."""
    folder = _copies_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copyfile(path, folder / path.name)
    return {path.name: str(folder / path.name) for path in paths}


@contextmanager
def _edit_catalogue(catalogue: Path) -> Iterator[dict[str, ModelEntry]]:
    """Yield a catalogue's entries to be changed, and write them if nothing is raised.

    Raises:
        ModelError: the catalogue cannot be read.
        WeightsError: it cannot be written.
    """
    from filelock import FileLock

    try:
        catalogue.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(catalogue.with_suffix(".lock")):
            entries = read_catalogue(catalogue)
            yield entries
            _write(catalogue, entries)
    except OSError as error:
        raise WeightsError(f"{catalogue} cannot be written ({error.strerror or error})") from error


def _write(catalogue: Path, entries: Mapping[str, ModelEntry]) -> None:
    import tomli_w

    text = tomli_w.dumps({"models": {name: entry_table(entry) for name, entry in entries.items()}})
    temporary = catalogue.with_suffix(".new")
    temporary.write_text(text, "utf-8")
    temporary.replace(catalogue)
