"""The catalogues: the built-in one, the user's own, and the one inside an offline bundle.

A built-in name always means the built-in model: neither of the others can replace it.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from anymask.errors import ModelError
from anymask.weights.local_checkpoints import SUFFIXES, entry_of_checkpoint, names_a_checkpoint
from anymask.weights.locations import bundle, data_root
from anymask.weights.model_entry import ModelEntry, parse_entry
from anymask.weights.unverified import UnpinnedModel, parse_unpinned

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUNDLE_CATALOGUE = "catalogue.toml"


def user_catalogue() -> Path:
    """Return the path of the user's own catalogue; it may not exist yet."""
    return data_root() / "models.toml"


def default_model() -> str:
    """Return the name of the model that is used by default."""
    return str(_built_in_table()["default"])


def built_in_models() -> dict[str, ModelEntry]:
    """Return the models that anymask itself knows, by name."""
    return {name: parse_entry(name, table, None) for name, table in _built_in_table()["models"].items()}


def all_models() -> dict[str, ModelEntry]:
    """Return every known model by name: built-in ones, then the user's own, then the bundle's.

    Raises:
        ModelError: a catalogue of the user or of the bundle cannot be read.
        WeightsError: `ANYMASK_MODELS` is no folder.
    """
    models = built_in_models()
    folder = bundle()
    for path in [user_catalogue(), folder / BUNDLE_CATALOGUE] if folder else [user_catalogue()]:
        for name, entry in read_catalogue(path).items():
            models.setdefault(name, entry)
    return models


def unpinned_models() -> dict[str, UnpinnedModel]:
    """Return the models that the user has to bring, by name, whether or not they have been added."""
    return {name: parse_unpinned(name, table) for name, table in _built_in_table()["unpinned"].items()}


def family_capabilities(family: str) -> tuple[str, ...]:
    """Return what the models of a family can do; nothing for a family that the built-in catalogue does not have."""
    return tuple(_built_in_table()["families"].get(family, {}).get("capabilities", ()))


def family_embedding_bytes(family: str) -> int:
    """Return the memory that an encoded image of a family takes, in bytes; that of SAM where it is not stated."""
    families = _built_in_table()["families"]
    return int(families.get(family, {}).get("embedding_bytes", families["sam"]["embedding_bytes"]))


def find_model(name: str) -> ModelEntry:
    """Return the model called `name`, or the checkpoint at that path.

    A built-in model is found by one of its aliases, too, in upper or lower case, with or without ".pt" or ".pth".

    Raises:
        ModelError: there is none, and the message names the nearest, or every known one; or it is one that the user has
            to bring, and the message says how; or a file that is no model, is damaged, or wants code to be run.
    """
    built_in = built_in_models()
    if name in built_in:
        return built_in[name]
    if names_a_checkpoint(name):
        entry = entry_of_checkpoint(name, built_in)
        return replace(entry, capabilities=family_capabilities(entry.family))
    models = all_models()
    if name not in models:
        name = _name_of_alias(name, built_in)
    if name not in models and name in unpinned_models():
        raise ModelError(unpinned_models()[name].how_to_add)
    if name not in models:
        raise ModelError(_unknown(name, models))
    return models[name]


def _unknown(name: str, models: Mapping[str, ModelEntry]) -> str:
    """What is wrong with a name that no model has."""
    if "://" in name:
        return f"{name} is a URL: download the file and give its path"
    if name and Path(name).expanduser().is_dir():
        return f"{name} is a folder: name the file of the checkpoint in it ({', '.join(SUFFIXES)})"
    names = {each: entry.name for entry in models.values() for each in (entry.name, *entry.aliases)}
    near = get_close_matches(name.lower().removesuffix(".pth").removesuffix(".pt"), names, n=1, cutoff=0.7)
    meant = f"; did you mean {names[near[0]]}?" if near else ""
    if name.lower().endswith(SUFFIXES):
        return f"there is no file {name}, and no model of that name{meant} (anymask models list)"
    return f"unknown model {name!r}{meant or '; there are ' + ', '.join(models)} (anymask models list)"


def _name_of_alias(alias: str, built_in: Mapping[str, ModelEntry]) -> str:
    """The model that people mean by a name, or the name itself."""
    lower = alias.lower()
    spellings = {lower, lower.removesuffix(".pth").removesuffix(".pt")}
    for name in (*built_in, *unpinned_models()):
        names = {name, *(built_in[name].aliases if name in built_in else ())}
        if spellings & names or {each.replace("_", "-") for each in spellings} & names:
            return name
    return alias


def read_catalogue(path: Path) -> dict[str, ModelEntry]:
    """Return the models of one catalogue file by name; none when there is no such file.

    Raises:
        ModelError: the file is no TOML, or an entry in it cannot be right.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"model catalogue {path} cannot be read: {error}") from error
    entries = table.get("models", {})
    if not isinstance(entries, dict) or not all(isinstance(each, dict) for each in entries.values()):
        raise ModelError(f"model catalogue {path}: [models.NAME] must be tables")
    return {name: parse_entry(name, each, path) for name, each in entries.items()}


@lru_cache(maxsize=1)
def _built_in_table() -> Mapping[str, Any]:
    text = resources.files("anymask.weights").joinpath("catalogue.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    return table
