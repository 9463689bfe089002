"""Where weights are on this machine, and which environment variables move them.

- `ANYMASK_CACHE`: the root of everything that can be fetched or computed again (weights, compiled graphs, embeddings).
- `ANYMASK_DATA`: the user's own model catalogue and the model files copied into it.
- `ANYMASK_MODELS`: an offline bundle, `FOLDER/<model>/<file>`, made by `anymask models pull --to FOLDER`.
"""

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from anymask.errors import InputError, WeightsError


def cache_root() -> Path:
    """Return the folder of everything that can be fetched or computed again; it may not exist yet.

    Raises:
        InputError: `ANYMASK_CACHE` is not set, and this user has no home.
    """
    return _folder("ANYMASK_CACHE", platformdirs.user_cache_dir)


def models_cache() -> Path:
    """Return the folder that holds one folder of fetched files per model; it may not exist yet."""
    return cache_root() / "models"


def data_root() -> Path:
    """Return the folder of what the user added; it may not exist yet.

    Raises:
        InputError: `ANYMASK_DATA` is not set, and this user has no home.
    """
    return _folder("ANYMASK_DATA", platformdirs.user_data_dir)


def _folder(variable: str, find: Callable[..., str]) -> Path:
    """The folder that a variable names, or the one of this user that `find` of platformdirs returns."""
    try:
        return Path(os.environ.get(variable) or find("anymask", False)).expanduser()
    except RuntimeError as error:
        raise InputError(f"{variable} has to name a folder, since this user has no home ({error})") from None


def bundle() -> Path | None:
    """Return the offline bundle that `ANYMASK_MODELS` names, or None when it names none.

    Raises:
        WeightsError: the variable is set to something that is not a folder.
    """
    value = os.environ.get("ANYMASK_MODELS")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"ANYMASK_MODELS is {value!r}, which is not a folder; unset it or make one with pull --to")
    return folder
